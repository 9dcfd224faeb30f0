//! What follows from what a function is: who calls it, and what it must have and may do.

use crate::{
    declared::{Kind, SecretUse},
    files::{list, map, string},
    none,
    template::{Resource, Route, Template, target},
};
use oslira_lambda::Variable;
use serde_json::Value;
use std::{collections::BTreeSet, fmt};

/// What makes a function run.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Caller {
    SignedInUser,
    Anyone,
    ApiGateway,
    StateMachine,
    Queue,
    Schedule,
    /// What no kind is called by, in words.
    Other(String),
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SignedInUser => f.write_str("an event of type Api without Auth"),
            Self::Anyone => f.write_str("an event of type Api with Auth: {Authorizer: NONE}"),
            Self::ApiGateway => f.write_str("a place among the API's Authorizers"),
            Self::StateMachine => f.write_str("a place in the DefinitionSubstitutions of a state machine"),
            Self::Queue => f.write_str("an event of type SQS"),
            Self::Schedule => f.write_str("an event of type ScheduleV2"),
            Self::Other(caller) => f.write_str(caller),
        }
    }
}

impl Kind {
    /// Who calls it; nothing of the template calls an operator's.
    fn caller(self) -> Option<Caller> {
        match self {
            Self::SignedInRoute => Some(Caller::SignedInUser),
            Self::AnonymousRoute | Self::Webhook | Self::HealthCheck => Some(Caller::Anyone),
            Self::Authorizer => Some(Caller::ApiGateway),
            Self::Stage => Some(Caller::StateMachine),
            Self::QueueConsumer => Some(Caller::Queue),
            Self::ScheduledJob => Some(Caller::Schedule),
            Self::OperatorJob => None,
        }
    }

    /// The only method that its route may have, if there is only one.
    fn method(self) -> Option<&'static str> {
        match self {
            Self::Webhook => Some("post"),
            Self::HealthCheck => Some("get"),
            _ => None,
        }
    }

    /// It answers those who show no token, so it could take the Lambdas' concurrency from those who do.
    pub(crate) const fn must_be_throttled(self) -> bool {
        matches!(self, Self::AnonymousRoute | Self::Webhook | Self::HealthCheck)
    }

    /// The databases whose secrets it may know.
    const fn databases(self) -> &'static [SecretUse] {
        match self {
            Self::SignedInRoute | Self::Authorizer | Self::HealthCheck => &[SecretUse::UserDatabase],
            Self::Stage | Self::QueueConsumer | Self::ScheduledJob => &[SecretUse::SystemDatabase],
            Self::OperatorJob => {
                &[SecretUse::MigrationsDatabase, SecretUse::UserDatabase, SecretUse::SystemDatabase]
            }
            Self::AnonymousRoute | Self::Webhook => &[],
        }
    }

    /// It may begin an analysis.
    const fn may_start_executions(self) -> bool {
        matches!(self, Self::SignedInRoute | Self::AnonymousRoute | Self::QueueConsumer | Self::ScheduledJob)
    }
}

/// All that makes a function run.
fn callers(template: &Template, function: Resource<'_>) -> Vec<Caller> {
    let events = map(&function.properties["Events"]).map(|(_, event)| match string(&event["Type"]) {
        "Api" if event["Properties"]["Auth"]["Authorizer"] == "NONE" => Caller::Anyone,
        "Api" => Caller::SignedInUser,
        "SQS" => Caller::Queue,
        "ScheduleV2" => Caller::Schedule,
        other => Caller::Other(format!("an event of type {other}")),
    });
    let authorizers = map(&template.api()["Auth"]["Authorizers"]);
    let authorizes = authorizers.filter(|(_, it)| target(&it["FunctionArn"]) == Some(function.name));
    let machines = template.machines_that_call(function);
    let urls = [&function.properties["FunctionUrlConfig"], &template.globals()["FunctionUrlConfig"]];
    let has_url = urls.into_iter().any(|url| !url.is_null());
    let others = template.resources().filter(|other| {
        other.name != function.name
            && !ACCOUNTED_FOR.contains(&other.kind)
            && mentions(other.properties, function.name)
    });
    events
        .chain(authorizes.map(|_| Caller::ApiGateway))
        .chain(machines.iter().map(|_| Caller::StateMachine))
        .chain(has_url.then(|| Caller::Other("a FunctionUrlConfig".to_owned())))
        .chain(others.map(|other| Caller::Other(format!("the {} {}", other.kind, other.name))))
        .collect()
}

/// Kinds of resources that may mention a function: those that `callers` looks into, and those that only watch. Any
/// other one could call it: a rule, a URL, a permission, a mapping to a queue.
const ACCOUNTED_FOR: [&str; 4] = [
    "AWS::Serverless::Api",
    "AWS::Serverless::StateMachine",
    "AWS::CloudWatch::Alarm",
    "AWS::Logs::LogGroup",
];

/// Whether a value refers to a resource anywhere.
fn mentions(value: &Value, name: &str) -> bool {
    let refers = |function: &str, argument: &Value| {
        // `Fn::GetAtt` and `Fn::Sub` may have a list.
        let text = argument.as_str().or_else(|| argument[0].as_str()).unwrap_or_default();
        match function {
            "Ref" | "Fn::GetAtt" => text.split('.').next() == Some(name),
            "Fn::Sub" => text.split("${").any(|rest| rest.split(['.', '}']).next() == Some(name)),
            _ => false,
        }
    };
    match value {
        Value::Object(entries) => {
            entries.iter().any(|(function, argument)| refers(function, argument) || mentions(argument, name))
        }
        Value::Array(values) => values.iter().any(|value| mentions(value, name)),
        _ => false,
    }
}

/// Functions that something else calls than their kind says.
pub(crate) fn called_otherwise(template: &Template) -> Vec<String> {
    let problem = |function: Resource<'_>| {
        let (kind, actual) = (function.kind_of_function(), callers(template, function));
        let expected = kind.caller();
        let is_right = match &expected {
            None => actual.is_empty(),
            // Several machines may share a stage.
            Some(Caller::StateMachine) => {
                !actual.is_empty() && actual.iter().all(|caller| *caller == Caller::StateMachine)
            }
            Some(expected) => actual == std::slice::from_ref(expected),
        };
        let shown = |callers: &[Caller]| match callers {
            [] => "nothing that calls it".to_owned(),
            some => some.iter().map(Caller::to_string).collect::<Vec<_>>().join(" and "),
        };
        let wrong_caller = (!is_right).then(|| {
            format!(
                "{}: as its Kind is {kind} it must have {} alone; it has {}",
                function.name,
                shown(expected.as_slice()),
                shown(&actual)
            )
        });
        let wrong_method = kind.method().and_then(|method| {
            let wrong = function.routes().find(|route| route.method != method)?;
            Some(format!(
                "{}: as its Kind is {kind} its Method must be {method}, not {}",
                function.name, wrong.method
            ))
        });
        wrong_caller.or(wrong_method)
    };
    template.functions().filter_map(problem).collect()
}

/// Functions that know a database that is not for their kind.
pub(crate) fn strangers_to_databases(template: &Template) -> Vec<String> {
    let problems = |function: Resource<'_>| {
        let kind = function.kind_of_function();
        let machines = template.machines_that_call(function);
        // Nothing of an anonymous run is in any database.
        let is_for_nobody =
            !machines.is_empty() && machines.iter().all(|machine| !machine.machine().input.has_account());
        let may = if is_for_nobody { &[] } else { kind.databases() };
        let secrets = template.secrets_within_reach(function);
        let databases = secrets.into_iter().filter(|secret| secret.secret_use().is_database());
        let wrong = databases.filter(|secret| !may.contains(&secret.secret_use()));
        wrong
            .map(|secret| {
                let who = if is_for_nobody {
                    "a stage of runs without an account".to_owned()
                } else {
                    kind.to_string()
                };
                let may = match may {
                    [] => "no database".to_owned(),
                    some => some.iter().map(SecretUse::to_string).collect::<Vec<_>>().join(", "),
                };
                format!(
                    "{}: take {} from its Environment and Policies; as {who} it may know {may}",
                    function.name, secret.name
                )
            })
            .collect::<Vec<_>>()
    };
    template.functions().flat_map(problems).collect()
}

/// Signed-in routes whose requests cannot be counted, so that nothing limits them.
pub(crate) fn routes_that_nobody_counts(template: &Template) -> Vec<String> {
    let variable = Variable::RateLimitsTable.name();
    let table = target(&template.globals()["Environment"]["Variables"][variable]).unwrap_or_default();
    let routes = template.functions().filter(|function| function.kind_of_function() == Kind::SignedInRoute);
    routes
        .filter(|function| !function.may("dynamodb:UpdateItem").any(|may| may == table))
        .map(|function| {
            format!(
                "{}: add {{Effect: Allow, Action: dynamodb:UpdateItem, Resource: !GetAtt {table}.Arn}} to its Policies, or its \
                 requests are not counted",
                function.name
            )
        })
        .collect()
}

/// Secrets of the migrations' database that not exactly one function knows. It may do anything in the database.
pub(crate) fn migrations_secrets_that_spread(template: &Template) -> Vec<String> {
    let secrets = template.of_kind("AWS::SecretsManager::Secret");
    secrets
        .filter(|secret| secret.secret_use() == SecretUse::MigrationsDatabase)
        .filter_map(|secret| {
            let reaches = |function: &Resource<'_>| {
                template.secrets_within_reach(*function).iter().any(|within| within.name == secret.name)
            };
            let readers: Vec<&str> =
                template.functions().filter(reaches).map(|function| function.name).collect();
            (readers.len() > 1).then(|| {
                format!("{}: let one function alone know it, not {}", secret.name, readers.join(" and "))
            })
        })
        .collect()
}

/// Public routes without a limit, and limits of other routes.
pub(crate) fn throttled_wrongly(template: &Template) -> Vec<String> {
    let throttled: BTreeSet<(String, String)> = list(&template.api()["MethodSettings"])
        .filter(|setting| {
            ["ThrottlingRateLimit", "ThrottlingBurstLimit"].iter().all(|limit| setting[*limit].is_u64())
        })
        .map(|setting| {
            let path =
                string(&setting["ResourcePath"]).strip_prefix('/').unwrap_or_default().replace("~1", "/");
            (string(&setting["HttpMethod"]).to_lowercase(), path)
        })
        .collect();
    let open = template.functions().filter(|function| function.kind_of_function().must_be_throttled());
    let open: BTreeSet<(String, String)> =
        open.flat_map(Resource::routes).map(|Route { method, path, .. }| (method, path)).collect();
    let unbounded = open.difference(&throttled).map(|(method, path)| {
        format!(
            "{} {path}: give it an entry in the API's MethodSettings, with ThrottlingRateLimit and ThrottlingBurstLimit: it needs no token",
            method.to_uppercase()
        )
    });
    let needless = throttled.difference(&open).map(|(method, path)| {
        format!(
            "{} {path}: take it out of the API's MethodSettings: no public route is there",
            method.to_uppercase()
        )
    });
    unbounded.chain(needless).collect()
}

/// Functions that may begin an analysis although their kind may not.
pub(crate) fn starters_by_mistake(template: &Template) -> Vec<String> {
    let forbidden =
        template.functions().filter(|function| !function.kind_of_function().may_start_executions());
    forbidden
        .flat_map(|function| {
            let machines = function.may("states:StartExecution");
            machines.map(move |machine| {
                format!(
                    "{}: take states:StartExecution on {machine} from its Policies; a {} starts nothing",
                    function.name,
                    function.kind_of_function()
                )
            })
        })
        .collect()
}

/// Webhooks that do other things than to check a signature and to fill a queue.
pub(crate) fn webhooks_that_work(template: &Template) -> Vec<String> {
    let webhooks = template.functions().filter(|function| function.kind_of_function() == Kind::Webhook);
    let is_read = |queue: &str| {
        let consumers = template.functions().filter(|it| it.kind_of_function() == Kind::QueueConsumer);
        let mut events = consumers.flat_map(|consumer| consumer.events("SQS"));
        events.any(|event| target(&event["Queue"]) == Some(queue))
    };
    webhooks
        .flat_map(|webhook| {
            let mut problems = Vec::new();
            let name = webhook.name;
            let checks = template.secrets_within_reach(webhook);
            if !checks.iter().any(|secret| secret.secret_use() == SecretUse::SignatureChecks) {
                problems.push(format!(
                    "{name}: let it read a secret of Metadata: {{Oslira: {{For: signature-checks}}}}; a webhook verifies who calls"
                ));
            }
            let queues: Vec<&str> = webhook.may("sqs:SendMessage").collect();
            if queues.is_empty() {
                problems.push(format!(
                    "{name}: give it sqs:SendMessage on a queue; a webhook leaves the work to its consumer"
                ));
            }
            problems.extend(queues.into_iter().filter(|queue| !is_read(queue)).map(|queue| {
                format!("{name}: it puts messages into {queue}; add a function of Kind queue-consumer that works it off")
            }));
            let allowed = ["sqs:SendMessage", "secretsmanager:GetSecretValue"];
            problems.extend(
                webhook.statements().filter(|statement| !allowed.contains(&string(statement.action))).map(
                    |statement| {
                        format!(
                            "{name}: take {} from its Policies; a webhook only verifies and puts into a queue",
                            statement.action
                        )
                    },
                ),
            );
            problems
        })
        .collect()
}

/// Health checks that may change something.
pub(crate) fn health_checks_that_change(template: &Template) -> Vec<String> {
    let checks = template.functions().filter(|function| function.kind_of_function() == Kind::HealthCheck);
    checks
        .flat_map(|check| {
            check.statements().filter_map(move |statement| {
                let verb = string(statement.action).split(':').nth(1).unwrap_or_default();
                let looks = ["Get", "List", "Describe"].iter().any(|start| verb.starts_with(start));
                (!looks).then(|| {
                    format!(
                        "{}: take {} from its Policies; a health check only looks",
                        check.name, statement.action
                    )
                })
            })
        })
        .collect()
}

/// Health checks beside the one at `/health`. Anyone may call them, and they know a database.
pub(crate) fn health_checks_elsewhere(template: &Template) -> Vec<String> {
    let checks = template.functions().filter(|function| function.kind_of_function() == Kind::HealthCheck);
    checks
        .enumerate()
        .filter_map(|(index, check)| {
            let elsewhere = check.routes().find(|route| route.path != "/health");
            match elsewhere {
                Some(route) => {
                    Some(format!("{}: a health check's Path is /health, not {}", check.name, route.path))
                }
                None => (index > 0).then(|| format!("{}: there is a health check already", check.name)),
            }
        })
        .collect()
}

#[test]
fn a_function_is_called_as_its_kind_says() {
    let template = Template::read();
    assert!(template.functions().next().is_some(), "the template has no functions");
    none(called_otherwise(&template));
}

#[test]
fn a_function_knows_the_databases_of_its_kind_and_no_other() {
    none(strangers_to_databases(&Template::read()));
}

#[test]
fn what_signed_in_users_ask_is_counted() {
    none(routes_that_nobody_counts(&Template::read()));
}

#[test]
fn one_function_knows_the_database_of_the_migrations() {
    none(migrations_secrets_that_spread(&Template::read()));
}

#[test]
fn who_needs_no_token_is_throttled() {
    none(throttled_wrongly(&Template::read()));
}

#[test]
fn only_kinds_that_begin_analyses_may_start_executions() {
    none(starters_by_mistake(&Template::read()));
}

#[test]
fn a_webhook_verifies_and_puts_into_a_queue() {
    none(webhooks_that_work(&Template::read()));
}

#[test]
fn a_health_check_only_looks() {
    none(health_checks_that_change(&Template::read()));
}

#[test]
fn there_is_one_health_check() {
    none(health_checks_elsewhere(&Template::read()));
}
