//! The token that accepts an invitation.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use oslira_domain::{Error, Result};
use sha2::{Digest, Sha256};
use std::{fmt, str::FromStr};

/// 128 random bits. The answer that makes the invitation has them, and nothing else: Postgres gets their hash,
/// and no log line shows a path.
#[derive(PartialEq, Eq)]
pub(crate) struct Token([u8; 16]);

impl Token {
    /// Makes a token from the system's random numbers.
    pub(crate) fn generate() -> Result<Self> {
        let mut bits = [0; 16];
        getrandom::fill(&mut bits).map_err(Error::internal)?;
        Ok(Self(bits))
    }

    /// What is kept of it. The bits are random, so nobody can try all of them, and a slow hash would add nothing.
    pub(crate) fn hash(&self) -> Vec<u8> {
        Sha256::digest(self.0).to_vec()
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64_URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl FromStr for Token {
    type Err = ();

    /// Reads 22 characters of base64url. A token can be written in one way only.
    fn from_str(text: &str) -> Result<Self, ()> {
        let bits = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(drop)?;
        bits.try_into().map(Self).map_err(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_random_and_has_one_spelling() {
        let token = Token::generate().unwrap();
        assert_ne!(token, Token::generate().unwrap());
        let text = token.to_string();
        assert_eq!((text.len(), text.parse()), (22, Ok(token)));
        for bad in ["", "A", &text[1..], &format!("{text}A"), &format!("{text}=="), &"é".repeat(11)] {
            assert_eq!(bad.parse::<Token>(), Err(()), "{bad}");
        }
        // The last character has four bits that say nothing.
        let zero = "A".repeat(22);
        assert!(zero.parse::<Token>().is_ok());
        assert_eq!(format!("{}B", &zero[1..]).parse::<Token>(), Err(()));
    }

    #[test]
    fn what_is_kept_does_not_show_the_token() {
        let token: Token = "AAECAwQFBgcICQoLDA0ODw".parse().unwrap();
        assert_eq!(token.0, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
        assert_eq!(token.hash()[..4], [0xbe, 0x45, 0xcb, 0x26]);
        assert_eq!(format!("{token:?}"), "Token(…)");
    }
}
