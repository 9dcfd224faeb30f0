//! The headers that Lambdas read. `tests/contracts` compares them with the headers that CORS lets a page
//! send.

use crate::named::named;
use std::collections::HashMap;

named! {
    /// A header that some Lambda reads. Its name is in lower case.
    pub enum Header {
        /// Says in which form the answer is wanted: JSON, or a list as CSV.
        Accept = "accept",
        /// Names which of the caller's accounts the request is for.
        AccountId = "x-account-id",
        /// Makes a repeated request have no second effect.
        IdempotencyKey = "idempotency-key",
        /// The origin of the page that sends the request.
        Origin = "origin",
    }
}

impl Header {
    /// Whether a page's own code sends the header, so that CORS must allow it. Other headers come from the
    /// browser itself, or from a vendor's server. `Accept` is one that CORS always allows.
    pub const fn is_sent_by_pages(self) -> bool {
        match self {
            Self::AccountId | Self::IdempotencyKey => true,
            Self::Accept | Self::Origin => false,
        }
    }
}

#[derive(Debug, Default)]
pub struct Headers(HashMap<String, String>);

impl Headers {
    pub fn get(&self, header: Header) -> Option<&str> {
        self.0.get(header.name()).map(String::as_str)
    }
}

impl FromIterator<(String, String)> for Headers {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(headers: T) -> Self {
        Self(headers.into_iter().map(|(name, value)| (name.to_lowercase(), value)).collect())
    }
}
