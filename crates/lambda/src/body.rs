//! Request bodies. A bad one is answered with one entry per bad field, all at once.

use deserr::{DeserializeError, Deserr, ErrorKind, IntoValue, MergeWithError, ValueKind, ValuePointerRef};
use oslira_domain::{Code, Error, FieldProblem, Result};
use serde_json::{Map, Value};
use std::ops::ControlFlow;

/// The largest body that any route has a use for.
const MAX_BYTES: usize = 64 * 1024;
/// How many bad fields are told; a body with more is not a slip.
const MAX_TOLD: usize = 30;

/// What is wrong with a body: a sentence by field, where `icp.followerRange.min` is a field within a field.
#[derive(Debug, Default)]
pub struct BodyErrors(Map<String, Value>);

/// Reads a JSON object; unknown fields, wrong types and refused values are collected.
pub(crate) fn parse<T: Deserr<BodyErrors>>(bytes: &[u8]) -> Result<T> {
    if bytes.len() > MAX_BYTES {
        let message = format!("The body is larger than {MAX_BYTES} bytes.");
        return Err(Error::new(Code::PayloadTooLarge, message));
    }
    let value: Value = serde_json::from_slice(bytes).map_err(|error| {
        // serde_json's message names the place and what it expected there, never the text itself.
        Error::new(Code::MalformedBody, format!("The body is not JSON: {error}."))
    })?;
    deserr::deserialize::<T, _, BodyErrors>(value).map_err(|errors| invalid(errors.0))
}

/// The error for a refused field outside the body: a header or a query parameter.
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

impl BodyErrors {
    fn add(errors: Option<Self>, field: String, problem: String) -> ControlFlow<Self, Self> {
        let mut errors = errors.unwrap_or_default();
        errors.0.entry(field).or_insert(Value::String(problem));
        if errors.0.len() < MAX_TOLD { ControlFlow::Continue(errors) } else { ControlFlow::Break(errors) }
    }
}

impl DeserializeError for BodyErrors {
    fn error<V: IntoValue>(
        errors: Option<Self>,
        error: ErrorKind<'_, V>,
        location: ValuePointerRef<'_>,
    ) -> ControlFlow<Self, Self> {
        let (location, problem) = match error {
            ErrorKind::MissingField { field } => (path(location, Some(field)), "is required".to_owned()),
            ErrorKind::UnknownKey { key, accepted } => (
                path(location, Some(key)),
                format!("is not a known field; known are {}", accepted.join(", ")),
            ),
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

impl MergeWithError<Self> for BodyErrors {
    fn merge(errors: Option<Self>, other: Self, _: ValuePointerRef<'_>) -> ControlFlow<Self, Self> {
        let mut errors = errors.unwrap_or_default();
        errors.0.extend(other.0);
        ControlFlow::Continue(errors)
    }
}

impl MergeWithError<FieldProblem> for BodyErrors {
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

/// Of numbers the widest kind that would do.
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

/// Where another number would do, the number itself; else only what it is.
fn given<V: IntoValue>(actual: &deserr::Value<V>, accepted: &[ValueKind]) -> String {
    match actual {
        deserr::Value::NegativeInteger(number) if accepted.iter().copied().any(is_number) => {
            number.to_string()
        }
        // `Debug` writes 1e300 as that, and 2.0 as what it was.
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
    #[deserr(error = BodyErrors, rename_all = camelCase, deny_unknown_fields)]
    struct Body {
        #[deserr(try_from(String) = short_name -> FieldProblem)]
        name: String,
        inner: Inner,
    }

    #[derive(Debug, Deserr)]
    #[deserr(error = BodyErrors, rename_all = camelCase, deny_unknown_fields)]
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
        let error = parse::<Body>(body.to_string().as_bytes()).unwrap_err();
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
    }

    #[test]
    fn a_number_of_the_wrong_kind_is_told_what_would_be_right() {
        #[derive(Debug, Deserr)]
        #[deserr(error = BodyErrors)]
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
            let details = parse::<Numbers>(body.as_bytes()).unwrap_err().details.unwrap();
            assert_eq!(details.as_object().unwrap().values().next().unwrap(), problem, "{body}");
        }
        parse::<Numbers>(br#"{"count": 0, "change": -1, "share": -1}"#).unwrap();
    }

    #[test]
    fn a_hostile_body_gets_a_short_answer() {
        let many: Map<String, Value> = (0..2_000).map(|n| (format!("field{n}"), json!(n))).collect();
        let error = parse::<Body>(Value::Object(many).to_string().as_bytes()).unwrap_err();
        assert_eq!(error.code, Code::ValidationFailed);
        assert!(error.details.unwrap().as_object().unwrap().len() <= MAX_TOLD);
        assert_eq!(parse::<Body>(&vec![b' '; MAX_BYTES + 1]).unwrap_err().code, Code::PayloadTooLarge);
    }

    #[test]
    fn good_bodies_pass_and_what_is_no_object_does_not() {
        let body: Body = parse(br#"{"name": " ann ", "inner": {"howMany": 3, "tags": []}}"#).unwrap();
        assert_eq!((body.name.as_str(), body.inner.how_many, body.inner.tags.len()), ("ann", 3, 0));
        assert_eq!(
            parse::<Body>(b"[1]").unwrap_err().details,
            Some(json!({"body": "must be an object, not an array"}))
        );
        assert_eq!(parse::<Body>(b"{").unwrap_err().code, Code::MalformedBody);
        assert_eq!(
            parse::<Body>(br#"{"inner": {"howMany": -1, "tags": []}, "name": ""}"#)
                .unwrap_err()
                .details
                .unwrap()["name"],
            "must not be empty"
        );
    }
}
