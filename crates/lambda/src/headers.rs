//! The headers that Lambdas read. `tests/contracts` compares them with the headers that CORS lets a page
//! send.

use std::collections::HashMap;

/// A header that some Lambda reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// Names which of the caller's accounts the request is for.
    AccountId,
    /// Makes a repeated request have no second effect.
    IdempotencyKey,
    /// The origin of the page that sends the request.
    Origin,
}

impl Header {
    pub const ALL: [Self; 3] = [Self::AccountId, Self::IdempotencyKey, Self::Origin];

    /// The name, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AccountId => "x-account-id",
            Self::IdempotencyKey => "idempotency-key",
            Self::Origin => "origin",
        }
    }

    /// Whether a page's own code sends the header, so that CORS must allow it. Other headers come from the
    /// browser itself, or from a vendor's server.
    pub const fn is_sent_by_pages(self) -> bool {
        match self {
            Self::AccountId | Self::IdempotencyKey => true,
            Self::Origin => false,
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
