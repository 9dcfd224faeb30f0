//! What a signed-in user's requests of a minute are counted as.

use crate::{Code, Error};
use serde_json::json;
use std::time::Duration;

/// Requests that are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RequestClass {
    /// It changes nothing, and so may go on while it is counted.
    Read,
    /// It may change something, and so waits until it is counted.
    Write,
}

impl RequestClass {
    /// Their name in messages, headers and keys.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "reads",
            Self::Write => "writes",
        }
    }

    /// How many a user may send in a minute, unless a deployment's parameters say otherwise. A test checks that
    /// the template has the same numbers.
    pub const fn usual_limit(self) -> u32 {
        match self {
            Self::Read => 600,
            Self::Write => 120,
        }
    }

    /// The refusal of a request beyond the limit, with the time until one would be let through.
    pub fn refusal(self, limit: u32, wait: Duration) -> Error {
        let message = format!("Too many requests: {limit} {} a minute is the limit.", self.name());
        Error::new(Code::TooManyRequests, message)
            .with_details(json!({"limit": limit, "windowSeconds": 60}))
            .with_retry_after(wait)
    }
}
