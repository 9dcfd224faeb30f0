//! An analysis with nothing in it: the same states, but each calls a Lambda that does nothing.

use crate::{stack::Aws, workspace::ROOT};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::fs;

/// The name of both. They exist beside the deployed ones for as long as the stack lives.
const NAME: &str = "no-op";

/// The copy of the state machine and its only Lambda.
pub(super) struct NoOp {
    pub(super) machine: String,
    pub(super) function: String,
}

impl NoOp {
    /// Creates both on the emulator.
    pub(super) fn create(aws: &Aws, zip: &[u8]) -> Result<Self> {
        // It logs as the other Lambdas do. When a Lambda does not log, the emulator waits 0.1 s for its log
        // line.
        let function = aws.create_function(NAME, zip, &json!({ "RUST_LOG": "info" }))?;
        let definition = fs::read_to_string(ROOT.join("statemachines/analysis.asl.json"))?;
        let machine = aws.create_state_machine(NAME, &with_one_function(&definition, &function)?)?;
        Ok(Self { machine, function })
    }

    /// The input of an execution. It is as long as a real one and contains the answers of all steps. It takes
    /// the same way through the states as a run of this tier that finds nothing, or everything, in the cache.
    pub(super) fn input(run_id: &str, tier: &str, is_cached: bool) -> Value {
        let posts = match (tier, is_cached) {
            ("light", _) => "unneeded",
            (_, true) => "hit",
            (_, false) => "miss",
        };
        let username = NAME;
        let id = "00000000-0000-7000-8000-000000000000";
        let key = format!("profiles/{username}/{id}");
        json!({
            "runId": run_id, "accountId": id, "businessProfileId": id, "username": username, "tier": tier,
            "answer": {
                "profile": if is_cached { "hit" } else { "miss" }, "posts": posts, "cacheHit": is_cached,
                "snapshotKey": key, "found": { username: { "snapshotKey": key } }, "leadId": id,
            },
        })
    }
}

/// Replaces every `${NameArn}` by one ARN.
fn with_one_function(definition: &str, arn: &str) -> Result<String> {
    let mut parts = definition.split("${");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('}').context("a placeholder that does not end")?;
        ensure!(
            name.ends_with("Arn"),
            "the state machine has a placeholder that is not a Lambda's ARN: {name}"
        );
        text += arn;
        text += rest;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_calls_the_one_function() {
        let definition = fs::read_to_string(ROOT.join("statemachines/analysis.asl.json")).unwrap();
        let copy = with_one_function(&definition, "arn:none").unwrap();
        assert!(!copy.contains("${"));
        assert_eq!(copy.matches("arn:none").count(), definition.matches("\"FunctionName\"").count());
        assert!(with_one_function("${TableName}", "arn").is_err());
    }
}
