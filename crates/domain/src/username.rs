//! Instagram usernames, as people paste them.

use crate::field::from_text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A normalised Instagram username: lower-case, 1 to 30 of `a-z 0-9 . _`, no leading, trailing or double dot.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(inline, extend("pattern" = "^[a-z0-9._]{1,30}$"))]
pub struct Username(String);

/// Why a text is not a username, as a sentence for the person who typed it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidUsername(&'static str);

/// First path segments of instagram.com addresses that are pages of the site, not accounts.
const RESERVED: [&str; 11] =
    ["about", "accounts", "direct", "explore", "locations", "p", "reel", "reels", "stories", "tags", "tv"];

impl Username {
    /// The normalised text, without `@`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Username {
    type Err = InvalidUsername;

    /// Accepts a bare username, a username with a leading `@`, or the address of a profile. Spaces and line
    /// breaks around it are stripped.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // ASCII only: Unicode's lower case would turn the Kelvin sign into a `k`, and so one name into
        // another account's.
        let text = text.trim_matches(is_space).to_ascii_lowercase();
        // This also applies behind the name in an address: two lines are two leads, and only one would be
        // analysed.
        if text.contains(is_space) {
            return Err(InvalidUsername("may hold only letters, digits, dots and underscores, and no space"));
        }
        let name = from_profile_url(&text);
        let name = name.strip_prefix('@').unwrap_or(name);
        if name.is_empty() {
            return Err(InvalidUsername("is empty; give an Instagram username such as \"nasa\""));
        }
        if name.len() > 30 {
            return Err(InvalidUsername("is longer than 30 characters"));
        }
        if !name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_')) {
            return Err(InvalidUsername("may hold only letters, digits, dots and underscores"));
        }
        if name.starts_with('.') || name.ends_with('.') || name.contains("..") {
            return Err(InvalidUsername("may not start or end with a dot, nor hold two in a row"));
        }
        if RESERVED.contains(&name) {
            return Err(InvalidUsername("is a page of Instagram, not an account"));
        }
        Ok(Self(name.to_owned()))
    }
}

/// White space, line breaks, and three characters without width: zero width space, word joiner and byte order
/// mark. They are copied along with a name unseen. Direction marks are not among them, because they change
/// how a name reads.
fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{200b}' | '\u{2060}' | '\u{feff}')
}

/// Returns the username in `https://www.instagram.com/_u/nasa/?hl=en`, and any other text unchanged.
fn from_profile_url(text: &str) -> &str {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or(text);
    let rest = rest.strip_prefix("www.").or_else(|| rest.strip_prefix("m.")).unwrap_or(rest);
    let Some(path) = rest.strip_prefix("instagram.com/").or_else(|| rest.strip_prefix("instagr.am/")) else {
        return text;
    };
    let path = path.strip_prefix("_u/").or_else(|| path.strip_prefix("_n/")).unwrap_or(path);
    path.split(['/', '?', '#']).next().unwrap_or_default()
}

impl TryFrom<String> for Username {
    type Error = InvalidUsername;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Username> for String {
    fn from(username: Username) -> Self {
        username.0
    }
}

from_text!(Username);

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_username_are_one() {
        for text in [
            "nasa",
            " NASA ",
            "@nasa",
            "\u{a0}nasa\u{3000}\n",
            "\r\n\t@nasa\u{2028}",
            "\u{feff}nasa\u{200b}\u{2060} ",
            "instagram.com/nasa",
            "https://www.instagram.com/nasa/",
            "https://instagram.com/_u/nasa",
            "http://m.instagram.com/_n/nasa/?hl=en#top",
            "instagr.am/nasa",
            "https://www.instagram.com/nasa/reels/",
            "https://www.instagram.com/@nasa",
            " https://www.instagram.com/nasa/\n",
        ] {
            assert_eq!(text.parse::<Username>().map(String::from).as_deref(), Ok("nasa"), "{text}");
        }
    }

    #[test]
    fn a_space_inside_is_a_bad_character() {
        for text in [
            "na sa",
            "n a s a",
            "@ nasa",
            "na\tsa",
            "na\nsa",
            "na\r\nsa",
            "nasa\nesa",
            "na\u{a0}sa",
            "na\u{2009}sa",
            "na\u{3000}sa",
            "na\u{85}sa",
            "na\u{200b}sa",
            "na\u{2060}sa",
            "na\u{feff}sa",
            "@\u{200b}nasa",
            "https://www.instagram.com/na sa/",
            "https://www.instagram.com/nasa /",
            "https:// www.instagram.com/nasa",
            "https://www.instagram.com/nasa/\nhttps://www.instagram.com/esa/",
        ] {
            let refused = text.parse::<Username>().unwrap_err().to_string();
            assert_eq!(
                refused, "may hold only letters, digits, dots and underscores, and no space",
                "{text:?}"
            );
        }
        for text in [" ", "\n", "\u{200b}", " @ "] {
            assert!(text.parse::<Username>().unwrap_err().to_string().starts_with("is empty"), "{text:?}");
        }
    }

    #[test]
    fn what_instagram_would_refuse_is_refused() {
        let long = "a".repeat(31);
        for text in [
            "",
            "@",
            ".nasa",
            "nasa.",
            "na..sa",
            "na-sa",
            "nåsa",
            // Characters that Unicode maps to ASCII letters: the Kelvin sign, a dotted I, a long s,
            // full-width letters.
            "ni\u{212a}e",
            "\u{130}nasa",
            "na\u{17f}a",
            "\u{ff2e}asa",
            // Invisible characters that are not spaces: direction marks, a joiner, a soft hyphen.
            "\u{202e}asan",
            "nasa\u{200f}",
            "na\u{200d}sa",
            "na\u{ad}sa",
            "na%20sa",
            "https://www.instagram.com/ni\u{212a}e/",
            "https://lin\u{212a}.instagram.com/nike",
            "na/sa",
            "@@nasa",
            &long,
            "explore",
            "https://www.instagram.com/p/Cxyz/",
            "https://www.instagram.com/",
            "https://example.com/nasa",
        ] {
            assert!(text.parse::<Username>().is_err(), "{text}");
        }
        assert!("a".repeat(30).parse::<Username>().is_ok());
    }
}
