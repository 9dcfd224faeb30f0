//! One analysis, from the request to the explained result.

use crate::{Commercial, ErrorCode, Outreach, Personality, Psychographic, SellingPoint};
use deserr::{Deserr, MergeWithError};
use jiff::Timestamp;
use oslira_domain::{
    BusinessProfileId, FieldProblem, LeadId, RunId, RunStatus, Tier, Username, scoring::Assessment,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What to analyse, how deep, and for which business.
#[derive(Debug, Serialize, Deserr, JsonSchema)]
#[deserr(rename_all = camelCase, deny_unknown_fields, where_predicate = __Deserr_E: MergeWithError<FieldProblem>)]
#[serde(rename_all = "camelCase")]
pub struct AnalysisRequest {
    /// An Instagram username, with or without `@`, or the address of a profile. Spaces around it are left out.
    #[schemars(with = "String", length(min = 1))]
    pub username: Username,
    /// How deep the analysis goes, and what it costs: 1, 5 or 6 credits.
    pub analysis_type: Tier,
    /// The business profile that the lead is held against.
    pub business_profile_id: BusinessProfileId,
}

/// A run that was accepted and charged.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AcceptedRun {
    /// The run.
    pub run_id: RunId,
    /// Where it is now.
    pub status: QueuedStatus,
    /// Seconds until the result, when the profile has to be scraped.
    pub estimated_seconds: u32,
    /// Where the run can be followed: a path below the API's base URL.
    pub progress_url: String,
    /// Where its result will be: a path below the API's base URL.
    pub result_url: String,
    /// Whole credits that were taken from the balance.
    pub credits_charged: i32,
}

/// A run that has just been accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum QueuedStatus {
    /// It waits to be started.
    Queued,
}

/// Where a run is.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// The run.
    pub run_id: RunId,
    /// `complete`, `failed` and `cancelled` are final.
    pub status: RunStatus,
    /// Percent; it never goes back.
    #[schemars(range(min = 0, max = 100))]
    pub progress: u8,
    /// What is going on, as words for people.
    pub current_step: String,
    /// Milliseconds from acceptance until now, or until the end.
    #[schemars(range(min = 0))]
    pub elapsed_ms: i64,
    /// Why it failed or was cancelled, as a sentence; only then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same as a code; only then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<ErrorCode>,
}

/// A run that was asked to stop.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cancelling {
    /// The run.
    pub run_id: RunId,
    /// What becomes of it.
    pub status: CancellingStatus,
    /// Where its end can be seen: a path below the API's base URL.
    pub progress_url: String,
    /// Where its result is, if it was complete before: a path below the API's base URL.
    pub result_url: String,
}

/// A run that was asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CancellingStatus {
    /// It stops at its next step.
    Cancelling,
}

/// The explained result of a run.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AnalysisResult {
    /// The run.
    pub run_id: RunId,
    /// The lead that it is about.
    pub lead_id: LeadId,
    /// The Instagram account.
    pub username: Username,
    /// How deep the analysis went.
    pub analysis_type: Tier,
    /// What was found.
    #[serde(flatten)]
    pub findings: Findings,
    /// When the profile was scraped, or its posts if that was earlier.
    pub data_as_of: Timestamp,
    /// All that was read was in the cache.
    pub cache_hit: bool,
    /// Whole credits that the run cost.
    pub credits_charged: i32,
}

/// What an analysis found: the score and all that explains it, the tier's own sections, and where the time went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Findings {
    /// The score and what it is made of.
    #[serde(flatten)]
    pub assessment: Assessment,
    /// Two or three sentences.
    pub summary: String,
    /// In DEEP and X-Ray: some paragraphs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deep_summary: Option<String>,
    /// In DEEP and X-Ray: why the lead could buy, the strongest reason first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selling_points: Option<Vec<SellingPoint>>,
    /// In X-Ray: the moment, the money, and what the two could do together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commercial: Option<Commercial>,
    /// In X-Ray: what moves the person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psychographic: Option<Psychographic>,
    /// In DEEP and X-Ray: a first message, ready to send.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outreach: Option<Outreach>,
    /// In DEEP and X-Ray: how the person communicates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub personality: Option<Personality>,
    /// Where the time went.
    pub timing: Timing,
}

impl Findings {
    /// The same with points, for those that were saved before there were any.
    #[must_use]
    pub fn itemised(mut self) -> Self {
        self.assessment = self.assessment.itemised();
        self
    }
}

/// Where a run's time went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Timing {
    /// Milliseconds from acceptance to the result.
    #[schemars(range(min = 0))]
    pub total_ms: i64,
    /// How long the run was in each status, from its acceptance on; only `queued` when its progress was lost.
    pub steps: Vec<TimedStep>,
    /// The longest of them.
    pub slowest_step: RunStatus,
}

/// How long a run was in a status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TimedStep {
    /// The status.
    pub name: RunStatus,
    /// Milliseconds.
    #[schemars(range(min = 0))]
    pub duration_ms: i64,
}
