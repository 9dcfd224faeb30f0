//! Sample events: every Lambda has some, and they are what its kind gets.

use crate::{
    declared::{Kind, MachineInput, StageInput},
    files::{self, list},
    lambdas::{binaries, resource},
    none,
    template::{Resource, Template},
};
use serde_json::Value;

/// Why an event is not one that this function would get.
pub(crate) fn problem_with(template: &Template, function: Resource<'_>, event: &Value) -> Option<String> {
    if !event.is_object() {
        return Some("must be a JSON object".to_owned());
    }
    match function.kind_of_function() {
        Kind::SignedInRoute | Kind::AnonymousRoute | Kind::Webhook | Kind::HealthCheck => {
            problem_with_request(function, event)
        }
        Kind::Authorizer => {
            let is_token = event["type"] == "TOKEN" && event["methodArn"].is_string();
            (!is_token)
                .then(|| "must be a TOKEN authorizer's event: type, authorizationToken, methodArn".to_owned())
        }
        Kind::Stage => function.function().input?.problem_with(event, &inputs(template, function)),
        Kind::QueueConsumer => {
            let mut records = list(&event["Records"]).peekable();
            let is_json = |text: &str| serde_json::from_str::<Value>(text).is_ok();
            let is_read = records.peek().is_some()
                && records.all(|record| {
                    record["messageId"].is_string() && record["body"].as_str().is_some_and(is_json)
                });
            (!is_read).then(|| "must have Records, each with messageId and a JSON text as body".to_owned())
        }
        Kind::ScheduledJob => {
            let is_tick = event["source"] == "aws.scheduler" && event["time"].is_string();
            (!is_tick).then(|| "must be a schedule's event: source aws.scheduler, and a time".to_owned())
        }
        Kind::OperatorJob => None,
    }
}

fn problem_with_request(function: Resource<'_>, event: &Value) -> Option<String> {
    let route = function.routes().next()?;
    if event["httpMethod"] != route.method.to_uppercase() || event["resource"] != route.path.as_str() {
        return Some(format!(
            "httpMethod and resource must be those of its route, {} {}",
            route.method.to_uppercase(),
            route.path
        ));
    }
    let authorizer = &event["requestContext"]["authorizer"];
    if function.kind_of_function() == Kind::SignedInRoute {
        let fields = ["principalId", "userId", "email", "accountId", "expiresAt"];
        if !fields.iter().all(|field| authorizer[field].is_string()) {
            return Some(format!("requestContext.authorizer must have these as text: {}", fields.join(", ")));
        }
    } else if !authorizer.is_null() {
        return Some("remove requestContext.authorizer: nobody has asked who calls".to_owned());
    }
    let is_sent_as_text = event["body"].is_null() || event["body"].is_string();
    (!is_sent_as_text).then(|| "its body must be text, or null".to_owned())
}

/// What the executions begin with that call a function.
fn inputs(template: &Template, function: Resource<'_>) -> Vec<MachineInput> {
    template.machines_that_call(function).iter().map(|machine| machine.machine().input).collect()
}

/// The sample events of a Lambda, with their paths.
fn samples(lambda: &str) -> Vec<(String, Value)> {
    let names = files::stems(format!("events/{lambda}"), ".json").into_iter();
    let paths = names.map(|name| format!("events/{lambda}/{name}.json"));
    paths.map(|path| (path.clone(), files::json(path))).collect()
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
        let samples = samples(lambda);
        if samples.is_empty() {
            problems.push(format!("{lambda}: add an event, events/{lambda}/<case>.json"));
        }
        for (path, event) in samples {
            let problem = problem_with(&template, resource(&template, lambda), &event);
            problems.extend(problem.map(|problem| format!("{path}: {problem}")));
        }
    }
    none(problems);
}

#[test]
fn a_stage_has_a_sample_from_every_machine_that_calls_it() {
    let template = Template::read();
    none(binaries().iter().flat_map(|lambda| {
        let function = resource(&template, lambda);
        // A failure looks the same from every machine.
        if function.function().input != Some(StageInput::Execution) {
            return Vec::new();
        }
        let inputs = inputs(&template, function);
        let shown: Vec<_> =
            samples(lambda).iter().filter_map(|(_, event)| MachineInput::closest_to(event, &inputs)).collect();
        let missing = inputs.iter().filter(|input| !shown.contains(input));
        missing
            .map(|input| {
                format!("{lambda}: add a sample to events/{lambda} with what an execution of {input:?} begins with")
            })
            .collect()
    }));
}
