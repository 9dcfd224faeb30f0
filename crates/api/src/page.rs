//! Lists, a page at a time.

use crate::filter::whole_number;
use oslira_domain::FieldProblem;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// How many entries a page has: by default, and at most.
pub const PAGE_SIZE: (u32, u32) = (50, 100);
/// How many entries of a list can be reached by pages, and how far they are counted. Without a bound, the last
/// page and the count would cost as much as the whole list.
pub const MOST_ROWS: u32 = 10_000;

/// Which page of a list to return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// The first page is 1.
    pub page: u32,
    /// How many entries a page has at most.
    pub page_size: u32,
}

impl Default for Page {
    fn default() -> Self {
        Self { page: 1, page_size: PAGE_SIZE.0 }
    }
}

impl Page {
    /// The names of the two query parameters.
    pub const NAMES: [&'static str; 2] = ["page", "pageSize"];

    /// Sets the parameter of this name from a request's text.
    pub fn set(&mut self, name: &str, text: &str) -> Result<(), FieldProblem> {
        let (field, most) = match name {
            "page" => (&mut self.page, MOST_ROWS),
            _ => (&mut self.page_size, PAGE_SIZE.1),
        };
        *field = whole_number(text, 1..=most)?;
        Ok(())
    }

    /// Refuses a page that begins beyond the last entry that can be reached.
    pub fn within_reach(self) -> Result<(), FieldProblem> {
        if self.offset() < MOST_ROWS.into() {
            return Ok(());
        }
        let last = MOST_ROWS.div_ceil(self.page_size);
        let problem = format!(
            "must be at most {last} with pages of {}: a list shows its first {MOST_ROWS} entries, so narrow the filter",
            self.page_size
        );
        Err(FieldProblem(problem))
    }

    /// How many entries the page may have.
    pub fn limit(self) -> i64 {
        i64::from(self.page_size).min(i64::from(MOST_ROWS) - self.offset()).max(0)
    }

    /// How many entries come before the page.
    pub fn offset(self) -> i64 {
        i64::from(self.page - 1) * i64::from(self.page_size)
    }

    /// The answer for this page of the list.
    pub fn of<T>(self, total: u64, data: Vec<T>) -> Paged<T> {
        Paged { page: self.page, page_size: self.page_size, total, data }
    }
}

/// A page of a list. A page beyond the last one is empty.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Paged<T> {
    /// The number of this page; the first is 1.
    pub page: u32,
    /// How many entries a page has at most.
    pub page_size: u32,
    /// How many entries all pages have together, up to [`MOST_ROWS`].
    pub total: u64,
    /// The entries of this page.
    pub data: Vec<T>,
}

impl<T: JsonSchema> JsonSchema for Paged<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("PageOf{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "description": "A page of the list. A page beyond the last one is empty.",
            "required": ["page", "pageSize", "total", "data"],
            "properties": {
                "page": {"type": "integer", "minimum": 1, "description": "The first page is 1."},
                "pageSize": {"type": "integer", "minimum": 1, "maximum": PAGE_SIZE.1},
                "total": {
                    "type": "integer", "minimum": 0, "maximum": MOST_ROWS,
                    "description": format!("Entries on all pages together. {MOST_ROWS} means {MOST_ROWS} or more: counting ends there, and so do the pages."),
                },
                "data": {"type": "array", "maxItems": PAGE_SIZE.1, "items": generator.subschema_for::<T>()},
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_a_whole_number_within_its_bounds() {
        for (name, good, bad) in [("page", "10000", "10001"), ("pageSize", "100", "101")] {
            assert_eq!(Page::default().set(name, good), Ok(()), "{name} {good}");
            for text in [bad, "0", "-1", "+1", "1.0", "", " 1", "one", "99999999999999999999"] {
                assert!(Page::default().set(name, text).is_err(), "{name} {text:?}");
            }
        }
    }

    #[test]
    fn pages_follow_each_other_without_a_gap() {
        let page = |page| Page { page, page_size: 30 };
        assert_eq!((page(1).offset(), page(1).limit()), (0, 30));
        assert_eq!(page(3).offset(), page(2).offset() + page(2).limit());
    }

    #[test]
    fn pages_end_at_the_ten_thousandth_entry() {
        for (page_size, last, on_the_last) in [(100, 100, 100), (50, 200, 50), (30, 334, 10), (1, 10_000, 1)]
        {
            let page = |page| Page { page, page_size };
            assert_eq!(page(last).within_reach(), Ok(()), "{page_size}");
            assert_eq!(page(last).offset() + page(last).limit(), 10_000, "{page_size}");
            assert_eq!(page(last).limit(), on_the_last, "{page_size}");
            let FieldProblem(problem) = page(last + 1).within_reach().unwrap_err();
            assert!(
                problem.starts_with(&format!("must be at most {last} with pages of {page_size}")),
                "{problem}"
            );
        }
    }
}
