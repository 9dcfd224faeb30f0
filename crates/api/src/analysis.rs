//! One analysis, from the request to the explained result.

use crate::{Commercial, ErrorCode, Outreach, Personality, Psychographic, SellingPoint, filter::yes_or_no};
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
    /// An Instagram username, with or without `@`, or the address of a profile. Spaces around it are left out, and capital letters
    /// become small ones. The name has 1 to 30 letters, digits, dots and underscores; no dot begins or ends it, and no two dots
    /// follow each other.
    #[schemars(
        with = "String",
        length(min = 1),
        example = &"nasa",
        example = &"@NASA",
        example = &"https://www.instagram.com/nasa/"
    )]
    pub username: Username,
    /// How deep the analysis goes, and what it costs: 1, 5 or 6 credits.
    pub analysis_type: Tier,
    /// The business profile that the lead is compared with.
    pub business_profile_id: BusinessProfileId,
}

/// What to do with the request.
#[derive(Debug, Default, PartialEq, Eq, Deserr, JsonSchema)]
#[deserr(rename_all = camelCase, deny_unknown_fields)]
#[serde(rename_all = "camelCase", default)]
pub struct StartOptions {
    /// `true` asks for a quote: the answer is 200 with the price and with all that would refuse the analysis. Nothing is charged
    /// or started.
    #[deserr(default, try_from(&String) = yes_or_no -> FieldProblem)]
    pub quote: bool,
}

/// A run that was accepted and charged.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AcceptedRun {
    /// The run's id.
    pub run_id: RunId,
    /// Where the run is now.
    pub status: QueuedStatus,
    /// Seconds until the result, if the profile has to be scraped.
    pub estimated_seconds: u32,
    /// Where the run can be followed: a path below the API's base URL.
    pub progress_url: String,
    /// Where the result will be: a path below the API's base URL.
    pub result_url: String,
    /// Whole credits that were taken from the balance.
    #[schemars(range(min = 1))]
    pub credits_charged: i32,
}

/// The status of a run that has just been accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum QueuedStatus {
    /// The run waits to be started.
    Queued,
}

/// Where a run is.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// The run's id.
    pub run_id: RunId,
    /// `complete`, `failed` and `cancelled` are final.
    pub status: RunStatus,
    /// Percent. It never goes down.
    #[schemars(range(min = 0, max = 100))]
    pub progress: u8,
    /// The current step, as a sentence for people.
    pub current_step: String,
    /// Milliseconds from acceptance until now, or until the end.
    #[schemars(range(min = 0))]
    pub elapsed_ms: i64,
    /// Why the run failed or was cancelled, as a sentence; only then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why the run failed or was cancelled, as a code; only then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<ErrorCode>,
}

/// A run that was asked to stop.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cancelling {
    /// The run's id.
    pub run_id: RunId,
    /// What happens to the run.
    pub status: CancellingStatus,
    /// Where the run can be followed to its end: a path below the API's base URL.
    pub progress_url: String,
    /// Where the result is, if the run was complete before it could stop: a path below the API's base URL.
    pub result_url: String,
}

/// The status of a run that was asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CancellingStatus {
    /// The run stops at its next step.
    Cancelling,
}

/// The explained result of a run.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AnalysisResult {
    /// The run's id.
    pub run_id: RunId,
    /// The lead that the result is about.
    pub lead_id: LeadId,
    /// The Instagram account.
    pub username: Username,
    /// How deep the analysis went.
    pub analysis_type: Tier,
    /// What was found.
    #[serde(flatten)]
    pub findings: Findings,
    /// When the profile was scraped, or its posts if they were scraped earlier.
    pub data_as_of: Timestamp,
    /// Whether everything that was read was in the cache.
    pub cache_hit: bool,
    /// Whole credits that the run cost.
    #[schemars(range(min = 1))]
    pub credits_charged: i32,
}

/// What an analysis found: the score and everything that explains it, the tier's own sections, and how long
/// each step took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Findings {
    /// The score and its parts.
    #[serde(flatten)]
    pub assessment: Assessment,
    /// Two or three sentences about the lead.
    pub summary: String,
    /// In DEEP and X-Ray: a longer summary, of several paragraphs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deep_summary: Option<String>,
    /// In DEEP and X-Ray: why the lead could buy, the strongest reason first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selling_points: Option<Vec<SellingPoint>>,
    /// In X-Ray: when the lead could buy, for how much, and how the two could work together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commercial: Option<Commercial>,
    /// In X-Ray: what drives the person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psychographic: Option<Psychographic>,
    /// In DEEP and X-Ray: a first message, ready to send.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outreach: Option<Outreach>,
    /// In DEEP and X-Ray: how the person communicates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub personality: Option<Personality>,
    /// How long the run and its steps took.
    pub timing: Timing,
}

/// How long a run and its steps took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Timing {
    /// Milliseconds from acceptance to the result.
    #[schemars(range(min = 0))]
    pub total_ms: i64,
    /// How long the run was in each status, from its acceptance on. Only `queued` when the run's progress was
    /// lost.
    pub steps: Vec<TimedStep>,
    /// The status that took the longest.
    pub slowest_step: RunStatus,
}

/// How long a run was in a status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TimedStep {
    /// The status.
    pub name: RunStatus,
    /// Milliseconds that the run was in this status.
    #[schemars(range(min = 0))]
    pub duration_ms: i64,
}
