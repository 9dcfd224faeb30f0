//! `stack.json`: what tests, tools and people need to know about the running stack.

use crate::stack::{
    Latency,
    aws::{Aws, Resource},
};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The content of the file. Others rely on its keys.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Description {
    /// The base URL of the public API, without a slash at its end.
    pub(crate) api_url: String,
    pub(crate) aws_endpoint: String,
    /// The region of the AWS emulator.
    pub(crate) region: String,
    /// The superuser's connection, without the pooler.
    pub(crate) postgres_url: String,
    /// The connection of Lambdas that act for a user, through the pooler.
    pub(crate) pooler_url: String,
    /// The URL of the stand-ins for the upstream services.
    pub(crate) stand_ins_url: String,
    /// The page that shows the API and tries its routes; `None` when `cargo xtask up` did not start it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) viewer_url: Option<String>,
    /// Who answers in place of Apify, OpenAI and Anthropic: `stand-ins`, `live`, or the URL of other servers.
    pub(crate) upstreams: String,
    pub(crate) latency: Latency,
    /// ARNs by name.
    pub(crate) state_machines: BTreeMap<String, String>,
    /// ARNs by name.
    pub(crate) functions: BTreeMap<String, String>,
    /// URLs by name.
    pub(crate) queues: BTreeMap<String, String>,
    /// Names in DynamoDB by name.
    pub(crate) tables: BTreeMap<String, String>,
    /// Names in S3 by name.
    pub(crate) buckets: BTreeMap<String, String>,
    /// The secret that signs Stripe's events.
    pub(crate) webhook_secret: String,
    /// The URL of Supabase's public keys.
    pub(crate) jwks_url: String,
    /// The users for tests, tools and people.
    pub(crate) users: Vec<User>,
}

/// A signed-in user.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct User {
    /// `demo-1`, `demo-2` or `load`.
    pub(crate) name: String,
    /// The user's id at Supabase.
    pub(crate) user_id: String,
    /// The account that the user owns.
    pub(crate) account_id: String,
    /// A business profile of that account.
    pub(crate) business_profile_id: String,
    /// An access token, good for an hour from the last `up`.
    pub(crate) token: String,
}

impl Description {
    pub(crate) fn user(&self, name: &str) -> Result<&User> {
        self.users
            .iter()
            .find(|user| user.name == name)
            .with_context(|| format!("the stack has no user {name}"))
    }

    pub(crate) fn function(&self, name: &str) -> Result<&str> {
        let names = || self.functions.keys().cloned().collect::<Vec<_>>().join(", ");
        let arn = self.functions.get(name);
        Ok(arn.with_context(|| format!("there is no function {name}; there are: {}", names()))?)
    }
}

/// The deployed resources, each kind by the names that people use.
pub(crate) struct Deployed {
    pub(crate) api_url: String,
    pub(crate) state_machines: BTreeMap<String, String>,
    pub(crate) functions: BTreeMap<String, String>,
    pub(crate) queues: BTreeMap<String, String>,
    pub(crate) tables: BTreeMap<String, String>,
    pub(crate) buckets: BTreeMap<String, String>,
    /// The environment variables of all functions together.
    pub(crate) environment: BTreeMap<String, String>,
}

impl Deployed {
    /// Asks the emulator what was deployed.
    pub(crate) fn read(aws: &Aws, endpoint: &str, stack: &str) -> Result<Self> {
        let resources = aws.resources(stack)?;
        let of = |kind: &str, suffix: &str| -> BTreeMap<String, String> {
            let resources = resources.iter().filter(|resource| resource.kind == kind);
            resources.map(|resource| (name(resource, suffix), resource.physical_id.clone())).collect()
        };
        let mut functions = BTreeMap::new();
        let mut environment = BTreeMap::new();
        for (name, function) in of("AWS::Lambda::Function", "") {
            let configuration = aws.function(&function)?;
            let arn = configuration["FunctionArn"].as_str().context("a function without an ARN")?;
            functions.insert(name, arn.to_owned());
            for (name, value) in configuration["Environment"]["Variables"].as_object().into_iter().flatten() {
                environment.insert(name.clone(), value.as_str().unwrap_or_default().to_owned());
            }
        }
        // SAM makes a second stage beside the template's. So the API's own list does not say which stage is
        // ours.
        let only = |kind: &str| {
            of(kind, "").into_values().next().with_context(|| format!("the template has no {kind}"))
        };
        let (api, stage) = (only("AWS::ApiGateway::RestApi")?, only("AWS::ApiGateway::Stage")?);
        Ok(Self {
            api_url: format!("{endpoint}/restapis/{api}/{stage}/_user_request_"),
            state_machines: of("AWS::StepFunctions::StateMachine", "StateMachine"),
            functions,
            queues: of("AWS::SQS::Queue", "Queue"),
            tables: of("AWS::DynamoDB::Table", "Table"),
            buckets: of("AWS::S3::Bucket", "Bucket"),
            environment,
        })
    }
}

/// `StartRunsQueue` becomes `start-runs`.
fn name(resource: &Resource, suffix: &str) -> String {
    kebab_case(resource.logical_id.strip_suffix(suffix).unwrap_or(&resource.logical_id))
}

fn kebab_case(pascal_case: &str) -> String {
    let mut kebab = String::new();
    for (index, letter) in pascal_case.chars().enumerate() {
        if letter.is_uppercase() && index > 0 {
            kebab.push('-');
        }
        kebab.extend(letter.to_lowercase());
    }
    kebab
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_are_named_as_people_say_them() {
        let resource = |logical_id: &str| Resource {
            logical_id: logical_id.to_owned(),
            physical_id: String::new(),
            kind: String::new(),
        };
        assert_eq!(name(&resource("StartRunsQueue"), "Queue"), "start-runs");
        assert_eq!(name(&resource("AnalysisStateMachine"), "StateMachine"), "analysis");
        assert_eq!(name(&resource("StartRunsDeadLetterQueue"), "Queue"), "start-runs-dead-letter");
        assert_eq!(name(&resource("StartAnalysis"), ""), "start-analysis");
    }
}
