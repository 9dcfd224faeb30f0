//! Leads: the Instagram accounts that were analysed, as the account's business profiles see them.

use crate::{
    CsvEntry,
    filter::{moment, optional, prefix_of_username, score, words},
};
use deserr::{DeserializeError, Deserr, ErrorKind, ValuePointerRef, take_cf_content};
use jiff::Timestamp;
use oslira_domain::{BusinessProfileId, FieldProblem, LeadId, RunId, Tier, Username};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{convert::Infallible, str::FromStr};

/// An Instagram account as one business profile sees it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Lead {
    /// The lead's id.
    pub id: LeadId,
    /// The business profile that it was analysed for.
    pub business_profile_id: BusinessProfileId,
    /// The Instagram account.
    pub username: Username,
    /// The name that the profile shows; empty when it shows none.
    pub full_name: String,
    /// The text of the profile; empty when there is none.
    pub biography: String,
    /// The address that the profile links to; `null` without one.
    pub external_url: Option<String>,
    /// How many accounts follow it.
    pub followers: u64,
    /// How many accounts it follows.
    pub following: u64,
    /// How many posts it has.
    pub posts_count: u64,
    /// Whether Instagram verified it.
    pub is_verified: bool,
    /// Whether it is a business account.
    pub is_business: bool,
    /// When the profile was scraped that is shown here.
    pub profile_as_of: Timestamp,
    /// The score of the last analysis, 0 to 100; `null` before the first one is complete.
    #[schemars(range(min = 0, max = 100))]
    pub score: Option<i32>,
    /// How deep the last analysis went; `null` before the first one is complete.
    pub analysis_type: Option<Tier>,
    /// When the last analysis was complete; `null` before the first one.
    pub analyzed_at: Option<Timestamp>,
    /// When the lead was first seen.
    pub created_at: Timestamp,
}

impl CsvEntry for Lead {
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "businessProfileId",
        "username",
        "fullName",
        "biography",
        "externalUrl",
        "followers",
        "following",
        "postsCount",
        "isVerified",
        "isBusiness",
        "profileAsOf",
        "score",
        "analysisType",
        "analyzedAt",
        "createdAt",
    ];
}

/// A lead with its last analysis.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeadDetails {
    /// The lead.
    #[serde(flatten)]
    pub lead: Lead,
    /// What the last analysis found, in brief; `null` before the first one is complete.
    pub latest_analysis: Option<LeadAnalysis>,
}

/// What an analysis of a lead found, in brief. The result of its run has all of it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeadAnalysis {
    /// The run that made it.
    pub run_id: RunId,
    /// How deep the analysis went.
    pub analysis_type: Tier,
    /// 0 to 100.
    #[schemars(range(min = 0, max = 100))]
    pub score: i32,
    /// How sure the score is, from 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub confidence: f64,
    /// Two or three sentences about the lead.
    pub summary: String,
    /// When the profile was scraped, or its posts if they were scraped earlier.
    pub data_as_of: Timestamp,
    /// When the analysis was complete.
    pub analyzed_at: Timestamp,
}

/// A lead that was deleted.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeletedLead {
    /// The id of the deleted lead. The results of its runs stay.
    pub id: LeadId,
    /// Until then the lead can be restored.
    pub restorable_until: Timestamp,
}

/// Which leads to list, and in what order. Without filters, all leads.
#[derive(Debug, Default, PartialEq, Eq, Deserr, JsonSchema)]
#[deserr(rename_all = camelCase, deny_unknown_fields, validate = ordered -> __Deserr_E)]
#[serde(rename_all = "camelCase", default)]
pub struct LeadFilters {
    /// Only leads of this business profile.
    #[deserr(default, try_from(Option<String>) = optional -> FieldProblem)]
    pub business_profile_id: Option<BusinessProfileId>,
    /// Only leads whose score is at least this.
    #[deserr(default, try_from(Option<String>) = score -> FieldProblem)]
    #[schemars(range(min = 0, max = 100))]
    pub min_score: Option<i32>,
    /// Only leads whose score is at most this. It must not be lower than `minScore`.
    #[deserr(default, try_from(Option<String>) = score -> FieldProblem)]
    #[schemars(range(min = 0, max = 100))]
    pub max_score: Option<i32>,
    /// Only leads whose last analysis was one of these, separated by commas.
    #[deserr(default, try_from(&String) = words -> FieldProblem)]
    #[schemars(length(min = 1))]
    pub tier: Vec<Tier>,
    /// Only leads whose username begins like this. Capitals do not matter, nor does an `@` before it.
    #[deserr(default, try_from(Option<String>) = prefix_of_username -> FieldProblem)]
    #[schemars(regex(pattern = "^@?[A-Za-z0-9._]{1,30}$"))]
    pub username_prefix: Option<String>,
    /// Only leads whose last analysis was complete at this moment or later (RFC 3339, such as
    /// 2026-11-24T00:00:00Z).
    #[deserr(default, try_from(Option<String>) = moment -> FieldProblem)]
    pub analyzed_since: Option<Timestamp>,
    /// By what to sort: from low to high, or with `-` from high to low. Without it, the lead comes first that was analysed
    /// last.
    #[deserr(default, try_from(&String) = named -> FieldProblem)]
    pub sort: LeadSort,
}

/// The order of a list of leads. A lead that was not analysed yet counts as lower than all others in score and in time of
/// analysis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LeadSort {
    /// The last analysed first.
    #[default]
    #[serde(rename = "-analyzedAt")]
    AnalyzedLast,
    /// The last analysed last.
    #[serde(rename = "analyzedAt")]
    AnalyzedFirst,
    /// The highest score first.
    #[serde(rename = "-score")]
    HighestScore,
    /// The lowest score first.
    #[serde(rename = "score")]
    LowestScore,
    /// The most followers first.
    #[serde(rename = "-followers")]
    MostFollowers,
    /// The fewest followers first.
    #[serde(rename = "followers")]
    FewestFollowers,
    /// By username from z to a. Characters are compared by their codes: `.` before digits before `_` before letters.
    #[serde(rename = "-username")]
    UsernameDown,
    /// By username from a to z.
    #[serde(rename = "username")]
    UsernameUp,
}

impl LeadSort {
    /// All orders.
    pub const ALL: [Self; 8] = [
        Self::AnalyzedLast,
        Self::AnalyzedFirst,
        Self::HighestScore,
        Self::LowestScore,
        Self::MostFollowers,
        Self::FewestFollowers,
        Self::UsernameDown,
        Self::UsernameUp,
    ];

    /// The name in a query.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AnalyzedLast => "-analyzedAt",
            Self::AnalyzedFirst => "analyzedAt",
            Self::HighestScore => "-score",
            Self::LowestScore => "score",
            Self::MostFollowers => "-followers",
            Self::FewestFollowers => "followers",
            Self::UsernameDown => "-username",
            Self::UsernameUp => "username",
        }
    }
}

impl FromStr for LeadSort {
    type Err = FieldProblem;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|sort| sort.as_str() == text);
        known
            .ok_or_else(|| FieldProblem(format!("must be one of {}", Self::ALL.map(Self::as_str).join(", "))))
    }
}

fn named(text: &str) -> Result<LeadSort, FieldProblem> {
    text.parse()
}

fn ordered<E: DeserializeError>(
    filters: LeadFilters,
    location: ValuePointerRef<'_>,
) -> Result<LeadFilters, E> {
    match (filters.min_score, filters.max_score) {
        (Some(min), Some(max)) if min > max => {
            let problem = ErrorKind::Unexpected { msg: "must not be lower than minScore".to_owned() };
            Err(take_cf_content(E::error::<Infallible>(None, problem, location.push_key("maxScore"))))
        }
        _ => Ok(filters),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read_by_their_names_in_the_description() {
        for sort in LeadSort::ALL {
            assert_eq!(sort.as_str().parse(), Ok(sort));
            assert_eq!(serde_json::to_value(sort).unwrap(), sort.as_str());
        }
        for bad in ["", "Score", "+score", "score,username", "--score", "analysedAt"] {
            assert!(bad.parse::<LeadSort>().is_err(), "{bad}");
        }
    }
}
