//! One vocabulary of errors: Rust, state machines, API Gateway, `docs/errors.md`.

use crate::{
    files::{self, map, string},
    none,
    state_machine::{StateMachine, Task},
    template::Template,
};
use oslira_domain::Code;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A row of a table in `docs/errors.md`.
struct Explained {
    code: String,
    status: String,
    class: String,
    retried: String,
}

/// Rows look like `| `Code` | 404 | INFO | no | meaning | what to do |`.
fn explained() -> Vec<Explained> {
    let text = files::text("docs/errors.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [code, status, class, retried, meaning, advice, ..] = cells.as_slice() else {
            panic!("docs/errors.md: this row needs six cells: {row}")
        };
        assert!(
            !meaning.is_empty() && !advice.is_empty(),
            "docs/errors.md: say what {code} means and what the caller should do"
        );
        let text = |cell: &str| cell.trim_matches('`').to_owned();
        Explained { code: text(code), status: text(status), class: text(class), retried: text(retried) }
    })
    .collect()
}

/// The answers that API Gateway gives by itself: its response type, our override of the status, the body.
fn gateway_answers() -> Vec<(String, Option<String>, Value)> {
    let template = Template::read();
    map(&template.api()["GatewayResponses"])
        .map(|(kind, response)| {
            let body = string(&response["ResponseTemplates"]["application/json"]);
            let body = serde_json::from_str(body)
                .unwrap_or_else(|error| panic!("GatewayResponses.{kind}: its template is not JSON: {error}"));
            (kind.to_owned(), response["StatusCode"].as_u64().map(|status| status.to_string()), body)
        })
        .collect()
}

/// The codes in them.
pub(crate) fn gateway_codes() -> BTreeSet<String> {
    gateway_answers().iter().map(|(_, _, body)| string(&body["code"]).to_owned()).collect()
}

#[test]
fn errors_that_state_machines_name_are_ours_or_the_platforms() {
    let is_platform = |name: &str| {
        name.starts_with("States.")
            || name.starts_with("Lambda.")
            || ["Runtime.ExitError", "Sandbox.Timedout"].contains(&name)
    };
    let machines = StateMachine::all();
    let tasks: Vec<Task<'_>> = machines.iter().flat_map(StateMachine::tasks).collect();
    let named = tasks.iter().flat_map(|task| task.named_errors().map(|name| (task.name, name)));
    let unknown = named.filter(|(_, name)| !is_platform(name) && Code::named(name).is_none());
    none(
        unknown
            .map(|(task, name)| format!("{task}: {name} is no Code of oslira_domain, so it never matches")),
    );
    let retried = tasks.iter().flat_map(|task| task.retried().map(|name| (task.name, name)));
    let retried: Vec<(&str, Code)> =
        retried.filter_map(|(task, name)| Some((task, Code::named(name)?))).collect();
    let wrong = retried.iter().filter(|(_, code)| !code.is_retried());
    none(
        wrong.map(|(task, code)| format!("{task}: {code} is retried here, and its Code says it must not be")),
    );
    let is_named = |code: &Code| retried.iter().any(|(_, name)| name == code);
    let forgotten = Code::ALL.iter().filter(|code| code.is_retried() && !is_named(code));
    none(
        forgotten
            .map(|code| format!("{code}: its Code says that it is retried, and no state machine does so")),
    );
}

#[test]
fn every_code_is_explained_as_it_is() {
    let explained = explained();
    let mut seen = BTreeSet::new();
    none(
        explained
            .iter()
            .filter(|row| !seen.insert(&row.code))
            .map(|row| format!("docs/errors.md explains {} twice", row.code)),
    );
    let known: BTreeSet<String> = Code::ALL.iter().map(ToString::to_string).chain(gateway_codes()).collect();
    let documented: BTreeSet<String> = explained.iter().map(|row| row.code.clone()).collect();
    none(known.symmetric_difference(&documented).map(|code| {
        format!("{code}: docs/errors.md must explain every code of crates/domain and of the template's GatewayResponses, and no other")
    }));
    none(explained.iter().filter_map(|row| {
        let code = Code::named(&row.code)?;
        let retried = if code.is_retried() { "yes" } else { "no" };
        let expected = [&code.http_status().to_string(), code.class().as_str(), retried];
        let told = [&row.status, &row.class, &row.retried];
        (told != expected)
            .then(|| format!("docs/errors.md: {code} is {expected:?}, not {told:?} (status, class, retried)"))
    }));
}

#[test]
fn api_gateways_own_answers_carry_our_envelope_and_an_explained_code() {
    // What API Gateway answers with unless told otherwise; the two defaults stand for many.
    let usual = BTreeMap::from([
        ("UNAUTHORIZED", "401"),
        ("ACCESS_DENIED", "403"),
        ("MISSING_AUTHENTICATION_TOKEN", "403"),
        ("RESOURCE_NOT_FOUND", "404"),
        ("REQUEST_TOO_LARGE", "413"),
        ("THROTTLED", "429"),
        ("AUTHORIZER_FAILURE", "500"),
        ("AUTHORIZER_CONFIGURATION_ERROR", "500"),
        ("INTEGRATION_FAILURE", "504"),
        ("INTEGRATION_TIMEOUT", "504"),
        ("DEFAULT_4XX", "4xx"),
        ("DEFAULT_5XX", "5xx"),
    ]);
    let explained = explained();
    let template = Template::read();
    let mut problems = Vec::new();
    for (kind, status, body) in gateway_answers() {
        let has_envelope = body["success"] == false
            && body["error"].is_string()
            && body["code"].is_string()
            && body["requestId"] == "$context.requestId";
        if !has_envelope {
            problems.push(format!("{kind}: its template must carry success, error, code and requestId"));
        }
        let headers = &template.api()["GatewayResponses"][&kind]["ResponseParameters"]["Headers"];
        if headers["Access-Control-Allow-Origin"] != "'*'" {
            problems.push(format!(
                "{kind}: set Access-Control-Allow-Origin to \"'*'\", or a browser hides the answer"
            ));
        }
        let Some(usual) = usual.get(kind.as_str()) else {
            problems.push(format!("{kind}: tell this test its usual status"));
            continue;
        };
        let status = status.unwrap_or_else(|| (*usual).to_owned());
        let told =
            explained.iter().find(|row| body["code"] == row.code.as_str()).map(|row| row.status.as_str());
        // The answer to everything else of 5xx shares its code with our own faults.
        if told != Some(&status) && kind != "DEFAULT_5XX" {
            problems.push(format!(
                "{kind}: answers {} with {status}, docs/errors.md says {told:?}",
                body["code"]
            ));
        }
    }
    for kind in ["UNAUTHORIZED", "ACCESS_DENIED", "THROTTLED", "DEFAULT_4XX", "DEFAULT_5XX"] {
        if template.api()["GatewayResponses"][kind].is_null() {
            problems.push(format!("{kind}: give it a gateway response of ours"));
        }
    }
    none(problems);
}
