//! A run's id, as the command line gives it.

use std::{fmt, str::FromStr};

/// A UUID in lower case, which needs no quoting in SQL or a shell.
#[derive(Clone, Debug)]
pub(crate) struct RunId(String);

impl FromStr for RunId {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_uuid = text.len() == 36
            && text.bytes().enumerate().all(|(at, byte)| match at {
                8 | 13 | 18 | 23 => byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            });
        if is_uuid {
            Ok(Self(text.to_lowercase()))
        } else {
            Err("a run's id is a UUID, such as 01932a5f-11aa-7c20-8f10-5e6f7a8b9c0d")
        }
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_id_is_nothing_that_sql_would_stumble_over() {
        let run_id: RunId = "01932A5F-11aa-7c20-8f10-5e6f7a8b9c0d".parse().unwrap();
        assert_eq!(run_id.to_string(), "01932a5f-11aa-7c20-8f10-5e6f7a8b9c0d");
        for text in ["", "7", "01932a5f-11aa-7c20-8f10-5e6f7a8b9c0'", "01932a5f011aa-7c20-8f10-5e6f7a8b9c0d"]
        {
            assert!(text.parse::<RunId>().is_err(), "{text}");
        }
    }
}
