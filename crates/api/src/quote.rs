//! What an analysis would cost, and what would refuse it.

use crate::ErrorCode;
use jiff::Timestamp;
use oslira_domain::{Error, RunId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an analysis would cost if it was started now, and what would refuse it. Nothing is charged, started or reserved.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AnalysisQuote {
    /// Whole credits that the analysis costs.
    #[schemars(range(min = 1))]
    pub cost: i32,
    /// Whole credits that are there now.
    #[schemars(range(min = 0))]
    pub balance: i32,
    /// Whole credits that would be left. Below zero, so many are missing.
    pub balance_after: i32,
    /// Seconds until the result. Fewer with a `cachedProfile`.
    pub estimated_seconds: u32,
    /// What the account has seen of the profile, if that is fresh enough to be read again. `null` says nothing about the cache:
    /// it also holds what other accounts asked for, and a quote does not tell of them.
    pub cached_profile: Option<CachedProfile>,
    /// The run that does the same, if it would refuse this one: it is under way, or was accepted in the past five minutes and is
    /// complete, and its lead was not deleted since. `null` without such a run.
    pub duplicate_of: Option<RunId>,
    /// All that would refuse the analysis now, in the order in which a start is refused. Empty when it would be accepted.
    pub refusals: Vec<Refusal>,
}

/// A profile that the account's latest complete analysis of it has read.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CachedProfile {
    /// When the profile was scraped, or its posts if they were scraped earlier.
    pub data_as_of: Timestamp,
    /// Whole seconds since then.
    #[schemars(range(min = 0))]
    pub age_seconds: i64,
}

/// An error that a start would be refused with now.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// What is wrong, as a code for programs.
    pub code: ErrorCode,
    /// What is wrong, as a sentence that anyone may read.
    pub error: String,
    /// Why new analyses are paused, as in `details.reason` of `Paused`; `null` for any other code.
    pub reason: Option<String>,
    /// Seconds until another try makes sense; `null` where nobody knows.
    #[schemars(range(min = 1))]
    pub retry_after_seconds: Option<u32>,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let reason = error.details.as_ref().and_then(|details| details["reason"].as_str());
        Self {
            reason: reason.map(str::to_owned),
            code: error.code.into(),
            error: error.message.into_owned(),
            retry_after_seconds: error.retry_after_seconds.map(Into::into),
        }
    }
}
