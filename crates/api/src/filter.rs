//! How the parameters of a query are read: each arrives as text.

use deserr::{DeserializeError, ErrorKind, ValuePointerRef, take_cf_content};
use jiff::{Timestamp, civil::Date};
use oslira_domain::FieldProblem;
use std::{convert::Infallible, ops::RangeInclusive, str::FromStr};

/// Reads a whole number.
pub(crate) fn whole_number(text: &str, range: RangeInclusive<u32>) -> Result<u32, FieldProblem> {
    // The parser would accept "+5" as a number, although nobody sends it on purpose.
    let number = text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    let problem =
        || FieldProblem(format!("must be a whole number from {} to {}", range.start(), range.end()));
    number.filter(|number| range.contains(number)).ok_or_else(problem)
}

/// Reads a score.
pub(crate) fn score(text: Option<String>) -> Result<Option<i32>, FieldProblem> {
    text.map(|text| whole_number(&text, 0..=100).map(|score| score as i32)).transpose()
}

/// Reads words with commas between them.
pub(crate) fn words<T: FromStr<Err = &'static str>>(text: &str) -> Result<Vec<T>, FieldProblem> {
    let words = text.split(',').map(|word| word.trim().parse());
    words.collect::<Result<_, _>>().map_err(|problem: &str| {
        FieldProblem(format!("{problem}, or several of them with commas between them"))
    })
}

/// Reads how a username begins, as people type it. What is read has lower-case letters and no `@`.
pub(crate) fn prefix_of_username(text: Option<String>) -> Result<Option<String>, FieldProblem> {
    let problem = || FieldProblem("must be 1 to 30 letters, digits, dots and underscores".to_owned());
    let read = |text: String| {
        let prefix = text.strip_prefix('@').unwrap_or(&text).to_ascii_lowercase();
        let is_prefix = (1..=30).contains(&prefix.len())
            && prefix.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_'));
        is_prefix.then_some(prefix).ok_or_else(problem)
    };
    text.map(read).transpose()
}

/// Reads `true` or `false`.
pub(crate) fn yes_or_no(text: &str) -> Result<bool, FieldProblem> {
    text.parse().map_err(|_| FieldProblem("must be true or false".to_owned()))
}

/// Reads a value by the rules of its type, unless it is left out.
pub(crate) fn optional<T: FromStr<Err: ToString>>(text: Option<String>) -> Result<Option<T>, FieldProblem> {
    text.map(|text| text.parse().map_err(|problem: T::Err| FieldProblem(problem.to_string()))).transpose()
}

/// Reads a moment. Jiff alone would take more than RFC 3339, and years that Postgres does not have.
pub(crate) fn moment(text: Option<String>) -> Result<Option<Timestamp>, FieldProblem> {
    let problem = || {
        FieldProblem("must be a moment such as 2026-11-24T00:00:00Z, in the years 0001 to 9999".to_owned())
    };
    let read = |text: String| {
        let is_within = is_rfc_3339(&text) && !text.starts_with("0000");
        text.parse().ok().filter(|_| is_within).ok_or_else(problem)
    };
    text.map(read).transpose()
}

/// Checks that a range of time begins before it ends. Both ends may be missing.
pub(crate) fn ordered<E: DeserializeError>(
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    location: ValuePointerRef<'_>,
) -> Result<(), E> {
    match (since, until) {
        (Some(since), Some(until)) if since >= until => {
            let problem = ErrorKind::Unexpected { msg: "must be later than since".to_owned() };
            Err(take_cf_content(E::error::<Infallible>(None, problem, location.push_key("until"))))
        }
        _ => Ok(()),
    }
}

/// Reads a day. Jiff alone would take moments and years that Postgres does not have.
pub(crate) fn day(text: Option<String>) -> Result<Option<Date>, FieldProblem> {
    let problem = || FieldProblem("must be a day such as 2026-11-24, in the years 0001 to 9999".to_owned());
    let read = |text: String| {
        let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        let is_within = shape == "0000-00-00" && !text.starts_with("0000");
        text.parse().ok().filter(|_| is_within).ok_or_else(problem)
    };
    text.map(read).transpose()
}

/// Whether the text has the form of a date, `T`, a time and an offset.
fn is_rfc_3339(text: &str) -> bool {
    let shape: String =
        text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c.to_ascii_uppercase() }).collect();
    let Some(rest) = shape.strip_prefix("0000-00-00T00:00:00") else { return false };
    let offset = rest.strip_prefix(".0").map_or(rest, |rest| rest.trim_start_matches('0'));
    matches!(offset, "Z" | "+00:00" | "-00:00")
}

#[cfg(test)]
mod tests {
    use super::*;
    use oslira_domain::Tier;

    #[test]
    fn a_prefix_is_what_a_username_can_begin_with() {
        for (text, read) in
            [("@NASA", "nasa"), ("n", "n"), ("_a.9", "_a.9"), (&"x".repeat(30), &"x".repeat(30))]
        {
            assert_eq!(prefix_of_username(Some(text.to_owned())), Ok(Some(read.to_owned())), "{text}");
        }
        for bad in ["", "@", "@@a", "a b", "a%", "\u{212a}", "é", "a\0", &"x".repeat(31)] {
            assert!(prefix_of_username(Some(bad.to_owned())).is_err(), "{bad:?}");
        }
        assert_eq!(prefix_of_username(None), Ok(None));
    }

    #[test]
    fn several_words_have_commas_between_them() {
        assert_eq!(words("xray, light"), Ok(vec![Tier::Xray, Tier::Light]));
        for bad in ["", "gold", "light,", "light;deep", "LIGHT"] {
            assert!(words::<Tier>(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_moment_is_written_as_rfc_3339_says() {
        for good in [
            "0001-01-01T00:00:00Z",
            "9999-12-30T21:59:59Z",
            "2026-11-24t01:02:03.123456789z",
            "2026-11-24T01:02:03-00:00",
            "2026-11-24T01:02:03+05:30",
        ] {
            assert!(moment(Some(good.to_owned())).is_ok_and(|read| read.is_some()), "{good}");
        }
        for bad in [
            "",
            "yesterday",
            "2026-11-24",
            "2026-11-24T01:02:03",
            "2026-11-24 01:02:03Z",
            "2026-11-24T01:02Z",
            "2026-11-24T01:02:03,5Z",
            "2026-11-24T01:02:03.Z",
            "2026-11-24T01:02:03+05",
            "2026-11-24T01:02:03+01:00[Europe/Berlin]",
            "20261124T010203Z",
            "2026-02-30T00:00:00Z",
            "0000-06-01T00:00:00Z",
            "-009999-06-01T00:00:00Z",
            "+010000-01-01T00:00:00Z",
            "٢٠٢٦-11-24T00:00:00Z",
        ] {
            assert!(moment(Some(bad.to_owned())).is_err(), "{bad}");
        }
        assert_eq!(moment(None), Ok(None));
    }

    #[test]
    fn a_day_is_written_as_a_calendar_writes_it() {
        for good in ["0001-01-01", "2024-02-29", "9999-12-31"] {
            assert!(day(Some(good.to_owned())).is_ok_and(|read| read.is_some()), "{good}");
        }
        for bad in [
            "",
            "today",
            "2026-02-29",
            "2026-11-31",
            "2026-11-24T00:00:00Z",
            "20261124",
            "2026-W48-2",
            "26-11-24",
            "0000-06-01",
            "-009999-06-01",
            "+010000-01-01",
            "٢٠٢٦-11-24",
        ] {
            assert!(day(Some(bad.to_owned())).is_err(), "{bad}");
        }
        assert_eq!(day(None), Ok(None));
    }
}
