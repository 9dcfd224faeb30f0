//! Reads single fields of Apify's JSON.
//!
//! Each field is read by itself. A field that is absent, `null` or not as expected counts as not given, and
//! does not spoil any other field. That also holds for a number that is too large and for a list that is
//! nested a thousand deep.

use crate::limits::{BEGAN, LINK};
use jiff::{SignedDuration, Timestamp};
use oslira_domain::{Username, clean_line, clean_lines};
use reqwest::Url;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _},
};
use serde_json::{Number, value::RawValue};

/// A value of the type, or `None`.
pub(crate) fn value<'de, D: Deserializer<'de>, T: DeserializeOwned>(input: D) -> Result<Option<T>, D::Error> {
    let raw = <&RawValue>::deserialize(input)?;
    Ok(serde_json::from_str::<Option<T>>(raw.get()).ok().flatten())
}

/// Text of at most `most` bytes. Longer text is not even copied: text that is not UTF-8 has already become
/// three times as long.
fn short<'de, D: Deserializer<'de>>(input: D, most: usize) -> Result<Option<String>, D::Error> {
    let raw = <&RawValue>::deserialize(input)?.get();
    // The size includes the quotes. An escape may take six bytes for one.
    if raw.len() > 6 * most + 2 {
        return Ok(None);
    }
    Ok(serde_json::from_str::<Option<String>>(raw).ok().flatten())
}

/// Text of one line.
pub(crate) fn line<'de, const MOST: usize, D: Deserializer<'de>>(input: D) -> Result<String, D::Error> {
    let text: Option<String> = value(input)?;
    Ok(text.map(|text| clean_line(&text, MOST)).unwrap_or_default())
}

/// Text of several lines.
pub(crate) fn lines<'de, const MOST: usize, D: Deserializer<'de>>(input: D) -> Result<String, D::Error> {
    let text: Option<String> = value(input)?;
    Ok(text.map(|text| clean_lines(&text, MOST)).unwrap_or_default())
}

/// The elements of the type among the first `MOST`.
pub(crate) fn list<'de, const MOST: usize, D: Deserializer<'de>, T: DeserializeOwned>(
    input: D,
) -> Result<Vec<T>, D::Error> {
    let raw = <&RawValue>::deserialize(input)?;
    let elements = oslira_upstream::list(&mut serde_json::Deserializer::from_str(raw.get()), MOST);
    Ok(elements.unwrap_or_default().into_iter().flatten().collect())
}

/// A number from 0 to `MOST`, with or without a decimal point.
pub(crate) fn count<'de, const MOST: u64, D: Deserializer<'de>>(input: D) -> Result<Option<u64>, D::Error> {
    let number: Option<Number> = value(input)?;
    Ok(number
        .and_then(|number| {
            number.as_u64().or_else(|| {
                number.as_f64().filter(|number| (0.0..=MOST as f64).contains(number)).map(|it| it as u64)
            })
        })
        .filter(|count| *count <= MOST))
}

/// Yes or no, in the forms that programs write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Flag {
    /// `false`, `0`, or not given.
    #[default]
    No,
    /// `true` or `1`, also as text.
    Yes,
    /// Something else.
    Unreadable,
}

/// A flag for which it matters that it cannot be read.
pub(crate) fn flag<'de, D: Deserializer<'de>>(input: D) -> Result<Flag, D::Error> {
    let raw = <&RawValue>::deserialize(input)?.get();
    let text = raw.trim_matches('"').trim();
    let is = |words: [&str; 2]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    Ok(match raw {
        "null" => Flag::No,
        _ if is(["true", "1"]) => Flag::Yes,
        _ if is(["false", "0"]) => Flag::No,
        _ => Flag::Unreadable,
    })
}

/// A flag that counts as not set unless it clearly is.
pub(crate) fn is_set<'de, D: Deserializer<'de>>(input: D) -> Result<bool, D::Error> {
    Ok(flag(input)? == Flag::Yes)
}

/// A username, given as such or as the address of a profile.
pub(crate) fn username<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Username>, D::Error> {
    Ok(short(input, LINK)?.and_then(|text| text.parse().ok()))
}

/// An id, such as the code in a post's address.
pub(crate) fn id<'de, D: Deserializer<'de>>(input: D) -> Result<Option<String>, D::Error> {
    Ok(short(input, LINK)?.filter(|text| oslira_upstream::is_id(text)))
}

/// An id that the object is useless without.
pub(crate) fn required_id<'de, D: Deserializer<'de>>(input: D) -> Result<String, D::Error> {
    id(input)?.ok_or_else(|| D::Error::custom("no id"))
}

/// A number of dollars, also as text. Any number is accepted.
pub(crate) fn dollars<'de, D: Deserializer<'de>>(input: D) -> Result<Option<f64>, D::Error> {
    let raw = <&RawValue>::deserialize(input)?.get();
    Ok(raw.trim_matches('"').parse().ok())
}

/// A link that may be followed: http or https, with a host. It is parsed and written again, so that it has
/// one spelling and nobody reads another link into it.
pub(crate) fn link<'de, D: Deserializer<'de>>(input: D) -> Result<Option<String>, D::Error> {
    let url = short(input, LINK)?.and_then(|text| Url::parse(&text).ok());
    Ok(url
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .map(String::from)
        .filter(|link| link.len() <= LINK))
}

/// When a post was made. Times before Instagram or after today are refused, with an allowance for clocks that
/// differ.
pub(crate) fn posted_at<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Timestamp>, D::Error> {
    let time: Option<Timestamp> = value(input)?;
    let latest = Timestamp::now() + SignedDuration::from_hours(24);
    Ok(time.filter(|time| time.as_second() >= BEGAN && *time <= latest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Fields {
        #[serde(default, deserialize_with = "value")]
        text: Option<String>,
        #[serde(default, deserialize_with = "count::<7, _>")]
        count: Option<u64>,
        #[serde(default, deserialize_with = "flag")]
        flag: Flag,
        #[serde(default, deserialize_with = "link")]
        link: Option<String>,
        #[serde(default, deserialize_with = "list::<2, _, _>")]
        list: Vec<String>,
        #[serde(default, deserialize_with = "posted_at")]
        at: Option<Timestamp>,
    }

    fn read(json: &str) -> Fields {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_field_that_cannot_be_read_spoils_no_other() {
        let deep = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
        for bad in ["1e999", "-1e999", &deep, "{}", "null"] {
            let fields = read(&format!(
                r#"{{"text": {bad}, "count": {bad}, "flag": {bad}, "link": {bad}, "list": {bad}, "at": {bad}}}"#
            ));
            assert!(fields.text.is_none() && fields.count.is_none() && fields.link.is_none(), "{bad}");
            assert!(fields.list.is_empty(), "{bad}");
            assert!(fields.at.is_none() && fields.flag != Flag::Yes, "{bad}");
        }
    }

    #[test]
    fn counts_are_what_instagram_can_have() {
        for (text, expected) in [
            ("7", Some(7)),
            ("7.0", Some(7)),
            ("0", Some(0)),
            ("8", None),
            ("7.5", None),
            ("-1", None),
            ("18446744073709551615", None),
            ("1e30", None),
            (r#""7""#, None),
        ] {
            assert_eq!(read(&format!(r#"{{"count": {text}}}"#)).count, expected, "{text}");
        }
    }

    #[test]
    fn a_flag_is_read_as_programs_write_it_and_what_it_is_not_is_known() {
        for (text, expected) in [
            ("true", Flag::Yes),
            (r#""true""#, Flag::Yes),
            (r#""True""#, Flag::Yes),
            ("1", Flag::Yes),
            (r#""1""#, Flag::Yes),
            ("false", Flag::No),
            (r#""False""#, Flag::No),
            ("0", Flag::No),
            ("null", Flag::No),
            (r#""yes""#, Flag::Unreadable),
            (r#""""#, Flag::Unreadable),
            (r#""null""#, Flag::Unreadable),
            ("[true]", Flag::Unreadable),
            ("2", Flag::Unreadable),
        ] {
            assert_eq!(read(&format!(r#"{{"flag": {text}}}"#)).flag, expected, "{text}");
        }
    }

    #[test]
    fn a_link_is_one_that_a_browser_follows_to_a_host() {
        let long = format!("https://nasa.gov/{}", "x".repeat(2_040));
        // Short once its dots are resolved, but nobody tries that.
        let longer = format!("https://nasa.gov/{}", "x/../".repeat(3_000));
        let escaped = r"http://nasa.gov/".to_owned() + &r"a".repeat(2_000);
        let in_full = format!("http://nasa.gov/{}", "a".repeat(2_000));
        for (text, expected) in [
            ("https://nasa.gov", Some("https://nasa.gov/")),
            ("HTTP://NASA.gov/a b?c#d", Some("http://nasa.gov/a%20b?c#d")),
            (r"https://nasa.gov/\u202egpj.exe", Some("https://nasa.gov/%E2%80%AEgpj.exe")),
            (r"http://nasa.gov/\r\nSet-Cookie: x", Some("http://nasa.gov/Set-Cookie:%20x")),
            ("javascript:alert(1)", None),
            (r"java\nscript:alert(1)", None),
            ("JavaScript://nasa.gov/%0aalert(1)", None),
            ("data:text/html,x", None),
            ("http://", None),
            ("nasa.gov", None),
            ("ftp://nasa.gov", None),
            ("", None),
            (&long, None),
            (&longer, None),
            (&escaped, Some(&in_full)),
        ] {
            let link = read(&format!(r#"{{"link": "{text}"}}"#)).link;
            assert_eq!(link.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_post_is_not_of_the_future_nor_older_than_instagram() {
        let at = |text: &str| read(&format!(r#"{{"at": "{text}"}}"#)).at;
        assert!(at("2025-06-05T20:51:55.000Z").is_some() && at("2010-10-06T00:00:00Z").is_some());
        for text in ["2010-10-05T23:59:59Z", "9999-01-01T00:00:00Z", "-009999-01-03T00:00:00Z", "yesterday"] {
            assert_eq!(at(text), None, "{text}");
        }
    }

    #[test]
    fn a_list_is_read_as_far_as_it_may_go() {
        assert_eq!(read(r#"{"list": ["a", 1, "b"]}"#).list, ["a"]);
        assert_eq!(read(r#"{"list": ["a", "b", "c"]}"#).list, ["a", "b"]);
    }
}
