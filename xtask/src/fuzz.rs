//! Tries the API by its description: schemathesis sends what `docs/openapi.yaml` allows and what it forbids, follows
//! the links between routes, and compares every answer with the description.

use crate::{
    process::Cmd,
    stack::{Stack, program},
    ui::Phase,
    workspace::ROOT,
};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fs;

/// How much is tried.
pub(crate) struct Effort {
    /// Cases for each route and way of making them.
    pub(crate) cases: u32,
    /// The seed of what is made up: the same one makes the same up again.
    pub(crate) seed: u64,
}

/// What was tried, and answered as described.
pub(crate) struct Tried {
    pub(crate) routes: u64,
    pub(crate) cases: u64,
}

/// Whose account is tried. The examples of the description name it, too.
const USER: &str = "demo-1";

/// Tries all routes of the running stack.
///
/// # Errors
/// An answer was not as described. The log has each such case, with a command that repeats it.
pub(crate) fn fuzz(stack: &Stack, effort: &Effort, phase: &Phase) -> Result<Tried> {
    let description = stack.signed_in()?;
    let report = stack.path("fuzz.json");
    let _there_was_none = fs::remove_file(&report);
    Cmd::new(program("schemathesis"))
        .arg("--config-file", ROOT.join("tests/fuzz/schemathesis.toml"))
        .args(["--no-color", "run"])
        .args([ROOT.join("docs/openapi.yaml")])
        .arg("--url", &description.api_url)
        .arg("--max-examples", effort.cases.to_string())
        .arg("--seed", effort.seed.to_string())
        .args(["--report", "json"])
        .arg("--report-json-path", &report)
        .env("OSLIRA_FUZZ_TOKEN", &description.user(USER)?.token)
        .env("SCHEMATHESIS_HOOKS", ROOT.join("tests/fuzz/one_parser.py"))
        .env("NO_PROXY", "127.0.0.1,localhost")
        // It leaves a folder where it is called.
        .directory(&stack.path(""))
        .log(stack.log("fuzz"))
        .run("schemathesis", phase)?;
    let report = fs::read_to_string(&report).context("schemathesis wrote no report")?;
    tried(&serde_json::from_str(&report)?)
}

/// Reads the report of a run that succeeded. It must have tried every route and every way.
fn tried(report: &Value) -> Result<Tried> {
    let count =
        |place: &str| report.pointer(place).and_then(Value::as_u64).with_context(|| format!("no {place}"));
    let (routes, selected) = (count("/operations/tested")?, count("/operations/total")?);
    ensure!(routes == selected, "schemathesis tried {routes} of {selected} routes");
    for way in ["examples", "coverage", "fuzzing", "stateful"] {
        let status = report["phases"][way]["status"].as_str().unwrap_or("missing");
        ensure!(status == "success", "schemathesis did not finish {way}: {status}");
    }
    // Where nothing is let in, nothing can be wrong.
    let closed: Vec<&str> =
        accepted(report).filter(|(_, count)| *count == 0).map(|(route, _)| route).collect();
    ensure!(closed.is_empty(), "nothing that schemathesis sent was accepted by {}", closed.join(", "));
    Ok(Tried { routes, cases: count("/test_cases/generated")? })
}

/// How many valid requests each route accepted. Routes with an id in their path are left out: made-up ids are nobody's.
fn accepted(report: &Value) -> impl Iterator<Item = (&str, u64)> {
    let routes = report["valid_rates"].as_object().into_iter().flatten();
    routes.filter(|(route, _)| !route.contains('{')).map(|(route, phases)| {
        let phases = phases.as_object().into_iter().flatten();
        (route.as_str(), phases.filter_map(|(_, requests)| requests["accepted"].as_u64()).sum())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_report_of_a_part_is_no_success() {
        let report = |stateful: &str, tested: u64, accepted: u64| {
            let done = json!({"status": "success"});
            json!({
                "operations": {"total": 15, "tested": tested}, "test_cases": {"generated": 269},
                "phases": {"examples": done, "coverage": done, "fuzzing": done, "stateful": {"status": stateful}},
                "valid_rates": {
                    "GET /api/usage": {"coverage": {"accepted": 0}, "fuzzing": {"accepted": accepted}},
                    "GET /api/leads/{leadId}": {"fuzzing": {"accepted": 0}},
                },
            })
        };
        assert_eq!(tried(&report("success", 15, 1)).unwrap().cases, 269);
        assert!(tried(&report("success", 14, 1)).is_err());
        assert!(tried(&report("skip", 15, 1)).is_err());
        assert!(tried(&report("success", 15, 0)).is_err(), "everything was refused");
    }
}
