//! A LIGHT analysis without an account.

use crate::{ErrorCode, QueuedStatus, Timing};
use deserr::{Deserr, MergeWithError};
use jiff::Timestamp;
use oslira_domain::{FieldProblem, Icp, RunStatus, Tier, Username, scoring::Assessment, trimmed};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What to analyse, and for which business.
#[derive(Debug, Serialize, Deserr, JsonSchema)]
#[deserr(rename_all = camelCase, deny_unknown_fields, where_predicate = __Deserr_E: MergeWithError<FieldProblem>)]
#[serde(rename_all = "camelCase")]
pub struct AnonymousRequest {
    /// An Instagram username, with or without `@`, or the address of a profile. Spaces around it are ignored.
    #[schemars(with = "String", length(min = 1))]
    pub username: Username,
    /// The business that the lead is compared with.
    pub business: BusinessInBrief,
}

/// What a caller without an account says about their business.
#[derive(Debug, Serialize, Deserr, JsonSchema)]
#[deserr(rename_all = camelCase, deny_unknown_fields, where_predicate = __Deserr_E: MergeWithError<FieldProblem>)]
#[serde(rename_all = "camelCase")]
pub struct BusinessInBrief {
    /// What the business does.
    #[deserr(try_from(&String) = trimmed::<500> -> FieldProblem)]
    #[schemars(length(min = 1, max = 500), regex(pattern = r"\S"))]
    pub summary: String,
    /// Whom the business wants as a customer. Without it, the score is the model's fit alone.
    #[deserr(default)]
    pub icp: Option<Icp>,
}

/// An anonymous run that was accepted.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AcceptedAnonymousRun {
    /// Opens the result. Keep it secret, like a password.
    #[schemars(regex(pattern = "^[0-9a-f]{32}$"))]
    pub run_token: String,
    /// Where the run is now.
    pub status: QueuedStatus,
    /// Seconds until the result, if the profile has to be scraped.
    pub estimated_seconds: u32,
    /// Where the run can be followed: a path below the API's base URL.
    pub status_url: String,
    /// After this time the token opens nothing.
    pub expires_at: Timestamp,
}

/// Where an anonymous run is.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AnonymousRun {
    /// `complete` and `failed` are final.
    pub status: RunStatus,
    /// Percent. It never goes down.
    #[schemars(range(min = 0, max = 100))]
    pub progress: u8,
    /// The current step, as a sentence for people.
    pub current_step: String,
    /// Milliseconds from acceptance until now, or until the end.
    #[schemars(range(min = 0))]
    pub elapsed_ms: i64,
    /// What was found; only when complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<AnonymousResult>,
    /// Why the run failed, as a code; only then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<ErrorCode>,
    /// Why the run failed, as a sentence; only then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A LIGHT result, without what belongs to an account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AnonymousResult {
    /// The Instagram account.
    pub username: Username,
    /// Always `light`.
    #[schemars(extend("const" = "light"))]
    pub analysis_type: Tier,
    /// The score and what it is made of.
    #[serde(flatten)]
    pub assessment: Assessment,
    /// Two or three sentences.
    pub summary: String,
    /// Where the time went.
    pub timing: Timing,
    /// When the profile was scraped.
    pub data_as_of: Timestamp,
    /// Whether the profile was in the cache.
    pub cache_hit: bool,
}

/// The token of an anonymous run, as a path has it.
#[derive(Debug, JsonSchema)]
#[schemars(inline, extend("pattern" = "^[0-9a-f]{32}$"))]
pub struct RunTokenText(pub String);
