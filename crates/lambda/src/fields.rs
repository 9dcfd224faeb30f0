//! The fields of a request's body and query. The answer to a bad request names all bad fields at once, each
//! with one entry.

use deserr::{DeserializeError, Deserr, ErrorKind, IntoValue, MergeWithError, ValueKind, ValuePointerRef};
use oslira_api::Page;
use oslira_domain::{Code, Error, FieldProblem, Result};
use serde_json::{Map, Value};
use std::ops::ControlFlow;

/// The largest body that any route accepts, in bytes.
const MAX_BYTES: usize = 64 * 1024;
/// How a problem with an unknown field begins, before the names of the known ones.
const UNKNOWN: &str = "is not a known field; known are ";
/// How many bad fields an answer names. A body with more of them is no slip.
const MAX_TOLD: usize = 30;

/// What is wrong with a request: one sentence per field. `icp.followerRange.min` is a field inside a field.
#[derive(Debug, Default)]
pub struct FieldErrors(Map<String, Value>);

/// Refuses a body that no route accepts.
pub(crate) fn check_size(body: &[u8]) -> Result<()> {
    if body.len() > MAX_BYTES {
        let message = format!("The body is larger than {MAX_BYTES} bytes.");
        return Err(Error::new(Code::PayloadTooLarge, message));
    }
    Ok(())
}

/// Reads a JSON object. Unknown fields, wrong types and refused values are all collected. No text in it holds
/// U+0000, whatever its field is: Postgres cannot store that.
pub(crate) fn read_body<T: Deserr<FieldErrors>>(bytes: &[u8]) -> Result<T> {
    check_size(bytes)?;
    let value: Value = serde_json::from_slice(bytes).map_err(|error| {
        // serde_json's message names the place and what it expected there, never the text itself.
        Error::new(Code::MalformedBody, format!("The body is not JSON: {error}."))
    })?;
    let mut nuls = FieldErrors::default();
    nuls.find_nuls(&value, "");
    match deserr::deserialize::<T, _, FieldErrors>(value) {
        Ok(body) if nuls.0.is_empty() => Ok(body),
        read => {
            let mut errors = read.err().unwrap_or_default();
            errors.add_elsewhere(nuls);
            Err(invalid(errors.0))
        }
    }
}

/// Reads the parameters of a query by the same rules. Each may be given once.
pub(crate) fn read_query<T: Deserr<FieldErrors>>(parameters: &[(String, String)]) -> Result<T> {
    parameters_into(parameters, &[]).map_err(|errors| invalid(errors.0))
}

/// The same for a list. Two parameters beside those of `T` say which page is wanted.
pub(crate) fn read_page<T: Deserr<FieldErrors>>(parameters: &[(String, String)]) -> Result<(T, Page)> {
    let (of_page, others): (Vec<_>, Vec<_>) =
        parameters.iter().cloned().partition(|(name, _)| Page::NAMES.contains(&name.as_str()));
    let mut page = Page::default();
    let mut errors = repeated(&of_page);
    for (name, text) in &of_page {
        if let Err(problem) = page.set(name, text) {
            errors.0.entry(name.as_str()).or_insert(Value::String(problem.0));
        }
    }
    if errors.0.is_empty()
        && let Err(problem) = page.within_reach()
    {
        errors.0.insert("page".to_owned(), Value::String(problem.0));
    }
    let filters = parameters_into(&others, &Page::NAMES);
    if let Err(others) = &filters {
        errors.0.extend(others.0.clone());
    }
    filters
        .ok()
        .filter(|_| errors.0.is_empty())
        .map(|filters| (filters, page))
        .ok_or_else(|| invalid(errors.0))
}

/// `known_elsewhere` are the names of parameters that are read beside `T`.
fn parameters_into<T: Deserr<FieldErrors>>(
    parameters: &[(String, String)],
    known_elsewhere: &[&str],
) -> Result<T, FieldErrors> {
    let fields = parameters.iter().map(|(name, text)| (name.clone(), Value::String(text.clone())));
    let read = deserr::deserialize::<T, _, FieldErrors>(Value::Object(fields.collect()));
    let mut repeated = repeated(parameters);
    let nuls = parameters.iter().filter(|(name, text)| has_nul(name) || has_nul(text)).take(MAX_TOLD);
    repeated.0.extend(nuls.map(|(name, _)| (name.clone(), no_nul())));
    match read {
        Ok(read) if repeated.0.is_empty() => Ok(read),
        // What is wrong with one of several values matters less than that there are several.
        read => {
            let mut errors = read.err().unwrap_or_default();
            for problem in errors.0.values_mut() {
                if let Some(known) = problem.as_str().and_then(|problem| problem.strip_prefix(UNKNOWN)) {
                    let known = known
                        .split(", ")
                        .filter(|name| !name.is_empty())
                        .chain(known_elsewhere.iter().copied());
                    *problem = Value::String(unknown_parameter(&known.collect::<Vec<_>>()));
                }
            }
            errors.0.extend(repeated.0);
            Err(errors)
        }
    }
}

fn unknown_parameter(known: &[&str]) -> String {
    let known = if known.is_empty() {
        "there are none".to_owned()
    } else {
        format!("known are {}", known.join(", "))
    };
    format!("is not a known parameter; {known}")
}

fn repeated(parameters: &[(String, String)]) -> FieldErrors {
    let count = |name: &str| parameters.iter().filter(|(other, _)| other == name).count();
    let repeated = parameters.iter().filter(|(name, _)| count(name) > 1);
    let problem = || Value::String("must be given only once".to_owned());
    FieldErrors(repeated.map(|(name, _)| (name.clone(), problem())).take(MAX_TOLD).collect())
}

/// The error for a refused header.
pub(crate) fn invalid_field(field: &str, problem: impl Into<String>) -> Error {
    invalid(Map::from_iter([(field.to_owned(), Value::String(problem.into()))]))
}

fn invalid(fields: Map<String, Value>) -> Error {
    let names: Vec<&str> = fields.keys().map(String::as_str).collect();
    Error::new(
        Code::ValidationFailed,
        format!("Not accepted: {}. See details for what would be.", names.join(", ")),
    )
    .with_details(Value::Object(fields))
}

fn has_nul(text: &str) -> bool {
    text.contains('\0')
}

fn no_nul() -> Value {
    Value::String("must not hold the character U+0000".to_owned())
}

impl FieldErrors {
    /// Adds every text below `place` that holds U+0000, and every field whose name does.
    fn find_nuls(&mut self, value: &Value, place: &str) {
        if self.0.len() >= MAX_TOLD {
            return;
        }
        let below = |name: &str| if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") };
        match value {
            Value::String(text) if has_nul(text) => {
                let place = if place.is_empty() { "body" } else { place };
                self.0.insert(place.to_owned(), no_nul());
            }
            Value::Array(values) => {
                for (index, value) in values.iter().enumerate() {
                    self.find_nuls(value, &format!("{place}[{index}]"));
                }
            }
            Value::Object(fields) => {
                for (name, value) in fields {
                    if has_nul(name) {
                        self.0.insert(below(name), no_nul());
                    }
                    self.find_nuls(value, &below(name));
                }
            }
            _ => {}
        }
    }

    /// Adds the problems of fields in which nothing else is wrong: a field has one entry, and so has a list whose
    /// own rule has judged its texts.
    fn add_elsewhere(&mut self, others: Self) {
        let is_told = |place: &str| {
            let rest = |field: &String| place.strip_prefix(field.as_str());
            self.0.keys().filter_map(rest).any(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        let others: Vec<_> = others.0.into_iter().filter(|(place, _)| !is_told(place)).collect();
        self.0.extend(others);
    }

    fn add(errors: Option<Self>, field: String, problem: String) -> ControlFlow<Self, Self> {
        let mut errors = errors.unwrap_or_default();
        errors.0.entry(field).or_insert(Value::String(problem));
        if errors.0.len() < MAX_TOLD { ControlFlow::Continue(errors) } else { ControlFlow::Break(errors) }
    }
}

impl DeserializeError for FieldErrors {
    fn error<V: IntoValue>(
        errors: Option<Self>,
        error: ErrorKind<'_, V>,
        location: ValuePointerRef<'_>,
    ) -> ControlFlow<Self, Self> {
        let (location, problem) = match error {
            ErrorKind::MissingField { field } => (path(location, Some(field)), "is required".to_owned()),
            ErrorKind::UnknownKey { key, accepted } => {
                (path(location, Some(key)), format!("{UNKNOWN}{}", accepted.join(", ")))
            }
            ErrorKind::IncorrectValueKind { actual, accepted } => (
                path(location, None),
                format!("must be {}, not {}", wanted(accepted), given(&actual, accepted)),
            ),
            ErrorKind::UnknownValue { accepted, .. } => {
                (path(location, None), format!("must be one of {}", accepted.join(", ")))
            }
            ErrorKind::BadSequenceLen { expected, .. } => {
                (path(location, None), format!("must hold exactly {expected} items"))
            }
            ErrorKind::Unexpected { msg } => (path(location, None), msg),
        };
        Self::add(errors, location, problem)
    }
}

impl MergeWithError<Self> for FieldErrors {
    fn merge(errors: Option<Self>, other: Self, _: ValuePointerRef<'_>) -> ControlFlow<Self, Self> {
        let mut errors = errors.unwrap_or_default();
        errors.0.extend(other.0);
        ControlFlow::Continue(errors)
    }
}

impl MergeWithError<FieldProblem> for FieldErrors {
    fn merge(
        errors: Option<Self>,
        other: FieldProblem,
        location: ValuePointerRef<'_>,
    ) -> ControlFlow<Self, Self> {
        Self::add(errors, path(location, None), other.0)
    }
}

fn path(location: ValuePointerRef<'_>, field: Option<&str>) -> String {
    fn walk(location: ValuePointerRef<'_>, text: &mut String) {
        match location {
            ValuePointerRef::Origin => {}
            ValuePointerRef::Key { key, prev } => {
                walk(*prev, text);
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(key);
            }
            ValuePointerRef::Index { index, prev } => {
                walk(*prev, text);
                text.push_str(&format!("[{index}]"));
            }
        }
    }
    let mut text = String::new();
    walk(location, &mut text);
    match field {
        Some(field) if text.is_empty() => field.to_owned(),
        Some(field) => format!("{text}.{field}"),
        None if text.is_empty() => "body".to_owned(),
        None => text,
    }
}

/// The accepted types in words. When several number types are accepted, only the widest is named.
fn wanted(accepted: &[ValueKind]) -> String {
    let mut names: Vec<&str> = accepted
        .iter()
        .map(|kind| match kind {
            kind if !is_number(*kind) => name(*kind),
            _ if accepted.contains(&ValueKind::Float) => "a number",
            _ if accepted.contains(&ValueKind::NegativeInteger) => "a whole number",
            _ => "a whole number from 0 on",
        })
        .collect();
    names.dedup();
    names.join(" or ")
}

/// What was given instead. A number is shown itself where another number would be accepted; otherwise only
/// its type is named.
fn given<V: IntoValue>(actual: &deserr::Value<V>, accepted: &[ValueKind]) -> String {
    match actual {
        deserr::Value::NegativeInteger(number) if accepted.iter().copied().any(is_number) => {
            number.to_string()
        }
        // `Debug` keeps 1e300 and 2.0 as they were written.
        deserr::Value::Float(number) if accepted.iter().copied().any(is_number) => format!("{number:?}"),
        actual => name(actual.kind()).to_owned(),
    }
}

fn is_number(kind: ValueKind) -> bool {
    matches!(kind, ValueKind::Integer | ValueKind::NegativeInteger | ValueKind::Float)
}

fn name(kind: ValueKind) -> &'static str {
    match kind {
        ValueKind::Null => "null",
        ValueKind::Boolean => "a boolean",
        ValueKind::Integer | ValueKind::NegativeInteger | ValueKind::Float => "a number",
        ValueKind::String => "a string",
        ValueKind::Sequence => "an array",
        ValueKind::Map => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use oslira_domain::trimmed;
    use serde_json::json;

    #[derive(Debug, Deserr)]
    #[deserr(error = FieldErrors, rename_all = camelCase, deny_unknown_fields)]
    struct Body {
        #[deserr(try_from(String) = short_name -> FieldProblem)]
        name: String,
        inner: Inner,
    }

    #[derive(Debug, Deserr)]
    #[deserr(error = FieldErrors, rename_all = camelCase, deny_unknown_fields)]
    struct Inner {
        how_many: u32,
        tags: Vec<String>,
    }

    fn short_name(text: String) -> Result<String, FieldProblem> {
        trimmed::<5>(&text)
    }

    #[test]
    fn every_bad_field_is_named_at_once() {
        let body = json!({"name": "too long", "other": 1, "inner": {"howMany": "3", "tags": ["a", 2]}});
        let error = read_body::<Body>(body.to_string().as_bytes()).unwrap_err();
        assert_eq!(error.code, Code::ValidationFailed);
        assert_eq!(
            error.details,
            Some(json!({
                "name": "must be at most 5 characters long, not 8",
                "other": "is not a known field; known are name, inner",
                "inner.howMany": "must be a whole number from 0 on, not a string",
                "inner.tags[1]": "must be a string, not a number",
            }))
        );
        // A text that Postgres cannot store is one of them, and named once.
        let body = json!({"name": "a\0b", "other": "\0", "inner": {"howMany": "\0", "tags": ["a", "\0"]}});
        let details = read_body::<Body>(body.to_string().as_bytes()).unwrap_err().details;
        assert_eq!(
            details,
            Some(json!({
                "name": "must not hold the character U+0000",
                "other": "is not a known field; known are name, inner",
                "inner.howMany": "must be a whole number from 0 on, not a string",
                "inner.tags[1]": "must not hold the character U+0000",
            }))
        );
    }

    #[test]
    fn a_number_of_the_wrong_kind_is_told_what_would_be_right() {
        #[derive(Debug, Deserr)]
        #[deserr(error = FieldErrors)]
        #[expect(dead_code, reason = "only what is wrong with them is of interest")]
        struct Numbers {
            #[deserr(default)]
            count: u32,
            #[deserr(default)]
            change: i64,
            #[deserr(default)]
            share: f64,
            #[deserr(default)]
            text: String,
        }
        for (body, problem) in [
            (r#"{"count": -1}"#, "must be a whole number from 0 on, not -1"),
            (r#"{"count": 1.5}"#, "must be a whole number from 0 on, not 1.5"),
            (r#"{"count": 2.0}"#, "must be a whole number from 0 on, not 2.0"),
            (r#"{"count": 1e300}"#, "must be a whole number from 0 on, not 1e300"),
            (
                r#"{"count": 18446744073709551616}"#,
                "must be a whole number from 0 on, not 1.8446744073709552e19",
            ),
            (r#"{"count": null}"#, "must be a whole number from 0 on, not null"),
            (r#"{"count": [1]}"#, "must be a whole number from 0 on, not an array"),
            (r#"{"change": 0.5}"#, "must be a whole number, not 0.5"),
            (r#"{"change": true}"#, "must be a whole number, not a boolean"),
            (r#"{"share": "0.5"}"#, "must be a number, not a string"),
            (r#"{"share": {}}"#, "must be a number, not an object"),
            (r#"{"text": -1}"#, "must be a string, not a number"),
            (r#"{"text": 0.5}"#, "must be a string, not a number"),
        ] {
            let details = read_body::<Numbers>(body.as_bytes()).unwrap_err().details.unwrap();
            assert_eq!(details.as_object().unwrap().values().next().unwrap(), problem, "{body}");
        }
        read_body::<Numbers>(br#"{"count": 0, "change": -1, "share": -1}"#).unwrap();
    }

    #[test]
    fn a_hostile_body_gets_a_short_answer() {
        let many: Map<String, Value> = (0..2_000).map(|n| (format!("field{n}"), json!(n))).collect();
        let error = read_body::<Body>(Value::Object(many).to_string().as_bytes()).unwrap_err();
        assert_eq!(error.code, Code::ValidationFailed);
        assert!(error.details.unwrap().as_object().unwrap().len() <= MAX_TOLD);
        assert_eq!(read_body::<Body>(&vec![b' '; MAX_BYTES + 1]).unwrap_err().code, Code::PayloadTooLarge);
    }

    #[test]
    fn good_bodies_pass_and_what_is_no_object_does_not() {
        let body: Body = read_body(br#"{"name": " ann ", "inner": {"howMany": 3, "tags": []}}"#).unwrap();
        assert_eq!((body.name.as_str(), body.inner.how_many, body.inner.tags.len()), ("ann", 3, 0));
        assert_eq!(
            read_body::<Body>(b"[1]").unwrap_err().details,
            Some(json!({"body": "must be an object, not an array"}))
        );
        assert_eq!(read_body::<Body>(b"{").unwrap_err().code, Code::MalformedBody);
        assert_eq!(
            read_body::<Body>(br#"{"inner": {"howMany": -1, "tags": []}, "name": ""}"#)
                .unwrap_err()
                .details
                .unwrap()["name"],
            "must not be empty"
        );
    }

    #[derive(Debug, PartialEq, Deserr)]
    #[deserr(error = FieldErrors, rename_all = camelCase, deny_unknown_fields)]
    struct Filters {
        #[deserr(default, try_from(Option<String>) = short -> FieldProblem)]
        name_prefix: Option<String>,
    }

    fn short(text: Option<String>) -> Result<Option<String>, FieldProblem> {
        text.map(|text| trimmed::<5>(&text)).transpose()
    }

    fn parameters(parameters: &[(&str, &str)]) -> Vec<(String, String)> {
        parameters.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn every_bad_parameter_is_named_at_once() {
        let bad =
            [("namePrefix", "too long"), ("other", "1"), ("page", "0"), ("pageSize", "5"), ("pageSize", "6")];
        let error = read_page::<Filters>(&parameters(&bad)).unwrap_err();
        assert_eq!(error.code, Code::ValidationFailed);
        assert_eq!(
            error.details,
            Some(json!({
                "pageSize": "must be given only once",
                "page": "must be a whole number from 1 to 10000",
                "namePrefix": "must be at most 5 characters long, not 8",
                "other": "is not a known parameter; known are namePrefix, page, pageSize",
            }))
        );
        let twice = parameters(&[("namePrefix", "a"), ("namePrefix", "too long")]);
        let details = read_query::<Filters>(&twice).unwrap_err().details.unwrap();
        assert_eq!(details, json!({"namePrefix": "must be given only once"}));
    }

    #[test]
    fn no_text_holds_what_postgres_cannot_store() {
        let body = json!({"name": "a\0", "inner": {"howMany": 1, "tags": ["a", "b\0"], "c\0": 1}});
        let nul = "must not hold the character U+0000";
        assert_eq!(
            read_body::<Body>(body.to_string().as_bytes()).unwrap_err().details,
            Some(json!({
                "name": nul,
                "inner.tags[1]": nul,
                "inner.c\0": "is not a known field; known are howMany, tags",
            }))
        );
        for half in [r#"{"name": "\ud800"}"#, r#"{"name": "\udc00\ud800"}"#] {
            assert_eq!(read_body::<Body>(half.as_bytes()).unwrap_err().code, Code::MalformedBody, "{half}");
        }
        assert_eq!(read_body::<Body>(b"{\"name\": \"\xff\"}").unwrap_err().code, Code::MalformedBody);
        let details = read_query::<Filters>(&parameters(&[("namePrefix", "a\0")])).unwrap_err().details;
        assert_eq!(details, Some(json!({"namePrefix": nul})));
    }

    #[test]
    fn a_query_may_leave_everything_out() {
        let first = Page { page: 1, page_size: 50 };
        assert_eq!(read_page::<Filters>(&[]).unwrap(), (Filters { name_prefix: None }, first));
        let (filters, third) =
            read_page::<Filters>(&parameters(&[("page", "3"), ("namePrefix", "ann"), ("pageSize", "20")]))
                .unwrap();
        assert_eq!(filters.name_prefix.as_deref(), Some("ann"));
        assert_eq!(third, Page { page: 3, page_size: 20 });
    }

    #[test]
    fn a_page_beyond_the_last_entry_that_can_be_reached_is_refused() {
        assert!(read_page::<Filters>(&parameters(&[("page", "200")])).is_ok());
        for beyond in [&[("page", "201")][..], &[("pageSize", "100"), ("page", "101")]] {
            let details = read_page::<Filters>(&parameters(beyond)).unwrap_err().details.unwrap();
            assert!(
                details["page"].as_str().is_some_and(|problem| problem.contains("narrow the filter")),
                "{details}"
            );
        }
    }

    #[test]
    fn a_hostile_query_gets_a_short_answer() {
        let many: Vec<_> = (0..2_000).map(|n| (format!("field{}", n / 2), String::new())).collect();
        let details = read_query::<Filters>(&many).unwrap_err().details.unwrap();
        assert!(details.as_object().unwrap().len() <= 2 * MAX_TOLD);
    }
}
