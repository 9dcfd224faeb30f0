//! The data that passes between the steps of an analysis: ids and keys, never documents.

use crate::{AccountId, BusinessProfileId, LeadId, RunId, Tier, Username};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The input of an execution, and of each of its steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AnalysisInput {
    pub run_id: RunId,
    /// The account that pays.
    pub account_id: AccountId,
    pub business_profile_id: BusinessProfileId,
    /// The Instagram account to analyse.
    pub username: Username,
    pub tier: Tier,
    /// The run reads nothing that was scraped before this moment. `None` when its tier's limit of age is all that counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fresh_since: Option<Timestamp>,
}

/// The input of an anonymous run's execution, and of each of its steps. Without an account there is no
/// business profile: what the caller wrote about the business is in S3, under the run's id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AnonymousInput {
    pub run_id: RunId,
    /// The Instagram account to analyse.
    pub username: Username,
    pub tier: Tier,
}

/// The input of a refresh check's execution, and of each of its steps. What the lead's last analysis saw is in Postgres.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefreshCheckInput {
    /// The check's id. The step that scrapes takes it for a run's.
    pub run_id: RunId,
    /// The account whose lead it is.
    pub account_id: AccountId,
    pub lead_id: LeadId,
    /// The lead's Instagram account.
    pub username: Username,
    /// The tier that wants the newest profile. It decides how old a cached profile may be.
    pub tier: Tier,
}

/// What the cache holds of the profile and the posts that a run reads. What is missing is scraped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CacheAnswer {
    pub profile: Cached,
    /// The profile's 50 posts.
    pub posts: Cached,
    /// The S3 key of the profile's snapshot, on a hit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot_key: Option<String>,
    /// The S3 key of the posts' snapshot, on a hit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub posts_key: Option<String>,
    /// Whether nothing has to be scraped.
    pub cache_hit: bool,
}

/// Whether the cache has one part of what a run reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Cached {
    /// A fresh copy is there.
    Hit,
    /// The part must be scraped.
    Miss,
    /// The tier does not read this part.
    Unneeded,
}

/// Where a run reads its profile. It stays the same from the first step that knows it to the last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProfileSource {
    /// The S3 key of the profile's immutable snapshot.
    pub snapshot_key: String,
    /// The S3 key of the immutable snapshot of its 50 posts; `None` in a tier that does not read them.
    #[serde(default)]
    pub posts_key: Option<String>,
    /// Whether all of it was in the cache when the run began.
    pub cache_hit: bool,
}

/// The name of a run's `n`th execution: `{runId}` for the first, and `{runId}-{n}` for an execution that
/// resumed the run.
pub fn execution_name(run_id: RunId, n: u32) -> String {
    if n <= 1 { run_id.to_string() } else { format!("{run_id}-{n}") }
}

/// Reads the run's id and the number `n` from an execution's name.
pub fn execution_of(name: &str) -> Option<(RunId, u32)> {
    let (run_id, suffix) = name.split_at_checked(36)?;
    let n = match suffix.strip_prefix('-') {
        Some(n) => n.parse().ok().filter(|n| *n > 1)?,
        None if suffix.is_empty() => 1,
        None => return None,
    };
    Some((run_id.parse().ok()?, n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resumed_execution_belongs_to_its_run() {
        let run_id = RunId::generate();
        assert_eq!(execution_name(run_id, 1), run_id.to_string());
        assert_eq!(execution_name(run_id, 2), format!("{run_id}-2"));
        for n in 1..4 {
            assert_eq!(execution_of(&execution_name(run_id, n)), Some((run_id, n)));
        }
        for name in ["nightly".to_owned(), format!("{run_id}-1"), format!("{run_id}-x"), format!("{run_id}2")]
        {
            assert_eq!(execution_of(&name), None, "{name}");
        }
    }

    #[test]
    fn a_cache_answer_is_flat_json_that_a_source_is_read_from() {
        let answer = CacheAnswer {
            profile: Cached::Hit,
            posts: Cached::Unneeded,
            snapshot_key: Some("profiles/nasa/1".into()),
            posts_key: None,
            cache_hit: true,
        };
        let json = serde_json::json!({"profile": "hit", "posts": "unneeded", "snapshotKey": "profiles/nasa/1", "cacheHit": true});
        assert_eq!(serde_json::to_value(&answer).unwrap(), json);
        let source =
            ProfileSource { snapshot_key: "profiles/nasa/1".into(), posts_key: None, cache_hit: true };
        assert_eq!(serde_json::from_value::<ProfileSource>(json).unwrap(), source);
    }
}
