//! E-mail addresses, as Supabase keeps them.

use crate::field::from_text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// An e-mail address in the spelling that Supabase keeps: in lower case, ASCII only, at most 255 characters.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(
    inline,
    extend("maxLength" = 255, "pattern" = "^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$")
)]
pub struct EmailAddress(String);

/// Why a text is not an e-mail address, as the end of a sentence that begins with the field's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an e-mail address such as ada@example.com, without spaces and of at most 255 characters")]
pub struct NoEmailAddress;

impl EmailAddress {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EmailAddress {
    type Err = NoEmailAddress;

    /// Accepts what Supabase accepts, in either case. An invitation to an address that nobody can sign up with
    /// would be of no use.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // ASCII only: Unicode's lower case would turn the Kelvin sign into a `k`, and so one address into
        // another person's.
        let text = text.to_ascii_lowercase();
        let (local, domain) = text.split_once('@').ok_or(NoEmailAddress)?;
        let is_local = !local.is_empty()
            && local.bytes().all(|b| b.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&b));
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if is_local && domain.split('.').all(is_label) && text.len() <= 255 {
            Ok(Self(text))
        } else {
            Err(NoEmailAddress)
        }
    }
}

impl TryFrom<String> for EmailAddress {
    type Error = NoEmailAddress;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<EmailAddress> for String {
    fn from(address: EmailAddress) -> Self {
        address.0
    }
}

/// An address is personal data, and `Debug` is for logs.
impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailAddress(…)")
    }
}

from_text!(EmailAddress);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_kept_in_lower_case() {
        let address: EmailAddress = "Ada.Lovelace+Leads@Example.COM".parse().unwrap();
        assert_eq!(address.as_str(), "ada.lovelace+leads@example.com");
        assert!(!format!("{address:?}").contains("ada"), "it is not for logs");
    }

    #[test]
    fn an_address_that_supabase_would_refuse_is_refused() {
        let label = "a".repeat(63);
        // 59, an @, and three labels of 63 with the dots between them and before a last one of three: 255 in all.
        let longest = format!("{}@{label}.{label}.{label}.com", "a".repeat(59));
        assert_eq!(longest.len(), 255);
        for good in ["a@b", "o'neil@a-b.example", ".a.@b.c", &longest, "{}@1.2"] {
            assert!(good.parse::<EmailAddress>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "ada",
            "@example.com",
            "ada@",
            "ada@@example.com",
            "ada@example.com@example.com",
            " ada@example.com",
            "ada@example.com\n",
            "ada@-example.com",
            "ada@example-.com",
            "ada@example..com",
            "ada@example.com.",
            "ada@exa_mple.com",
            "\"ada\"@example.com",
            "ada@[127.0.0.1]",
            "ädä@example.com",
            "ada@münchen.example",
            // The Kelvin sign, whose lower case in Unicode is a `k`.
            "\u{212a}ate@example.com",
            &format!("a{longest}"),
            &format!("ada@{label}a.example"),
        ] {
            assert!(bad.parse::<EmailAddress>().is_err(), "{bad}");
        }
    }
}
