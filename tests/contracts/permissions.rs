//! Who may do what: one verb on one resource, and no secret within reach of those who do not need it.
//! Which kind of function may know which database is in `kinds.rs`.

use crate::{
    declared::SecretUse,
    files::{map, string},
    none,
    template::{Resource, Template, target},
};
use std::collections::BTreeSet;

/// Statements that allow more than one verb on one resource of the template.
pub(crate) fn loose_statements(template: &Template) -> Vec<String> {
    let mut problems = Vec::new();
    for holder in template.resources() {
        for statement in holder.statements() {
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
    problems
}

/// Secrets that a function names and may not read, or may read and does not name.
pub(crate) fn secrets_named_or_readable_alone(template: &Template) -> Vec<String> {
    let is_secret = |name: &str| {
        template.resource(name).is_some_and(|resource| resource.kind == "AWS::SecretsManager::Secret")
    };
    let differing = template.functions().flat_map(|function| {
        let named = function.environment().filter_map(|(_, value)| target(value));
        let named: BTreeSet<&str> = named.filter(|name| is_secret(name)).collect();
        let readable: BTreeSet<&str> = function.may("secretsmanager:GetSecretValue").collect();
        let differing = named.symmetric_difference(&readable).map(|secret| {
            format!(
                "{}: {secret} must be both in its Environment and in a secretsmanager:GetSecretValue of its own",
                function.name
            )
        });
        differing.collect::<Vec<_>>()
    });
    let everywhere = map(&template.globals()["Environment"]["Variables"]).filter_map(|(name, value)| {
        let secret = target(value).filter(|target| is_secret(target))?;
        Some(format!("{name}: take {secret} out of Globals, or every function knows it"))
    });
    differing.chain(everywhere).collect()
}

/// Secrets that no function knows.
pub(crate) fn secrets_of_nobody(template: &Template) -> Vec<String> {
    let known: BTreeSet<&str> = template
        .functions()
        .flat_map(|function| template.secrets_within_reach(function))
        .map(|secret| secret.name)
        .collect();
    let secrets = template.of_kind("AWS::SecretsManager::Secret");
    secrets
        .filter(|secret| !known.contains(secret.name))
        .map(|secret| format!("{}: remove it, or let the function that needs it read it", secret.name))
        .collect()
}

/// Secrets whose value, or whose place, is not left to operators.
pub(crate) fn secrets_with_a_value(template: &Template) -> Vec<String> {
    let secrets = template.of_kind("AWS::SecretsManager::Secret");
    secrets
        .filter_map(|secret| {
            let has_value = ["SecretString", "GenerateSecretString"]
                .iter()
                .any(|name| !secret.properties[name].is_null());
            let name = string(&secret.properties["Name"]["Fn::Sub"]);
            (has_value || !name.starts_with("oslira/${Stage}/")).then(|| {
                format!("{}: name it oslira/${{Stage}}/…, and leave the value to operators", secret.name)
            })
        })
        .collect()
}

#[test]
fn a_statement_is_one_verb_on_one_resource() {
    let template = Template::read();
    assert!(template.resources().any(|it| it.statements().next().is_some()), "no statements were found");
    none(loose_statements(&template));
}

#[test]
fn a_function_may_read_the_secrets_it_names_and_no_other() {
    none(secrets_named_or_readable_alone(&Template::read()));
}

#[test]
fn every_secret_is_some_functions() {
    let template = Template::read();
    let uses: Vec<SecretUse> =
        template.of_kind("AWS::SecretsManager::Secret").map(Resource::secret_use).collect();
    for database in [SecretUse::UserDatabase, SecretUse::SystemDatabase, SecretUse::MigrationsDatabase] {
        let count = uses.iter().filter(|it| **it == database).count();
        assert_eq!(count, 1, "one secret of the template, and one alone, must be For: {database}");
    }
    none(secrets_of_nobody(&template));
}

#[test]
fn secrets_have_no_value_in_the_template() {
    none(secrets_with_a_value(&Template::read()));
}
