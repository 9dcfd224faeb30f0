//! What passes between the steps of an analysis: ids and keys, never documents.

use crate::{AccountId, BusinessProfileId, RunId, Tier, Username};
use serde::{Deserialize, Serialize};

/// The input of an execution, and of each of its steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AnalysisInput {
    /// The run.
    pub run_id: RunId,
    /// Who pays.
    pub account_id: AccountId,
    /// Against which business profile.
    pub business_profile_id: BusinessProfileId,
    /// Whom to analyse.
    pub username: Username,
    /// How deep.
    pub tier: Tier,
}

/// The input of an anonymous run's execution, and of each of its steps. A run without an account has no business profile
/// either: what the caller said of the business is in S3, under the run's id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AnonymousInput {
    /// The run.
    pub run_id: RunId,
    /// Whom to analyse.
    pub username: Username,
    /// How deep.
    pub tier: Tier,
}

/// What the cache has of what a run reads. What it lacks is scraped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CacheAnswer {
    /// The profile.
    pub profile: Cached,
    /// Its 50 posts.
    pub posts: Cached,
    /// The S3 key of the profile's snapshot, on a hit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot_key: Option<String>,
    /// The S3 key of the posts' snapshot, on a hit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub posts_key: Option<String>,
    /// Nothing has to be scraped.
    pub cache_hit: bool,
}

/// Whether the cache has one of the things that a run reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Cached {
    /// A fresh copy is there.
    Hit,
    /// It must be scraped.
    Miss,
    /// The tier does not read it.
    Unneeded,
}

/// Where a run reads its profile, from the first step that knows it to the last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProfileSource {
    /// The S3 key of the profile's immutable snapshot.
    pub snapshot_key: String,
    /// The S3 key of the immutable snapshot of its 50 posts; `None` in a tier that does not read them.
    #[serde(default)]
    pub posts_key: Option<String>,
    /// All of it was in the cache when the run came.
    pub cache_hit: bool,
}

/// The name of a run's first execution, `{runId}`, or of the one that resumed it for the (`n` - 1)th time, `{runId}-{n}`.
pub fn execution_name(run_id: RunId, n: u32) -> String {
    if n <= 1 { run_id.to_string() } else { format!("{run_id}-{n}") }
}

/// The run behind an execution's name, and which of its executions it is.
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
