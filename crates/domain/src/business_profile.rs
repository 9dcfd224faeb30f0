//! What an account sells, and to whom.

use crate::{
    clean_line,
    field::{FieldProblem, line, optional, trimmed},
};
use deserr::Deserr;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

/// A business as its account describes it: what it sells, how it speaks, and whom it wants as a customer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Deserr, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[deserr(rename_all = camelCase, deny_unknown_fields)]
pub struct BusinessProfile {
    /// The business's name, as one line without spaces around it.
    #[deserr(try_from(&String) = line::<200> -> FieldProblem)]
    #[schemars(length(min = 1, max = 200), regex(pattern = r"\S"))]
    pub name: String,
    /// What the business does, in its own words.
    #[deserr(try_from(&String) = trimmed::<4_000> -> FieldProblem)]
    #[schemars(length(min = 1, max = 4_000), regex(pattern = r"\S"))]
    pub description: String,
    /// The website, kept as it is written: an address that begins with `https://` or `http://` and has a host. It holds no space,
    /// backslash, user name or password. `null` without one.
    #[deserr(default, try_from(Option<String>) = web_address -> FieldProblem)]
    #[schemars(length(min = 1, max = 500), regex(pattern = r"^\s*[Hh][Tt][Tt][Pp][Ss]?://[^/]"))]
    pub website: Option<String>,
    /// How the business speaks; `null` when it does not say.
    #[deserr(default, try_from(Option<String>) = optional::<1_000> -> FieldProblem)]
    #[schemars(length(min = 1, max = 1_000), regex(pattern = r"\S"))]
    pub voice: Option<String>,
    /// What the business offers; `null` when it does not say.
    #[deserr(default, try_from(Option<String>) = optional::<2_000> -> FieldProblem)]
    #[schemars(length(min = 1, max = 2_000), regex(pattern = r"\S"))]
    pub offer: Option<String>,
    /// Whom the business wants as a customer.
    pub icp: Icp,
}

/// Ideal customer profile: the criteria that a lead is compared with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Deserr, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[deserr(rename_all = camelCase, deny_unknown_fields)]
pub struct Icp {
    /// How many followers a lead should have.
    #[deserr(try_from(FollowerRange) = ordered -> FieldProblem)]
    pub follower_range: FollowerRange,
    /// The lowest engagement rate that a lead should have, in percent of the followers.
    #[deserr(try_from(f64) = percent -> FieldProblem)]
    #[schemars(range(min = 0, max = 100))]
    pub engagement_min: f64,
    /// Themes that a lead should post about, each at most 60 characters; empty means any.
    #[deserr(try_from(Vec<String>) = words -> FieldProblem)]
    #[schemars(length(max = 30), inner(length(min = 1, max = 60), regex(pattern = r"\S")))]
    pub content_themes: Vec<String>,
    /// Places that a lead should be about, each at most 60 characters; empty means anywhere.
    #[deserr(try_from(Vec<String>) = words -> FieldProblem)]
    #[schemars(length(max = 30), inner(length(min = 1, max = 60), regex(pattern = r"\S")))]
    pub geo_focus: Vec<String>,
}

/// A range of follower counts, both ends included; `min` is no greater than `max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Deserr, JsonSchema)]
#[deserr(deny_unknown_fields)]
pub struct FollowerRange {
    /// The fewest followers.
    #[deserr(from(u32) = u64::from)]
    #[schemars(range(max = 4_294_967_295_u64))]
    pub min: u64,
    /// The most followers.
    #[deserr(from(u32) = u64::from)]
    #[schemars(range(max = 4_294_967_295_u64))]
    pub max: u64,
}

/// The business in an analysis, as far as it is known: a whole business profile, or the few words of a caller
/// without an account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Business {
    #[serde(default)]
    pub name: Option<String>,
    /// What the business does, in its own words.
    pub description: String,
    #[serde(default)]
    pub website: Option<String>,
    /// How the business speaks.
    #[serde(default)]
    pub voice: Option<String>,
    /// What the business offers.
    #[serde(default)]
    pub offer: Option<String>,
    /// Whom the business wants as a customer.
    #[serde(default)]
    pub icp: Option<Icp>,
}

impl From<BusinessProfile> for Business {
    fn from(profile: BusinessProfile) -> Self {
        let BusinessProfile { name, description, website, voice, offer, icp } = profile;
        Self { name: Some(name), description, website, voice, offer, icp: Some(icp) }
    }
}

fn ordered(range: FollowerRange) -> Result<FollowerRange, FieldProblem> {
    if range.min <= range.max {
        Ok(range)
    } else {
        Err(FieldProblem("must have min no greater than max".to_owned()))
    }
}

fn percent(value: f64) -> Result<f64, FieldProblem> {
    if (0.0..=100.0).contains(&value) {
        Ok(value)
    } else {
        Err(FieldProblem("must be a percentage, 0 to 100".to_owned()))
    }
}

fn words(words: Vec<String>) -> Result<Vec<String>, FieldProblem> {
    if words.len() > 30 {
        return Err(FieldProblem(format!("must hold at most 30 entries, not {}", words.len())));
    }
    words
        .iter()
        .map(|word| {
            trimmed::<60>(word).map_err(|problem| FieldProblem(format!("has an entry that {problem}")))
        })
        .collect()
}

/// Checks an address that a link may lead to, and returns it as it was written.
fn web_address(text: Option<String>) -> Result<Option<String>, FieldProblem> {
    let website = optional::<500>(text)?;
    let problem = website.as_deref().and_then(|text| {
        // The parser would leave some of these characters out, and others change how the text is shown.
        // Either way the parser would read another address than people do.
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) || clean_line(text, 500) != text {
            return Some(
                "must not hold spaces, line breaks, control characters or marks that turn text around",
            );
        }
        // Readers disagree on what the host is: some take a backslash for a slash, and some skip empty parts
        // before a host.
        if text.contains('\\') {
            return Some("must not hold a backslash");
        }
        let begins =
            |scheme: &str| text.get(..scheme.len()).is_some_and(|it| it.eq_ignore_ascii_case(scheme));
        if !begins("https://") && !begins("http://") {
            return Some("must begin with https:// or http://");
        }
        if text.split_once("://").is_some_and(|(_, rest)| rest.starts_with('/')) {
            return Some("must have its host right after ://");
        }
        match Url::parse(text) {
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                Some("must not hold a user name or password")
            }
            Ok(url) if url.has_host() => None,
            _ => Some("must be a web address with a host, such as https://example.com"),
        }
    });
    problem.map_or(Ok(website), |problem| Err(FieldProblem(problem.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_website_is_an_address_with_a_host_and_is_kept_as_it_is_written() {
        for good in [
            "https://brew.example",
            "HTTP://Brew.Example:8080/a?b=c#d",
            "https://cafés.example/menü",
            "http://[2001:db8::1]/",
        ] {
            assert_eq!(web_address(Some(format!(" {good}\n"))).unwrap().as_deref(), Some(good));
        }
        assert_eq!(web_address(None).unwrap(), None);
        let long = format!("https://brew.example/{}", "x".repeat(480));
        for (bad, problem) in [
            ("http://", "must be a web address"),
            ("https://:80/", "must be a web address"),
            ("https://?a", "must be a web address"),
            ("https://a:port/", "must be a web address"),
            ("https://[::1", "must be a web address"),
            ("brew.example", "must begin with"),
            ("https:brew.example", "must begin with"),
            ("javascript:alert(1)//https://", "must begin with"),
            ("é://brew.example", "must begin with"),
            ("https://brew.example/\r\nSet-Cookie: a", "must not hold spaces"),
            ("https://brew\t.example", "must not hold spaces"),
            ("https://brew.\u{85}example", "must not hold spaces"),
            ("https://brew.example/\u{202e}moc", "must not hold spaces"),
            ("https://brew.example\\@evil.example", "must not hold a backslash"),
            ("https:///evil.example", "must have its host right after"),
            ("https://brew.example/\0", "must not hold the character U+0000"),
            ("https://brew.example@evil.example", "must not hold a user name"),
            ("https://:secret@brew.example", "must not hold a user name"),
            (&long, "must be at most 500"),
            ("", "must not be empty"),
        ] {
            let told = web_address(Some(bad.to_owned())).unwrap_err().0;
            assert!(told.starts_with(problem), "{bad}: {told}");
        }
    }
}
