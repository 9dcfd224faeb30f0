//! What a test may change while the server runs: latencies and behaviour.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};

/// How long each service takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// Actor runs.
    pub apify: ApifyLatency,
    /// Chat completions.
    pub openai: AiLatency,
    /// Messages.
    pub anthropic: AiLatency,
}

/// How long an actor run takes: the start, then the work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApifyLatency {
    /// Milliseconds until the actor's container works.
    pub start_ms: u64,
    /// Milliseconds per profile of a profile run.
    pub per_profile_ms: u64,
    /// Milliseconds per account of a posts run.
    pub per_post_run_ms: u64,
    /// Milliseconds that a restricted profile adds to its whole batch.
    pub restricted_ms: u64,
}

/// How long an answer takes, give or take 15 % that depend on the prompt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AiLatency {
    /// Milliseconds per call.
    pub ms: u64,
    /// Milliseconds per output token, reasoning included.
    pub per_output_token_ms: f64,
}

impl Latency {
    /// As the real services, roughly.
    pub const fn realistic() -> Self {
        Self {
            apify: ApifyLatency {
                start_ms: 4_500,
                per_profile_ms: 700,
                per_post_run_ms: 2_500,
                restricted_ms: 15_000,
            },
            openai: AiLatency { ms: 2_500, per_output_token_ms: 0.0 },
            anthropic: AiLatency { ms: 3_000, per_output_token_ms: 0.0 },
        }
    }

    /// Short, for tests that wait for results.
    pub const fn fast() -> Self {
        Self {
            apify: ApifyLatency {
                start_ms: 150,
                per_profile_ms: 20,
                per_post_run_ms: 40,
                restricted_ms: 300,
            },
            openai: AiLatency { ms: 60, per_output_token_ms: 0.0 },
            anthropic: AiLatency { ms: 60, per_output_token_ms: 0.0 },
        }
    }
}

impl AiLatency {
    /// The time for one answer; the same prompt (`seed`) always takes the same time.
    pub fn of_answer(&self, output_tokens: u64, seed: u64) -> Duration {
        let base_ms = self.ms as f64 + self.per_output_token_ms * output_tokens as f64;
        let spread = 0.85 + (seed % 1_000) as f64 * 0.000_3;
        Duration::from_secs_f64((base_ms * spread / 1_000.0).max(0.0))
    }
}

/// Switches that concern no single request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Behaviour {
    /// The models obey instructions that are hidden in what they are asked to read.
    pub obedient: bool,
    /// The key set answers 503.
    pub jwks_outage: bool,
    /// Actor runs that may be in flight before the next one is refused.
    pub max_concurrent_runs: usize,
    /// Milliseconds after which a synchronous actor call answers 408.
    pub sync_timeout_ms: u64,
    /// Shutdown dates (`YYYY-MM-DD`) to report in place of the usual ones, by OpenAI model.
    pub shutdown_dates: BTreeMap<String, Option<String>>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            obedient: false,
            jwks_outage: false,
            max_concurrent_runs: 25,
            sync_timeout_ms: 300_000,
            shutdown_dates: BTreeMap::new(),
        }
    }
}

/// `current` with the fields of `patch` in place of its own; objects are merged, everything else replaced.
///
/// # Errors
/// When a field is unknown or of another type: `current` is then left as it was.
pub(crate) fn patched<T: Serialize + DeserializeOwned>(current: &T, patch: &Value) -> serde_json::Result<T> {
    let mut value = serde_json::to_value(current)?;
    merge(&mut value, patch);
    serde_json::from_value(value)
}

/// Writes `patch` over `target`, object by object.
pub(crate) fn merge(target: &mut Value, patch: &Value) {
    match (target, patch) {
        (Value::Object(target), Value::Object(patch)) => {
            for (key, value) in patch {
                merge(target.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (target, patch) => *target = patch.clone(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use serde_json::json;

    #[test]
    fn a_patch_changes_only_what_it_names() {
        let latency =
            patched(&Latency::fast(), &json!({"apify": {"startMs": 7}, "openai": {"ms": 8}})).unwrap();
        assert_eq!(latency.apify.start_ms, 7, "apify");
        assert_eq!(latency.openai.ms, 8, "openai");
        assert_eq!(latency.apify.per_profile_ms, Latency::fast().apify.per_profile_ms);
        assert_eq!(latency.anthropic, Latency::fast().anthropic);
    }

    #[test]
    fn a_misspelt_setting_is_refused() {
        assert!(patched(&Latency::fast(), &json!({"apify": {"startMS": 7}})).is_err());
        assert!(patched(&Behaviour::default(), &json!({"obedient": "yes"})).is_err());
    }

    #[test]
    fn answers_take_about_the_set_time() {
        let latency = AiLatency { ms: 1_000, per_output_token_ms: 1.0 };
        for seed in [0, 999, 123_456_789] {
            let millis = latency.of_answer(1_000, seed).as_millis();
            assert!((1_700..=2_300).contains(&millis), "{millis}");
        }
    }
}
