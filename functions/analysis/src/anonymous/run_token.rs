//! The token that opens an anonymous run's result, and the run's id made from it.

use oslira_domain::{Error, Result, RunId};
use sha2::{Digest, Sha256};
use std::{fmt, str::FromStr};
use uuid::Builder;

/// 128 random bits that only the caller learns: no store, queue, log line or console shows them.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct RunToken([u8; 16]);

impl RunToken {
    /// Makes a token from the system's random numbers.
    pub(super) fn generate() -> Result<Self> {
        let mut bits = [0; 16];
        getrandom::fill(&mut bits).map_err(Error::internal)?;
        Ok(Self(bits))
    }

    /// The run's id, which everything else uses. Nobody can work out the token from it. No account's run can
    /// have such an id, whoever chooses the id: the database refuses UUIDs of this version
    /// (`runs_run_id_not_anonymous`).
    pub(super) fn run_id(&self) -> RunId {
        let mut id = [0; 16];
        id.iter_mut().zip(Sha256::digest(self.0)).for_each(|(to, from)| *to = from);
        RunId(Builder::from_custom_bytes(id).into_uuid())
    }
}

impl fmt::Display for RunToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RunToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RunToken(…)")
    }
}

impl FromStr for RunToken {
    type Err = ();

    /// Reads 32 hexadecimal digits in lower case. A token can be written in one way only.
    fn from_str(text: &str) -> Result<Self, ()> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let mut bits = [0; 16];
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != bits.len() || !rest.is_empty() {
            return Err(());
        }
        for (bits, [high, low]) in bits.iter_mut().zip(pairs) {
            *bits = digit(*high).ok_or(())? << 4 | digit(*low).ok_or(())?;
        }
        Ok(Self(bits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_random_and_has_one_spelling() {
        let token = RunToken::generate().unwrap();
        assert_ne!(token, RunToken::generate().unwrap());
        let text = token.to_string();
        assert_eq!((text.len(), text.parse()), (32, Ok(token)));
        for bad in [
            "",
            "0",
            &text[1..],
            &format!("{text}0"),
            &text.to_uppercase().replace('0', "A"),
            &"é".repeat(16),
        ] {
            assert_eq!(bad.parse::<RunToken>(), Err(()), "{bad}");
        }
    }

    #[test]
    fn the_runs_id_is_made_from_the_token_and_does_not_show_it() {
        let token: RunToken = "000102030405060708090a0b0c0d0e0f".parse().unwrap();
        // The first half of a SHA-256, with the version and variant bits of a UUID.
        assert_eq!(token.run_id().to_string(), "be45cb26-05bf-86be-bde6-84841a28f0fd");
        assert_eq!(token.run_id().0.get_version_num(), 8);
        assert_eq!(format!("{token:?}"), "RunToken(…)");
    }
}
