//! Who may do what: one verb on one resource, and no secret within reach of those who do not need it.

use crate::{
    files::{map, string},
    none,
    state_machine::StateMachine,
    template::{Resource, Template, target},
};
use std::collections::BTreeSet;

const USER: &str = "UserDatabaseSecret";
const SYSTEM: &str = "SystemDatabaseSecret";
const MIGRATIONS: &str = "MigrationsDatabaseSecret";

/// The secrets that a function's variables name, and those that it may read.
fn secrets<'a>(template: &'a Template, function: Resource<'a>) -> (BTreeSet<&'a str>, BTreeSet<&'a str>) {
    let is_secret = |name: &&str| {
        template.resource(name).is_some_and(|resource| resource.kind == "AWS::SecretsManager::Secret")
    };
    let named = function.environment().filter_map(|(_, value)| target(value)).filter(is_secret).collect();
    (named, function.may("secretsmanager:GetSecretValue").collect())
}

/// All that a function could learn a secret by.
fn within_reach<'a>(template: &'a Template, function: Resource<'a>) -> BTreeSet<&'a str> {
    let (named, readable) = secrets(template, function);
    named.union(&readable).copied().collect()
}

/// The functions of this one state machine's tasks, of queues and of schedules.
fn pipeline_stages(template: &Template) -> BTreeSet<&str> {
    let machines = template.of_kind("AWS::Serverless::StateMachine");
    let called = machines
        .flat_map(|machine| map(&machine.properties["DefinitionSubstitutions"]))
        .filter_map(|(_, function)| target(function));
    let works = |function: &Resource<'_>| {
        ["SQS", "ScheduleV2"].iter().any(|kind| function.events(kind).next().is_some())
    };
    called.chain(template.functions().filter(works).map(|function| function.name)).collect()
}

#[test]
fn a_statement_is_one_verb_on_one_resource() {
    let template = Template::read();
    let mut count = 0;
    let mut problems = Vec::new();
    for holder in template.resources() {
        for statement in holder.statements() {
            count += 1;
            let is_one_verb =
                statement.action.as_str().is_some_and(|action| action.contains(':') && !action.contains('*'));
            if statement.effect != "Allow" || !is_one_verb {
                problems.push(format!(
                    "{}: {} must be one verb that is allowed, without *",
                    holder.name, statement.action
                ));
            }
            if target(statement.resource).and_then(|name| template.resource(name)).is_none() {
                problems.push(format!(
                    "{}: {} must be on one resource of the template, by !Ref, !GetAtt or !Sub: {}",
                    holder.name, statement.action, statement.resource
                ));
            }
        }
        let policies = holder.properties["Policies"].as_array().into_iter().flatten();
        if holder.kind.starts_with("AWS::Serverless::")
            && policies.into_iter().any(|policy| policy["Statement"].is_null())
        {
            problems.push(format!("{}: write its policies out; ready-made ones allow more", holder.name));
        }
    }
    assert!(count > 0, "no statements were found");
    none(problems);
}

#[test]
fn what_users_call_never_reaches_the_system_connection() {
    let template = Template::read();
    let mut problems = Vec::new();
    for function in template.functions() {
        let is_for_users = function.routes().next().is_some() || function.name == template.authorizer();
        let reach = within_reach(&template, function);
        for secret in [SYSTEM, MIGRATIONS] {
            if is_for_users && reach.contains(secret) {
                problems.push(format!("{}: it serves users, so it must not know {secret}", function.name));
            }
        }
    }
    none(problems);
}

#[test]
fn what_anonymous_callers_alone_use_knows_no_database() {
    let template = Template::read();
    let anonymous: Vec<_> =
        template.functions().filter(|function| function.name.contains("Anonymous")).collect();
    assert!(!anonymous.is_empty(), "no functions for anonymous callers were found");
    none(anonymous.into_iter().flat_map(|function| {
        let reach = within_reach(&template, function).into_iter();
        let databases = reach.filter(|secret| secret.contains("Database"));
        databases
            .map(|secret| format!("{}: nothing of an anonymous run is in {secret}", function.name))
            .collect::<Vec<_>>()
    }));
}

#[test]
fn pipeline_stages_never_act_as_a_user() {
    let template = Template::read();
    let stages = pipeline_stages(&template);
    let machines = StateMachine::all();
    let tasks: usize = machines.iter().map(|machine| machine.tasks().len()).sum();
    assert!(tasks > 0 && !stages.is_empty(), "no pipeline stages were found");
    let stages = template.functions().filter(|function| stages.contains(function.name));
    none(stages.filter(|function| within_reach(&template, *function).contains(USER)).map(|function| {
        format!("{}: a pipeline stage has no user, so it must not know {USER}", function.name)
    }));
}

#[test]
fn only_migrate_database_knows_the_migrations_connection() {
    let template = Template::read();
    let knowing: Vec<&str> = template
        .functions()
        .filter(|function| within_reach(&template, *function).contains(MIGRATIONS))
        .map(|function| function.name)
        .collect();
    assert_eq!(knowing, ["MigrateDatabase"], "{MIGRATIONS} is for migrate-database alone");
}

#[test]
fn a_function_may_read_the_secrets_it_names_and_no_other() {
    let template = Template::read();
    none(template.functions().flat_map(|function| {
        let (named, readable) = secrets(&template, function);
        let differing: Vec<String> = named
            .symmetric_difference(&readable)
            .map(|secret| {
                format!(
                    "{}: {secret} must be both in its Environment and in a secretsmanager:GetSecretValue of its own",
                    function.name
                )
            })
            .collect();
        differing
    }));
    none(map(&template.globals()["Environment"]["Variables"]).filter_map(|(name, value)| {
        let secret = target(value).filter(|target| target.ends_with("Secret"))?;
        Some(format!("{name}: {secret} must not be in every function's environment"))
    }));
}

#[test]
fn secrets_have_no_value_in_the_template() {
    let template = Template::read();
    none(template.of_kind("AWS::SecretsManager::Secret").filter_map(|secret| {
        let has_value =
            ["SecretString", "GenerateSecretString"].iter().any(|name| !secret.properties[name].is_null());
        let name = string(&secret.properties["Name"]["Fn::Sub"]);
        (has_value || !name.starts_with("oslira/${Stage}/")).then(|| {
            format!("{}: name it oslira/${{Stage}}/…, and leave the value to operators", secret.name)
        })
    }));
}
