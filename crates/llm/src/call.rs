//! What a question cost, call by call.

use crate::{Provider, usage::Told};
use oslira_domain::Result;
use serde::{Deserialize, Serialize};
use std::{fmt, pin::Pin};

/// The answer, and everything that was paid for it.
pub struct Outcome<'a, T> {
    /// Every call in order, whatever came of it.
    pub calls: Vec<Call>,
    /// What `read` made of the answer.
    pub answer: Result<T>,
    /// What is left to do: to tell the circuit breaker of the success, and to keep the answer for who asks the same. It
    /// may be done beside whatever the answer is needed for, and it cannot fail.
    pub afterwards: Afterwards<'a>,
}

/// Work that nobody waits for.
pub type Afterwards<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

impl<T: fmt::Debug> fmt::Debug for Outcome<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outcome")
            .field("calls", &self.calls)
            .field("answer", &self.answer)
            .finish_non_exhaustive()
    }
}

/// One call to a vendor, or an answer that had been kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// The vendor.
    pub provider: Provider,
    /// The vendor's name of the model.
    pub model: String,
    /// Prompt tokens that were not read from the vendor's cache: those that were told, and with the cached ones no more than
    /// the request had bytes.
    pub input_tokens: u64,
    /// Prompt tokens that were.
    pub cached_tokens: u64,
    /// Tokens written, reasoning included: those that were told, and no more than were allowed.
    pub output_tokens: u64,
    /// What it cost by the catalogue's prices, in US dollars, as far as the vendor tells what was used: 0 from a cache of
    /// answers, and for a call that failed or was abandoned.
    pub cost_usd: f64,
    /// What the vendor may charge beside that, in US dollars: for limits, not for bills. An estimate for a call that timed
    /// out, broke off or was abandoned, and of what cannot be read in an answer's usage: a token for every four bytes sent,
    /// and as long an answer as was allowed.
    pub estimated_usd: f64,
    /// From sending to the last byte, in milliseconds; of an abandoned call, until it was.
    pub duration_ms: u64,
    /// The model is the role's fallback.
    pub is_fallback: bool,
    /// The answer had been kept: by us, then without tokens, or by the AI gateway, which repeats those of the first one.
    pub cache_hit: bool,
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
    /// The same call, made a second time, was quicker. Whether the vendor charges for this one is not known.
    Abandoned,
}

/// A vendor's answer, in the same form from both.
#[derive(Debug, PartialEq)]
pub(crate) struct Reply {
    pub(crate) told: Told,
    pub(crate) content: Content,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Content {
    Text(String),
    Refused,
    Truncated,
}
