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

/// What the cache says of a profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "cache")]
pub enum CacheAnswer {
    /// A fresh copy is there.
    Hit(ProfileSource),
    /// It must be scraped.
    Miss,
}

/// Where a run reads its profile, from the first step that knows it to the last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProfileSource {
    /// The S3 key of the immutable snapshot.
    pub snapshot_key: String,
    /// It was in the cache when the run came.
    pub cache_hit: bool,
}

/// The run behind an execution's name: `{runId}`, or `{runId}-{n}` for one that was resumed.
pub fn execution_run_id(name: &str) -> Option<RunId> {
    name.get(..36)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resumed_execution_belongs_to_its_run() {
        let run_id = RunId::generate();
        assert_eq!(execution_run_id(&run_id.to_string()), Some(run_id));
        assert_eq!(execution_run_id(&format!("{run_id}-2")), Some(run_id));
        assert_eq!(execution_run_id("nightly"), None);
    }

    #[test]
    fn a_cache_answer_is_flat_json() {
        let hit = CacheAnswer::Hit(ProfileSource { snapshot_key: "profiles/nasa/1".into(), cache_hit: true });
        let json = serde_json::json!({"cache": "hit", "snapshotKey": "profiles/nasa/1", "cacheHit": true});
        assert_eq!(serde_json::to_value(&hit).unwrap(), json);
        assert_eq!(serde_json::to_value(CacheAnswer::Miss).unwrap(), serde_json::json!({"cache": "miss"}));
    }
}
