//! What resources of the template say of themselves, in their `Metadata` under `Oslira`. Contracts know them by that.

use crate::{
    none,
    template::{Resource, Template},
};
use oslira_domain::{AnalysisInput, AnonymousInput, RefreshCheckInput, RunId, Tier, execution_of};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use std::fmt;

/// A function's `Metadata`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Function {
    pub(crate) kind: Kind,
    /// A stage's alone.
    pub(crate) input: Option<StageInput>,
}

/// Declares the kinds, each once: its name in Rust and the one in the template.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal,)*) => {
        /// What a function is. What follows from it is in `kinds.rs`.
        #[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
        pub(crate) enum Kind {
            $($(#[$doc])* #[serde(rename = $name)] $kind,)*
        }

        impl Kind {
            pub(crate) const ALL: &[Self] = &[$(Self::$kind,)*];
        }

        impl fmt::Display for Kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$kind => $name,)*
                })
            }
        }
    };
}

kinds! {
    /// A signed-in user calls it, and it acts as that user.
    SignedInRoute = "signed-in-route",
    /// Anyone calls it; it knows no database.
    AnonymousRoute = "anonymous-route",
    /// A vendor's server calls it; it checks the signature and leaves the rest to a queue.
    Webhook = "webhook",
    /// Monitors call it; it looks, and changes nothing.
    HealthCheck = "health-check",
    /// API Gateway asks it who calls.
    Authorizer = "authorizer",
    /// A state machine calls it.
    Stage = "stage",
    /// It works off a queue.
    QueueConsumer = "queue-consumer",
    /// It runs at certain times.
    ScheduledJob = "scheduled-job",
    /// Operators and deploys call it.
    OperatorJob = "operator-job",
}

/// What a state machine passes to a stage.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum StageInput {
    /// The execution's input, perhaps with more.
    Execution,
    /// The execution's name and the error that ended it.
    Failure,
}

/// A state machine's `Metadata`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Machine {
    /// What its executions begin with.
    pub(crate) input: MachineInput,
    /// The state that ends all that goes wrong, so it has nothing to fall back on itself.
    pub(crate) last_step: String,
}

/// What executions begin with: a type of `oslira_domain`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum MachineInput {
    Analysis,
    AnonymousAnalysis,
    RefreshCheck,
}

/// A secret's `Metadata`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Secret {
    pub(crate) r#for: SecretUse,
}

/// What a secret is for.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SecretUse {
    UserDatabase,
    SystemDatabase,
    MigrationsDatabase,
    VendorCalls,
    SignatureChecks,
}

/// A table's `Metadata`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Table {
    /// Why its items stay for good.
    pub(crate) lasting: String,
}

impl fmt::Display for SecretUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UserDatabase => "user-database",
            Self::SystemDatabase => "system-database",
            Self::MigrationsDatabase => "migrations-database",
            Self::VendorCalls => "vendor-calls",
            Self::SignatureChecks => "signature-checks",
        })
    }
}

impl SecretUse {
    /// It is a connection's URL.
    pub(crate) const fn is_database(self) -> bool {
        matches!(self, Self::UserDatabase | Self::SystemDatabase | Self::MigrationsDatabase)
    }
}

impl StageInput {
    /// Why an event is not what a stage of `machines` gets; a text for the end of a sentence.
    pub(crate) fn problem_with(self, event: &Value, machines: &[MachineInput]) -> Option<String> {
        match self {
            Self::Execution => MachineInput::closest_to(event, machines)?.problem_with(event),
            Self::Failure => {
                let is_run = event["executionName"].as_str().is_some_and(|name| execution_of(name).is_some());
                let has_error = ["Error", "Cause"].iter().all(|part| event["error"][part].is_string());
                (!is_run || !has_error).then(|| {
                    "must have an executionName that begins with a run's id, and an error with Error and Cause".to_owned()
                })
            }
        }
    }
}

impl MachineInput {
    /// The one of these that an event is meant to be: it has most of its fields, and fewest beside them.
    pub(crate) fn closest_to(event: &Value, machines: &[Self]) -> Option<Self> {
        let score = |input: &Self| {
            let fields = input.fields();
            let present = fields.iter().filter(|field| event.get(field.as_str()).is_some()).count();
            (present, std::cmp::Reverse(fields.len()))
        };
        machines.iter().copied().max_by_key(score)
    }

    /// It says who pays. What belongs to nobody is in no database.
    pub(crate) fn has_account(self) -> bool {
        self.fields().iter().any(|field| field == "accountId")
    }

    fn problem_with(self, event: &Value) -> Option<String> {
        let read = match self {
            Self::Analysis => AnalysisInput::deserialize(event).map(drop),
            Self::AnonymousAnalysis => AnonymousInput::deserialize(event).map(drop),
            Self::RefreshCheck => RefreshCheckInput::deserialize(event).map(drop),
        };
        read.err().map(|error| format!("must hold the input of an execution: {error}"))
    }

    /// The names of its fields.
    fn fields(self) -> Vec<String> {
        let (run_id, tier) = (RunId::generate(), Tier::Light);
        let username = "nasa".parse().expect("a username");
        let example = match self {
            Self::Analysis => serde_json::to_value(AnalysisInput {
                run_id,
                account_id: run_id.to_string().parse().expect("an id"),
                business_profile_id: run_id.to_string().parse().expect("an id"),
                username,
                tier,
                fresh_since: None,
            }),
            Self::RefreshCheck => serde_json::to_value(RefreshCheckInput {
                run_id,
                account_id: run_id.to_string().parse().expect("an id"),
                lead_id: run_id.to_string().parse().expect("an id"),
                username,
                tier,
            }),
            Self::AnonymousAnalysis => serde_json::to_value(AnonymousInput { run_id, username, tier }),
        };
        let fields = example.expect("it is JSON").as_object().map(|fields| fields.keys().cloned().collect());
        fields.unwrap_or_default()
    }
}

impl Resource<'_> {
    /// What it says of itself; an error says what to write.
    pub(crate) fn declared<T: DeserializeOwned>(self) -> Result<T, String> {
        let declared = &self.metadata["Oslira"];
        if declared.is_null() {
            return Err(format!(
                "{}: say what it is, as Metadata: {{Oslira: {{…}}}}; docs/adding-a-function.md lists the words",
                self.name
            ));
        }
        T::deserialize(declared).map_err(|error| format!("{}: Metadata.Oslira: {error}", self.name))
    }

    /// What it says of itself as a function.
    pub(crate) fn function(self) -> Function {
        self.declared().unwrap_or_else(|problem| panic!("{problem}"))
    }

    /// What kind of function it is.
    pub(crate) fn kind_of_function(self) -> Kind {
        self.function().kind
    }

    /// What it says of itself as a state machine.
    pub(crate) fn machine(self) -> Machine {
        self.declared().unwrap_or_else(|problem| panic!("{problem}"))
    }

    /// What it is for, as a secret.
    pub(crate) fn secret_use(self) -> SecretUse {
        let secret: Result<Secret, _> = self.declared();
        secret.unwrap_or_else(|problem| panic!("{problem}")).r#for
    }
}

/// Functions, machines and secrets that do not say what they are, or not well.
pub(crate) fn undeclared(template: &Template) -> Vec<String> {
    template
        .resources()
        .filter_map(|resource| match resource.kind {
            "AWS::Serverless::Function" => match resource.declared::<Function>() {
                Ok(Function { kind: Kind::Stage, input: None }) => Some(format!(
                    "{}: say what it gets, Input: execution or Input: failure beside its Kind",
                    resource.name
                )),
                Ok(Function { kind, input: Some(_) }) if kind != Kind::Stage => {
                    Some(format!("{}: remove Input, which is for stages and not for a {kind}", resource.name))
                }
                declared => declared.err(),
            },
            "AWS::Serverless::StateMachine" => resource.declared::<Machine>().err(),
            "AWS::SecretsManager::Secret" => resource.declared::<Secret>().err(),
            _ => None,
        })
        .collect()
}

#[test]
fn functions_machines_and_secrets_say_what_they_are() {
    none(undeclared(&Template::read()));
}
