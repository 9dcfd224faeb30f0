//! Whether a lead needs a refresh, and the demand for one.

use crate::ErrorCode;
use jiff::Timestamp;
use oslira_domain::{LeadId, RefreshAnswer, RunId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A check that has to look at Instagram first.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StartedRefreshCheck {
    /// The check's id. Starting again while it is under way answers the same one.
    pub check_id: RunId,
    /// Where the check is now.
    pub status: CheckingStatus,
    /// Seconds until the answer, usually.
    pub estimated_seconds: u32,
    /// Where the check can be followed: a path below the API's base URL.
    pub status_url: String,
}

/// The status of a check that has just been started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CheckingStatus {
    /// The profile is being scraped.
    Checking,
}

/// Where a check is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RefreshCheckStatus {
    /// The profile is being scraped.
    Checking,
    /// The answer is there.
    Complete,
    /// There is no answer.
    Failed,
}

/// A lead's latest check that had to look at Instagram first.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefreshCheck {
    /// The check's id.
    pub check_id: RunId,
    /// `complete` and `failed` are final.
    pub status: RefreshCheckStatus,
    /// Milliseconds from the start until now, or until the end.
    #[schemars(range(min = 0))]
    pub elapsed_ms: i64,
    /// Whether the lead needs a refresh; only when complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<RefreshAnswer>,
    /// Why the check failed, as a code; only then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<ErrorCode>,
    /// Why the check failed, as a sentence; only then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A lead for which newer data is demanded.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ForcedRefresh {
    /// The lead.
    pub lead_id: LeadId,
    /// Analyses of the lead that are started from now on read nothing that was scraped before this moment.
    pub fresh_since: Timestamp,
}
