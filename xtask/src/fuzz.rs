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
    /// Links between routes that were followed.
    pub(crate) links: u64,
}

/// Whose account is tried. The examples of the description name it, too.
const USER: &str = "demo-1";

/// Tries all routes of the running stack: first each by itself, then along the links between them.
///
/// # Errors
/// An answer was not as described. The log has each such case, with a command that repeats it.
pub(crate) fn fuzz(stack: &Stack, effort: &Effort, phase: &Phase) -> Result<Tried> {
    let alone = run(stack, effort, "fuzz", &ALONE, phase)?;
    // In the same run the links are hardly followed: what was learnt before seems to do.
    let linked = run(stack, effort, "fuzz-links", &["stateful"], phase)?;
    let log = fs::read_to_string(stack.log("fuzz-links"))?;
    tried(&alone, &linked, links(&log).context("schemathesis does not say how many links it followed")?)
}

/// The ways of trying each route by itself.
const ALONE: [&str; 3] = ["examples", "coverage", "fuzzing"];

/// Runs schemathesis and returns its report.
fn run(stack: &Stack, effort: &Effort, name: &str, ways: &[&str], phase: &Phase) -> Result<Value> {
    phase.detail(&ways.join(", "));
    let description = stack.signed_in()?;
    let report = stack.path(format!("{name}.json"));
    let _there_was_none = fs::remove_file(&report);
    Cmd::new(program("schemathesis"))
        .arg("--config-file", ROOT.join("tests/fuzz/schemathesis.toml"))
        .args(["--no-color", "run"])
        .args([ROOT.join("docs/openapi.yaml")])
        .arg("--url", &description.api_url)
        .arg("--phases", ways.join(","))
        .arg("--max-examples", effort.cases.to_string())
        .arg("--seed", effort.seed.to_string())
        .args(["--report", "json"])
        .arg("--report-json-path", &report)
        .env("OSLIRA_FUZZ_TOKEN", &description.user(USER)?.token)
        .env("SCHEMATHESIS_HOOKS", ROOT.join("tests/fuzz/one_parser.py"))
        .env("NO_PROXY", "127.0.0.1,localhost")
        // It leaves a folder where it is called.
        .directory(&stack.path(""))
        .log(stack.log(name))
        .run("schemathesis", phase)?;
    let report = fs::read_to_string(&report).context("schemathesis wrote no report")?;
    let report = serde_json::from_str::<Value>(&report)?;
    for way in ways {
        let status = report["phases"][way]["status"].as_str().unwrap_or("missing");
        ensure!(status == "success", "schemathesis did not finish {way}: {status}");
    }
    Ok(report)
}

/// Reads the reports of runs that succeeded. They must have tried every route and followed links.
fn tried(alone: &Value, linked: &Value, links: u64) -> Result<Tried> {
    let count = |report: &Value, place: &str| {
        report.pointer(place).and_then(Value::as_u64).with_context(|| format!("no {place}"))
    };
    let (routes, all) = (count(alone, "/operations/tested")?, count(alone, "/operations/total")?);
    ensure!(routes == all, "schemathesis tried {routes} of {all} routes");
    // Where nothing is let in, nothing can be wrong.
    let closed: Vec<&str> =
        accepted(alone).filter(|(_, count)| *count == 0).map(|(route, _)| route).collect();
    ensure!(closed.is_empty(), "nothing that schemathesis sent was accepted by {}", closed.join(", "));
    ensure!(links > 0, "schemathesis followed no link");
    let cases = count(alone, "/test_cases/generated")? + count(linked, "/test_cases/generated")?;
    Ok(Tried { routes, cases, links })
}

/// How many links were followed, as the log says.
fn links(log: &str) -> Option<u64> {
    log.split("API Links:").nth(1)?.split_whitespace().next()?.parse().ok()
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
        let alone = |tested: u64, accepted: u64| {
            json!({
                "operations": {"total": 15, "tested": tested}, "test_cases": {"generated": 269},
                "valid_rates": {
                    "GET /api/usage": {"coverage": {"accepted": 0}, "fuzzing": {"accepted": accepted}},
                    "GET /api/leads/{leadId}": {"fuzzing": {"accepted": 0}},
                },
            })
        };
        let linked = json!({"test_cases": {"generated": 31}});
        assert_eq!(tried(&alone(15, 1), &linked, 3).unwrap().cases, 300);
        assert!(tried(&alone(14, 1), &linked, 3).is_err(), "a route was left out");
        assert!(tried(&alone(15, 0), &linked, 3).is_err(), "everything was refused");
        assert!(tried(&alone(15, 1), &linked, 0).is_err(), "no link was followed");
    }

    #[test]
    fn the_log_says_how_many_links_were_followed() {
        assert_eq!(links("Scenarios:    24\n     API Links:    7 covered / 19 selected"), Some(7));
        assert_eq!(links("Scenarios:    24"), None);
    }
}
