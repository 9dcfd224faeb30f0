//! The account's runs, as a list.

use crate::{
    CsvEntry, ErrorCode,
    filter::{self, moment, optional},
};
use deserr::{DeserializeError, Deserr, ValuePointerRef};
use jiff::Timestamp;
use oslira_domain::{BusinessProfileId, FieldProblem, LeadId, RunId, Tier, Username};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// A run of the account: one analysis that was accepted and charged, however it ended.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// The run's id.
    pub run_id: RunId,
    /// Whether the run has ended, and how.
    pub status: RunState,
    /// Why the run failed or was cancelled, as a code; `null` otherwise.
    pub code: Option<ErrorCode>,
    /// Why the run failed or was cancelled, as a sentence; `null` otherwise.
    pub reason: Option<String>,
    /// How deep the analysis goes.
    pub analysis_type: Tier,
    /// The Instagram account.
    // No `Username`: SQL takes names that the API refuses, and one of them must not hide the whole list.
    #[schemars(regex(pattern = "^[a-z0-9._]{1,30}$"))]
    pub username: String,
    /// The business profile that the lead is compared with. It may have been deleted since.
    pub business_profile_id: BusinessProfileId,
    /// The lead that the result is about; `null` unless the run is complete. The lead may have been deleted since.
    pub lead_id: Option<LeadId>,
    /// The score of the result, 0 to 100; `null` unless the run is complete.
    #[schemars(range(min = 0, max = 100))]
    pub score: Option<i32>,
    /// Whole credits that were taken when the run was accepted.
    #[schemars(range(min = 1))]
    pub credits_charged: i32,
    /// Whole credits that went back to the balance when the run ended, always all of them; `null` unless it failed or was
    /// cancelled.
    #[schemars(range(min = 1))]
    pub credits_refunded: Option<i32>,
    /// When the run was accepted.
    pub created_at: Timestamp,
    /// When the run ended; `null` while it is pending.
    pub finished_at: Option<Timestamp>,
}

impl CsvEntry for Run {
    const COLUMNS: &'static [&'static str] = &[
        "runId",
        "status",
        "code",
        "reason",
        "analysisType",
        "username",
        "businessProfileId",
        "leadId",
        "score",
        "creditsCharged",
        "creditsRefunded",
        "createdAt",
        "finishedAt",
    ];
}

/// Whether a run has ended, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// The run has not ended. Its progress says where it is.
    Pending,
    /// The result is there.
    Complete,
    /// The run failed and was refunded.
    Failed,
    /// The run was cancelled and refunded.
    Cancelled,
}

impl RunState {
    /// All states.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Complete, Self::Failed, Self::Cancelled];

    /// The name in JSON and SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Complete => "complete",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl FromStr for RunState {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|state| state.as_str() == text);
        known.ok_or("must be \"pending\", \"complete\", \"failed\" or \"cancelled\"")
    }
}

/// Which runs to list. Without filters, all runs.
#[derive(Debug, Default, PartialEq, Eq, Deserr, JsonSchema)]
#[deserr(rename_all = camelCase, deny_unknown_fields, validate = ordered -> __Deserr_E)]
#[serde(rename_all = "camelCase", default)]
pub struct RunFilters {
    /// Only runs with this status.
    #[deserr(default, try_from(Option<String>) = optional::<RunState> -> FieldProblem)]
    pub status: Option<RunState>,
    /// Only runs of this tier.
    #[deserr(default, try_from(Option<String>) = optional::<Tier> -> FieldProblem)]
    pub tier: Option<Tier>,
    /// Only runs of this Instagram account. It is read like the username of a new analysis.
    #[deserr(default, try_from(Option<String>) = optional::<Username> -> FieldProblem)]
    #[schemars(with = "Option<String>", length(min = 1), example = &"nasa")]
    pub username: Option<Username>,
    /// Only runs that were accepted at this moment or later (RFC 3339, such as 2026-11-24T00:00:00Z).
    #[deserr(default, try_from(Option<String>) = moment -> FieldProblem)]
    pub since: Option<Timestamp>,
    /// Only runs that were accepted before this moment. It must be later than `since`.
    #[deserr(default, try_from(Option<String>) = moment -> FieldProblem)]
    pub until: Option<Timestamp>,
}

fn ordered<E: DeserializeError>(filters: RunFilters, location: ValuePointerRef<'_>) -> Result<RunFilters, E> {
    filter::ordered(filters.since, filters.until, location).map(|()| filters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_read_by_the_name_they_print() {
        for state in RunState::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        assert!("queued".parse::<RunState>().is_err());
    }
}
