//! Queues, tables and buckets: nothing is handled twice at once, lost, or kept for good by accident.

use crate::{
    declared,
    files::{list, string},
    none,
    template::{Resource, Template, target},
};
use oslira_lambda::Variable;
use oslira_stores::EXPIRES_AT;
use std::collections::BTreeSet;

/// Each function that reads a queue, with the queue.
fn consumers(template: &Template) -> Vec<(Resource<'_>, Resource<'_>)> {
    let functions = template.functions();
    functions
        .flat_map(|function| {
            function.events("SQS").map(move |event| {
                let queue = target(&event["Queue"]).and_then(|name| template.resource(name));
                (
                    function,
                    queue.unwrap_or_else(|| {
                        panic!(
                            "{}: the Queue of its SQS event must be a queue of the template, by !GetAtt",
                            function.name
                        )
                    }),
                )
            })
        })
        .collect()
}

/// Queues that show a message again while it may still be worked off.
pub(crate) fn messages_shown_too_early(template: &Template) -> Vec<String> {
    consumers(template)
        .into_iter()
        .filter_map(|(function, queue)| {
            let least = 6 * template.timeout(function);
            let visibility = queue.properties["VisibilityTimeout"].as_u64().unwrap_or(30);
            (visibility < least).then(|| {
                format!(
                    "{}: set VisibilityTimeout to at least {least}, six times the timeout of {}",
                    queue.name, function.name
                )
            })
        })
        .collect()
}

/// Consumers that do not report which messages of a batch failed.
pub(crate) fn batches_that_fail_as_one(template: &Template) -> Vec<String> {
    template
        .functions()
        .flat_map(|function| {
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
        })
        .collect()
}

/// Queues that lose a message, or try it for ever.
pub(crate) fn queues_that_lose_messages(template: &Template) -> Vec<String> {
    let queues: Vec<_> = template.of_kind("AWS::SQS::Queue").collect();
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
    problems
}

/// Tables that neither say that their items stay nor let them expire, or that do both. And tables that wait for an
/// attribute which no item has.
pub(crate) fn tables_filling_up(template: &Template) -> Vec<String> {
    let tables = template.of_kind("AWS::DynamoDB::Table");
    tables
        .filter_map(|table| {
            let expires = table.properties["TimeToLiveSpecification"]["Enabled"] == true;
            let attribute = string(&table.properties["TimeToLiveSpecification"]["AttributeName"]);
            if expires && attribute != EXPIRES_AT {
                return Some(format!(
                    "{}: set the AttributeName of its TimeToLiveSpecification to {EXPIRES_AT}, which its items have",
                    table.name
                ));
            }
            if table.metadata.is_null() {
                return (!expires).then(|| {
                    format!(
                        "{}: enable its TimeToLiveSpecification, or say why its items stay, as Metadata: {{Oslira: {{Lasting: …}}}}",
                        table.name
                    )
                });
            }
            match table.declared::<declared::Table>() {
                Err(problem) => Some(problem),
                Ok(declared::Table { lasting }) => expires.then(|| {
                    format!(
                        "{}: its items expire, and its Metadata says that they stay ({lasting}); keep one of the two",
                        table.name
                    )
                }),
            }
        })
        .collect()
}

/// Buckets that are open, or keep their objects for good.
pub(crate) fn buckets_open_or_filling_up(template: &Template) -> Vec<String> {
    template
        .of_kind("AWS::S3::Bucket")
        .filter_map(|bucket| {
            let block = &bucket.properties["PublicAccessBlockConfiguration"];
            let parts = ["BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"];
            let is_closed = parts.iter().all(|part| block[part] == true);
            let expires = list(&bucket.properties["LifecycleConfiguration"]["Rules"])
                .any(|rule| rule["Status"] == "Enabled" && rule["ExpirationInDays"].as_u64().is_some());
            (!is_closed || !expires)
                .then(|| format!("{}: block all public access, and expire its objects", bucket.name))
        })
        .collect()
}

#[test]
fn a_message_stays_hidden_six_times_as_long_as_its_consumer_may_take() {
    none(messages_shown_too_early(&Template::read()));
}

#[test]
fn a_batch_reports_which_of_its_messages_failed() {
    none(batches_that_fail_as_one(&Template::read()));
}

#[test]
fn every_queue_gives_up_into_a_dead_letter_queue() {
    let template = Template::read();
    assert!(template.of_kind("AWS::SQS::Queue").next().is_some(), "the template has no queue");
    none(queues_that_lose_messages(&template));
}

#[test]
fn a_queued_run_has_tries_left_for_its_refund_when_its_starts_are_used_up() {
    let template = Template::read();
    let queue = template.resource_of(Variable::StartRunsQueueUrl).expect("the queue of runs to start");
    let receives = queue.properties["RedrivePolicy"]["maxReceiveCount"].as_u64().expect("maxReceiveCount");
    let tries = u64::from(oslira_analysis::START_TRIES);
    assert!(
        receives >= 2 * tries,
        "{} gives a run {receives} tries, of which {tries} only start it: leave as many for the refund",
        queue.name
    );
}

#[test]
fn what_is_temporary_expires() {
    none(tables_filling_up(&Template::read()));
}

#[test]
fn buckets_are_closed_and_clean_themselves_up() {
    none(buckets_open_or_filling_up(&Template::read()));
}
