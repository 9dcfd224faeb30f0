//! Queues, tables and buckets: nothing is handled twice at once, lost, or kept for good by accident.

use crate::{
    files::{self, list, string},
    none,
    template::{Resource, Template, target},
};
use std::collections::BTreeSet;

/// Tables whose items are meant to stay, and why.
const LASTING: [(&str, &str); 3] = [
    ("ScrapeSlotsTable", "ten items that are taken over and over"),
    ("CircuitBreakersTable", "an item per upstream service"),
    ("IntakeTable", "one item, which operators set and remove"),
];

/// Each function that reads a queue, with the queue.
fn consumers(template: &Template) -> Vec<(Resource<'_>, Resource<'_>)> {
    let functions = template.functions();
    functions
        .flat_map(|function| {
            function.events("SQS").map(move |event| {
                let queue = target(&event["Queue"]).and_then(|name| template.resource(name));
                (
                    function,
                    queue.unwrap_or_else(|| panic!("{} reads no queue of the template", function.name)),
                )
            })
        })
        .collect()
}

#[test]
fn a_message_stays_hidden_six_times_as_long_as_its_consumer_may_take() {
    let template = Template::read();
    none(consumers(&template).into_iter().filter_map(|(function, queue)| {
        let least = 6 * template.timeout(function);
        let visibility = queue.properties["VisibilityTimeout"].as_u64().unwrap_or(30);
        (visibility < least).then(|| {
            format!(
                "{}: set VisibilityTimeout to at least {least}, six times the timeout of {}",
                queue.name, function.name
            )
        })
    }));
}

#[test]
fn a_batch_reports_which_of_its_messages_failed() {
    let template = Template::read();
    let functions = template.functions();
    none(functions.flat_map(|function| {
        let events = function.events("SQS");
        events
            .filter(|event| {
                !list(&event["FunctionResponseTypes"]).any(|kind| kind == "ReportBatchItemFailures")
            })
            .map(|_| {
                format!(
                    "{}: add ReportBatchItemFailures, or one bad message repeats the good ones",
                    function.name
                )
            })
            .collect::<Vec<_>>()
    }));
}

#[test]
fn every_queue_gives_up_into_a_dead_letter_queue() {
    let template = Template::read();
    let queues: Vec<_> = template.of_kind("AWS::SQS::Queue").collect();
    assert!(!queues.is_empty(), "the template has no queue");
    let letters: BTreeSet<&str> = queues
        .iter()
        .filter_map(|queue| target(&queue.properties["RedrivePolicy"]["deadLetterTargetArn"]))
        .collect();
    let mut problems = Vec::new();
    for queue in &queues {
        let policy = &queue.properties["RedrivePolicy"];
        if letters.contains(queue.name) {
            if queue.properties["MessageRetentionPeriod"] != 1_209_600 {
                problems.push(format!(
                    "{}: keep dead letters for the longest time there is, 1209600 s",
                    queue.name
                ));
            }
        } else if policy["maxReceiveCount"].as_u64().is_none_or(|count| count < 5) {
            problems
                .push(format!("{}: give it a RedrivePolicy with maxReceiveCount of at least 5", queue.name));
        } else if target(&policy["deadLetterTargetArn"]).and_then(|name| template.resource(name)).is_none() {
            problems.push(format!("{}: its deadLetterTargetArn is no queue of the template", queue.name));
        }
    }
    none(problems);
}

#[test]
fn a_queued_run_has_tries_left_for_its_refund_when_its_starts_are_used_up() {
    let template = Template::read();
    let queue = template.resource("StartRunsQueue").expect("StartRunsQueue");
    let receives = queue.properties["RedrivePolicy"]["maxReceiveCount"].as_u64().expect("maxReceiveCount");
    let source = files::text("functions/analysis/src/queued.rs");
    let tries = source.split("const TRIES: u32 = ").nth(1).and_then(|rest| rest.split(';').next());
    let tries: u64 =
        tries.and_then(|tries| tries.parse().ok()).expect("TRIES in functions/analysis/src/queued.rs");
    assert!(
        receives >= 2 * tries,
        "StartRunsQueue gives a run {receives} tries, of which {tries} only start it: leave as many for the refund"
    );
}

#[test]
fn what_is_temporary_expires() {
    let template = Template::read();
    let sources: Vec<String> = files::all()
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(files::text)
        .collect();
    // The code that names the table by its variable writes the attribute as well.
    let writes = |table: &str, attribute: &str| {
        let variables = template.variables_of(table);
        sources.iter().any(|source| {
            variables.iter().any(|variable| source.contains(&format!("env.var(\"{variable}\")")))
                && source.contains(&format!(" {attribute} = :"))
        })
    };
    none(template.of_kind("AWS::DynamoDB::Table").filter_map(|table| {
        let ttl = &table.properties["TimeToLiveSpecification"];
        let attribute = string(&ttl["AttributeName"]);
        if LASTING.iter().any(|(name, _)| *name == table.name) {
            None
        } else if ttl["Enabled"] != true {
            Some(format!(
                "{}: enable its TimeToLiveSpecification, or list it in this test with the reason",
                table.name
            ))
        } else {
            (!writes(table.name, attribute)).then(|| {
                format!(
                    "{}: the file that reads its variable must write its TTL attribute {attribute}",
                    table.name
                )
            })
        }
    }));
}

#[test]
fn buckets_are_closed_and_clean_themselves_up() {
    let template = Template::read();
    none(template.of_kind("AWS::S3::Bucket").filter_map(|bucket| {
        let block = &bucket.properties["PublicAccessBlockConfiguration"];
        let parts = ["BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"];
        let is_closed = parts.iter().all(|part| block[part] == true);
        let expires = list(&bucket.properties["LifecycleConfiguration"]["Rules"])
            .any(|rule| rule["Status"] == "Enabled" && rule["ExpirationInDays"].as_u64().is_some());
        (!is_closed || !expires)
            .then(|| format!("{}: block all public access, and expire its objects", bucket.name))
    }));
}
