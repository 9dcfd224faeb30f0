//! Reads text and JSON that may be broken in places.

use serde::{
    Deserializer,
    de::{DeserializeOwned, IgnoredAny, SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use std::{borrow::Cow, fmt, marker::PhantomData};

/// The replacement character as an escape in JSON.
const REPLACEMENT: &str = "\\ufffd";

/// The bytes as text. Bytes that are not UTF-8, and every escape that is half of a surrogate pair, become
/// U+FFFD.
///
/// It looks at escapes without knowing where a JSON string begins, because JSON has no escapes outside of
/// strings.
pub fn text(bytes: &[u8]) -> Cow<'_, str> {
    match String::from_utf8_lossy(bytes) {
        Cow::Borrowed(text) => without_lone_surrogates(text),
        Cow::Owned(text) => {
            let cleaned = match without_lone_surrogates(&text) {
                Cow::Borrowed(_) => None,
                Cow::Owned(cleaned) => Some(cleaned),
            };
            Cow::Owned(cleaned.unwrap_or(text))
        }
    }
}

/// Reads JSON. Every character that cannot be read becomes U+FFFD.
///
/// # Errors
/// When the text is not JSON, or not of this type. The error's message may quote the text; its line and
/// column do not.
pub fn json<T: DeserializeOwned>(bytes: &[u8]) -> serde_json::Result<T> {
    serde_json::from_str(&text(bytes))
}

/// Reads the first `most` elements of a JSON array, each by itself. `None` stands for an element that is JSON
/// but cannot be read, such as a number that is too large, or is not of this type. Later elements are
/// skipped, not kept: an element such as `{}` may take a hundred times the memory of its text.
///
/// # Errors
/// When the text is not a JSON array; otherwise as for [`json`].
pub fn items<T: DeserializeOwned>(bytes: &[u8], most: usize) -> serde_json::Result<Vec<Option<T>>> {
    let text = text(bytes);
    let mut reader = serde_json::Deserializer::from_str(&text);
    let items = list(&mut reader, most)?;
    reader.end()?;
    Ok(items)
}

/// The same for an array inside a text that is being read, for `deserialize_with`.
///
/// # Errors
/// When it is not an array.
pub fn list<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    input: D,
    most: usize,
) -> Result<Vec<Option<T>>, D::Error> {
    input.deserialize_seq(Elements { most, of: PhantomData })
}

struct Elements<T> {
    most: usize,
    of: PhantomData<T>,
}

impl<'de, T: DeserializeOwned> Visitor<'de> for Elements<T> {
    type Value = Vec<Option<T>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let mut read = Vec::new();
        while read.len() < self.most {
            let Some(element) = elements.next_element::<&RawValue>()? else { return Ok(read) };
            read.push(serde_json::from_str(element.get()).ok());
        }
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(read)
    }
}

fn without_lone_surrogates(text: &str) -> Cow<'_, str> {
    let mut cleaned = String::new();
    // The part that is not yet in `cleaned` begins here.
    let mut rest_from = 0;
    let mut at = 0;
    while let Some(backslash) = text.get(at..).and_then(|rest| rest.find('\\')).map(|found| at + found) {
        let unit = code_unit(text, backslash);
        at = match unit {
            Some(0xd800..=0xdbff) => match code_unit(text, backslash + 6) {
                Some(0xdc00..=0xdfff) => backslash + 12,
                _ => replace(text, &mut cleaned, &mut rest_from, backslash),
            },
            Some(0xdc00..=0xdfff) => replace(text, &mut cleaned, &mut rest_from, backslash),
            Some(_) => backslash + 6,
            // Another escape, such as `\\` or `\"`. Its second character does not begin an escape.
            None => backslash + 2,
        };
    }
    if rest_from == 0 {
        return Cow::Borrowed(text);
    }
    cleaned.push_str(text.get(rest_from..).unwrap_or_default());
    Cow::Owned(cleaned)
}

/// Copies the text before the escape at `from`, and the replacement for it. Returns where to go on.
fn replace(text: &str, cleaned: &mut String, rest_from: &mut usize, from: usize) -> usize {
    cleaned.push_str(text.get(*rest_from..from).unwrap_or_default());
    cleaned.push_str(REPLACEMENT);
    *rest_from = from + 6;
    *rest_from
}

/// The UTF-16 code unit of an escape `\uXXXX` at this place.
fn code_unit(text: &str, at: usize) -> Option<u16> {
    let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
    // `from_str_radix` would accept a sign.
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(text: &str) -> Value {
        json(text.as_bytes()).unwrap()
    }

    #[test]
    fn half_a_surrogate_pair_is_the_replacement_character_and_a_whole_one_is_kept() {
        for (written, expected) in [
            (r#""a\ud83db""#, "a\u{fffd}b"),
            (r#""\ud83d""#, "\u{fffd}"),
            (r#""\ude00""#, "\u{fffd}"),
            (r#""\uD83D\uDE00""#, "😀"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}😀"),
            (r#""\ude00\ud83d""#, "\u{fffd}\u{fffd}"),
            (r#""\ud83d\n""#, "\u{fffd}\n"),
            // Characters that look like an escape and are none.
            (r#""\\ud83d""#, "\\ud83d"),
            (r#""\\\ud83d""#, "\\\u{fffd}"),
            (r#""é\ud83dé""#, "é\u{fffd}é"),
            (r#""plain \u00e9 \" text""#, "plain é \" text"),
        ] {
            assert_eq!(read(written), json!(expected), "{written}");
        }
    }

    #[test]
    fn what_is_good_is_not_copied() {
        assert!(matches!(text(br#"{"a": "\ud83d\ude00 \n"}"#), Cow::Borrowed(_)));
    }

    #[test]
    fn broken_escapes_are_left_to_the_parser() {
        for broken in [r#""\u12""#, r#""\u+123""#, "\"\\", r#""\ud83"#, "\"\\u1é\""] {
            assert!(json::<Value>(broken.as_bytes()).is_err(), "{broken}");
        }
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_replaced() {
        assert_eq!(json::<Value>(b"\"a\xff\\ud83db\"").unwrap(), json!("a\u{fffd}\u{fffd}b"));
    }

    #[test]
    fn a_bad_item_spoils_itself_alone() {
        let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
        let list = format!(r#"[{{"a": 1}}, 1e999, {deep}, {{"b": "\ud83d"}}]"#);
        let read: Vec<Option<Value>> = items(list.as_bytes(), 9).unwrap();
        assert_eq!(read, [Some(json!({"a": 1})), None, None, Some(json!({"b": "\u{fffd}"}))]);
        assert_eq!(items::<Value>(list.as_bytes(), 2).unwrap(), read[..2]);
        for no_list in ["<html>", r#"{"error": {}}"#, "[1", "[1] 2"] {
            assert!(items::<Value>(no_list.as_bytes(), 9).is_err(), "{no_list}");
        }
    }
}
