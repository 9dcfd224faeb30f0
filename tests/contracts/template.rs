//! `infra/template.yaml`, as far as contracts are about it.

use crate::files::{self, list, map, string};
use oslira_lambda::Variable;
use serde_json::Value;
use std::collections::BTreeSet;

/// The template.
pub(crate) struct Template(Value);

/// A resource of it.
#[derive(Clone, Copy)]
pub(crate) struct Resource<'a> {
    /// The logical id.
    pub(crate) name: &'a str,
    /// Its kind, such as `AWS::SQS::Queue`.
    pub(crate) kind: &'a str,
    /// Its properties.
    pub(crate) properties: &'a Value,
    /// What it says of itself: see `declared.rs`.
    pub(crate) metadata: &'a Value,
}

/// A method and path of the API.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Route {
    /// In lower case.
    pub(crate) method: String,
    /// With `{placeholders}`.
    pub(crate) path: String,
    /// It has no authorizer.
    pub(crate) is_public: bool,
}

/// A permission: one entry of a policy.
pub(crate) struct Statement<'a> {
    pub(crate) effect: &'a str,
    pub(crate) action: &'a Value,
    pub(crate) resource: &'a Value,
}

impl Template {
    pub(crate) fn read() -> Self {
        Self(files::yaml("infra/template.yaml"))
    }

    pub(crate) fn parameter(&self, name: &str) -> &Value {
        &self.0["Parameters"][name]
    }

    /// A made-up one.
    pub(crate) fn parse(text: &str) -> Self {
        Self(files::parse_yaml(text).expect("YAML"))
    }

    pub(crate) fn resources(&self) -> impl Iterator<Item = Resource<'_>> {
        map(&self.0["Resources"]).map(|(name, resource)| Resource {
            name,
            kind: string(&resource["Type"]),
            properties: &resource["Properties"],
            metadata: &resource["Metadata"],
        })
    }

    pub(crate) fn resource(&self, name: &str) -> Option<Resource<'_>> {
        self.resources().find(|resource| resource.name == name)
    }

    pub(crate) fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = Resource<'a>> {
        self.resources().filter(move |resource| resource.kind == kind)
    }

    pub(crate) fn functions(&self) -> impl Iterator<Item = Resource<'_>> {
        self.of_kind("AWS::Serverless::Function")
    }

    /// What all functions have.
    pub(crate) fn globals(&self) -> &Value {
        &self.0["Globals"]["Function"]
    }

    /// A function's own timeout, or the one for all, in seconds.
    pub(crate) fn timeout(&self, function: Resource<'_>) -> u64 {
        let own = &function.properties["Timeout"];
        own.as_u64().or_else(|| self.globals()["Timeout"].as_u64()).expect("a timeout")
    }

    /// The resource that functions know by a variable.
    pub(crate) fn resource_of(&self, variable: Variable) -> Option<Resource<'_>> {
        let mut all = self.functions().flat_map(Resource::environment);
        let (_, value) = all.find(|(name, _)| *name == variable.name())?;
        self.resource(target(value)?)
    }

    pub(crate) fn machines(&self) -> impl Iterator<Item = Resource<'_>> {
        self.of_kind("AWS::Serverless::StateMachine")
    }

    /// The state machines of which a function is a stage.
    pub(crate) fn machines_that_call(&self, function: Resource<'_>) -> Vec<Resource<'_>> {
        let calls = |machine: &Resource<'_>| {
            let mut called = map(&machine.properties["DefinitionSubstitutions"]);
            called.any(|(_, called)| target(called) == Some(function.name))
        };
        self.machines().filter(calls).collect()
    }

    /// All secrets that a function could learn: those that its variables name, and those that it may read.
    pub(crate) fn secrets_within_reach(&self, function: Resource<'_>) -> Vec<Resource<'_>> {
        let named = function.environment().filter_map(|(_, value)| target(value));
        let names: BTreeSet<&str> = named.chain(function.may("secretsmanager:GetSecretValue")).collect();
        let resources = names.into_iter().filter_map(|name| self.resource(name));
        resources.filter(|resource| resource.kind == "AWS::SecretsManager::Secret").collect()
    }

    /// The API.
    pub(crate) fn api(&self) -> &Value {
        let mut apis = self.of_kind("AWS::Serverless::Api");
        apis.next().expect("the template has an API").properties
    }

    /// What SAM adds to the API.
    pub(crate) fn api_globals(&self) -> &Value {
        &self.0["Globals"]["Api"]
    }

    /// What a preflight allows: one of the lists in `Cors`, without its quotes, which the template needs.
    pub(crate) fn cors(&self, list: &str) -> BTreeSet<&str> {
        let text = string(&self.api()["Cors"][list]);
        let list =
            text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')).expect("text in single quotes");
        list.split(',').collect()
    }

    /// The function that checks tokens.
    pub(crate) fn authorizer(&self) -> &str {
        let auth = &self.api()["Auth"];
        let authorizer = &auth["Authorizers"][string(&auth["DefaultAuthorizer"])];
        target(&authorizer["FunctionArn"])
            .expect("the API's DefaultAuthorizer must name one of its Authorizers, or every route is open")
    }
}

impl<'a> Resource<'a> {
    /// Its events of a kind.
    pub(crate) fn events(self, kind: &str) -> impl Iterator<Item = &'a Value> {
        let of_kind = move |event: &&Value| event["Type"] == kind;
        map(&self.properties["Events"])
            .map(|(_, event)| event)
            .filter(of_kind)
            .map(|event| &event["Properties"])
    }

    /// The routes it serves.
    pub(crate) fn routes(self) -> impl Iterator<Item = Route> {
        self.events("Api").map(|event| Route {
            method: string(&event["Method"]).to_lowercase(),
            path: string(&event["Path"]).to_owned(),
            is_public: event["Auth"]["Authorizer"] == "NONE",
        })
    }

    /// Its environment variables, without those of all functions.
    pub(crate) fn environment(self) -> impl Iterator<Item = (&'a str, &'a Value)> {
        map(&self.properties["Environment"]["Variables"])
    }

    /// What its role may do.
    pub(crate) fn statements(self) -> impl Iterator<Item = Statement<'a>> {
        list(&self.properties["Policies"]).flat_map(|policy| list(&policy["Statement"])).map(|statement| {
            Statement {
                effect: string(&statement["Effect"]),
                action: &statement["Action"],
                resource: &statement["Resource"],
            }
        })
    }

    /// The resources on which its role may do this.
    pub(crate) fn may(self, action: &str) -> impl Iterator<Item = &'a str> {
        self.statements()
            .filter(move |statement| statement.action == action)
            .filter_map(|statement| target(statement.resource))
    }
}

/// The one resource that a value is about: `!Ref X`, `!GetAtt X.Arn`, or a `!Sub` of one `${X}` or `${X.Arn}`, beside
/// which `${AWS::…}` may stand.
pub(crate) fn target(value: &Value) -> Option<&str> {
    let entries = value.as_object()?;
    let (function, argument) = entries.iter().next().filter(|_| entries.len() == 1)?;
    let argument = argument.as_str()?;
    let name = match function.as_str() {
        "Ref" | "Fn::GetAtt" => argument,
        "Fn::Sub" => {
            let names = argument.split("${").skip(1).filter_map(|rest| rest.split('}').next());
            let mut names = names.filter(|name| !name.starts_with("AWS::"));
            let name = names.next()?;
            names.next().is_none().then_some(name)?
        }
        _ => return None,
    };
    name.split('.').next()
}
