//! One name per Lambda: its binary, its resource, its zip, its sample events.

use crate::{
    files::{self, list, map},
    none,
    state_machine::StateMachine,
    template::{Resource, Template, target},
};
use oslira_domain::{AnalysisInput, AnonymousInput, execution_of};
use serde_json::Value;
use std::collections::BTreeSet;

/// The names of all binaries: `start-analysis`.
fn binaries() -> BTreeSet<String> {
    let features = files::stems("functions", "").into_iter();
    features.flat_map(|feature| files::stems(format!("functions/{feature}/src/bin"), ".rs")).collect()
}

/// `start-analysis` → `StartAnalysis`.
fn pascal_case(name: &str) -> String {
    let word =
        |word: &str| word.get(..1).unwrap_or_default().to_uppercase() + word.get(1..).unwrap_or_default();
    name.split('-').map(word).collect()
}

fn resource<'a>(template: &'a Template, lambda: &str) -> Resource<'a> {
    let name = pascal_case(lambda);
    let resource = template.functions().find(|function| function.name == name);
    resource.unwrap_or_else(|| panic!("{lambda}: add the function {name} to infra/template.yaml"))
}

#[test]
fn every_binary_is_deployed_under_its_name() {
    let template = Template::read();
    let binaries = binaries();
    assert!(!binaries.is_empty(), "no functions/*/src/bin/*.rs");
    let deployed: BTreeSet<String> = template.functions().map(|function| function.name.to_owned()).collect();
    let built: BTreeSet<String> = binaries.iter().map(|name| pascal_case(name)).collect();
    none(deployed.symmetric_difference(&built).map(|name| {
        format!("{name}: a function of infra/template.yaml and a functions/*/src/bin/<name>.rs go together")
    }));
    none(binaries.iter().filter_map(|lambda| {
        let expected = format!("../target/lambda/{lambda}/bootstrap.zip");
        let function = resource(&template, lambda);
        (function.properties["CodeUri"] != expected.as_str())
            .then(|| format!("{}: set its CodeUri to {expected}", function.name))
    }));
}

#[test]
fn a_binary_calls_itself_by_its_name() {
    let features = files::stems("functions", "").into_iter();
    let sources = features.flat_map(|feature| {
        let folder = format!("functions/{feature}/src/bin");
        files::stems(&folder, ".rs").into_iter().map(move |lambda| (format!("{folder}/{lambda}.rs"), lambda))
    });
    none(
        sources
            .filter(|(path, lambda)| !files::text(path).contains(&format!("Env::init(\"{lambda}\")")))
            .map(|(path, lambda)| {
                format!("{path}: write Env::init(\"{lambda}\"), or its log lines carry another's name")
            }),
    );
}

#[test]
fn every_lambda_has_sample_events_and_no_sample_lacks_its_lambda() {
    let template = Template::read();
    let binaries = binaries();
    let mut problems: Vec<String> = files::stems("events", "")
        .into_iter()
        .filter(|folder| !binaries.contains(folder))
        .map(|folder| {
            format!("events/{folder}: there is no Lambda of this name; remove or rename the folder")
        })
        .collect();
    for lambda in &binaries {
        let samples = files::stems(format!("events/{lambda}"), ".json");
        if samples.is_empty() {
            problems.push(format!("{lambda}: add an event, events/{lambda}/<case>.json"));
        }
        for sample in samples {
            let path = format!("events/{lambda}/{sample}.json");
            let event = files::json(&path);
            let problem = problem_with(&template, resource(&template, lambda), &event);
            problems.extend(problem.map(|problem| format!("{path}: {problem}")));
        }
    }
    none(problems);
}

/// Why an event is not one that this function would get.
fn problem_with(template: &Template, function: Resource<'_>, event: &Value) -> Option<String> {
    if !event.is_object() {
        return Some("must be a JSON object".to_owned());
    }
    if let Some(route) = function.routes().next() {
        if event["httpMethod"] != route.method.to_uppercase() || event["resource"] != route.path.as_str() {
            return Some(format!(
                "httpMethod and resource must be those of its route, {} {}",
                route.method.to_uppercase(),
                route.path
            ));
        }
        let authorizer = &event["requestContext"]["authorizer"];
        let fields = ["principalId", "userId", "email", "accountId", "expiresAt"];
        if !route.is_public && !fields.iter().all(|field| authorizer[field].is_string()) {
            return Some(format!("requestContext.authorizer must have these as text: {}", fields.join(", ")));
        }
        let is_sent_as_text = event["body"].is_null() || event["body"].is_string();
        return (!is_sent_as_text).then(|| "its body must be text, or null".to_owned());
    }
    if function.events("SQS").next().is_some() {
        let mut records = list(&event["Records"]).peekable();
        let is_read = records.peek().is_some()
            && records.all(|record| {
                record["messageId"].is_string()
                    && record["body"].as_str().is_some_and(|body| serde_json::from_str::<Value>(body).is_ok())
            });
        return (!is_read)
            .then(|| "must have Records, each with messageId and a JSON text as body".to_owned());
    }
    if function.events("ScheduleV2").next().is_some() {
        let is_tick = event["source"] == "aws.scheduler" && event["time"].is_string();
        return (!is_tick).then(|| "must be a schedule's event: source aws.scheduler, and a time".to_owned());
    }
    if function.name == template.authorizer() {
        let is_token = event["type"] == "TOKEN" && event["methodArn"].is_string();
        return (!is_token)
            .then(|| "must be a TOKEN authorizer's event: type, authorizationToken, methodArn".to_owned());
    }
    if is_called_with_the_run(template, function.name) {
        // Without anything of an account it is an anonymous run's.
        let is_anonymous = event.get("accountId").or(event.get("businessProfileId")).is_none();
        let input = if is_anonymous {
            serde_json::from_value::<AnonymousInput>(event.clone()).map(drop)
        } else {
            serde_json::from_value::<AnalysisInput>(event.clone()).map(drop)
        };
        return input.err().map(|error| format!("must hold the execution's input: {error}"));
    }
    if let Some(name) = event.get("executionName") {
        let is_run = name.as_str().is_some_and(|name| execution_of(name).is_some());
        return (!is_run).then(|| "its executionName must begin with a run's id".to_owned());
    }
    None
}

/// A state machine passes the execution's input on to it, perhaps with something added.
fn is_called_with_the_run(template: &Template, function: &str) -> bool {
    StateMachine::all().iter().any(|machine| {
        machine.tasks().iter().any(|task| {
            let payload = task.state["Arguments"]["Payload"].as_str().unwrap_or_default();
            let machines = template.of_kind("AWS::Serverless::StateMachine");
            let called = machines.filter_map(|machine| {
                target(&machine.properties["DefinitionSubstitutions"][task.placeholder()])
            });
            called.into_iter().any(|called| called == function)
                && (payload.contains("[$run") || payload == "{% $states.input %}")
        })
    })
}

#[test]
fn every_variable_that_is_read_is_set_and_every_variable_that_is_set_is_read() {
    let template = Template::read();
    let globals = map(&template.globals()["Environment"]["Variables"]);
    let own = template.functions().flat_map(|function| function.environment().collect::<Vec<_>>());
    let set: BTreeSet<&str> =
        globals.chain(own).map(|(name, _)| name).filter(|name| *name != "RUST_LOG").collect();
    let sources = files::rust_sources("functions") + &files::rust_sources("crates");
    let read: BTreeSet<&str> = sources
        .split('"')
        .filter(|text| set.contains(text) || text.ends_with("_SECRET") && *text == text.to_uppercase())
        .collect();
    let variables: BTreeSet<&str> = ["env.var(\"", "env.optional(\"", " optional(\""]
        .into_iter()
        .flat_map(|call| sources.split(call).skip(1).filter_map(|rest| rest.split('"').next()))
        .collect();
    let unset = variables
        .union(&read)
        .filter(|name| !set.contains(**name))
        .map(|name| format!("{name}: the code reads this variable, and infra/template.yaml does not set it"));
    let unread = set
        .iter()
        .filter(|name| !read.contains(**name))
        .map(|name| format!("{name}: infra/template.yaml sets this variable, and no code reads it"));
    none(unset.chain(unread));
}
