//! What a question cost, call by call.

use crate::{Model, Provider};
use oslira_domain::Result;
use serde::{Deserialize, Serialize};

/// The answer, and everything that was paid for it.
#[derive(Debug)]
pub struct Outcome<T> {
    /// Every HTTP call in order, whatever came of it.
    pub calls: Vec<Call>,
    /// What `read` made of the answer.
    pub answer: Result<T>,
}

/// One HTTP call to a vendor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// The vendor.
    pub provider: Provider,
    /// The vendor's name of the model.
    pub model: String,
    /// Prompt tokens that were not read from the vendor's cache.
    pub input_tokens: u64,
    /// Prompt tokens that were.
    pub cached_tokens: u64,
    /// Tokens written, reasoning included.
    pub output_tokens: u64,
    /// What it cost by the catalogue's prices, in US dollars; 0 from the gateway's cache, and for a call that
    /// failed, of which the vendor tells no usage.
    pub cost_usd: f64,
    /// From sending to the last byte, in milliseconds.
    pub duration_ms: u64,
    /// The model is the role's fallback.
    pub is_fallback: bool,
    /// The AI gateway answered from its cache.
    pub gateway_cache_hit: bool,
    /// What came of it.
    pub outcome: CallOutcome,
}

/// What came of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CallOutcome {
    /// The answer was used.
    Answered,
    /// The answer did not fit.
    Unfit,
    /// The model, or the vendor for it, refused to answer.
    Refused,
    /// The answer was cut off at the limit of output tokens.
    Truncated,
    /// There was no answer: no connection, a timeout, or an error of the vendor's.
    Failed,
}

/// Tokens in the meaning of [`Call`], whoever counted them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Prompt tokens not read from the cache, those written to it included.
    pub(crate) input: u64,
    /// Of the former, those written to the cache.
    pub(crate) cache_written: u64,
    pub(crate) cached: u64,
    pub(crate) output: u64,
}

impl Usage {
    /// In US dollars.
    pub(crate) fn cost(self, model: &Model) -> f64 {
        let price = model.price;
        let written = self.cache_written.min(self.input);
        let dollars_per_million = (self.input - written) as f64 * price.input
            + written as f64 * price.cache_write.unwrap_or(price.input)
            + self.cached as f64 * price.cached
            + self.output as f64 * price.output;
        dollars_per_million / 1e6
    }
}

/// A vendor's answer, in the same form from both.
#[derive(Debug, PartialEq)]
pub(crate) struct Reply {
    pub(crate) usage: Usage,
    pub(crate) content: Content,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Content {
    Text(String),
    Refused,
    Truncated,
}
