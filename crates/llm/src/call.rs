//! What a question cost, call by call.

use crate::{Provider, usage::Told};
use oslira_domain::Result;
use serde::{Deserialize, Serialize};
use std::{fmt, pin::Pin};

/// The answer to a question, and every call that was made for it.
pub struct Outcome<'a, T> {
    /// Every call in order, whatever its outcome.
    pub calls: Vec<Call>,
    /// What `read` made of the answer.
    pub answer: Result<T>,
    /// The work that is left: to report the success to the circuit breaker, and to keep the answer for anyone
    /// who asks the same. It can run beside whatever needs the answer, and it cannot fail.
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
    pub provider: Provider,
    /// The vendor's name of the model.
    pub model: String,
    /// Prompt tokens that were not read from the vendor's cache, as the vendor reports them. Together with
    /// `cached_tokens` they are at most as many as the request had bytes.
    pub input_tokens: u64,
    /// Prompt tokens that were read from the vendor's cache.
    pub cached_tokens: u64,
    /// Tokens that the model wrote, including its reasoning, as the vendor reports them. At most as many as
    /// the request allowed.
    pub output_tokens: u64,
    /// The cost of the reported usage by the catalogue's prices, in US dollars. It is 0 for an answer from a
    /// cache, and for a call that failed or was abandoned.
    pub cost_usd: f64,
    /// What the vendor may charge in addition, in US dollars. It serves limits, not bills. It is an estimate
    /// for a call that timed out, broke off or was abandoned, and for usage figures that cannot be read. The
    /// estimate is one token for every four bytes sent, and the longest answer that was allowed.
    pub estimated_usd: f64,
    /// From sending the request to the last byte of the answer, in milliseconds. For an abandoned call, until
    /// it was abandoned.
    pub duration_ms: u64,
    /// Whether the model is the role's fallback.
    pub is_fallback: bool,
    /// Whether the answer came from a cache. An answer that we kept has no tokens. The AI gateway's cache
    /// repeats the tokens of the first answer.
    pub cache_hit: bool,
    pub outcome: CallOutcome,
}

/// What came of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CallOutcome {
    Answered,
    /// The answer did not have the right shape.
    Unfit,
    /// The model, or the vendor for it, refused to answer.
    Refused,
    /// The answer was cut off at the limit of output tokens.
    Truncated,
    /// There was no answer: no connection, a timeout, or an error of the vendor's.
    Failed,
    /// A second try of the same call was quicker. Whether the vendor charges for this one is not known.
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
