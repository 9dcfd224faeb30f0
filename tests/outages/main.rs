//! What all runs share, turned by tests: circuit breakers, the intake's switches. These tests run one at a time, after
//! the others.

mod ai_calls;
mod ai_usage;
mod breakers;
mod intake;

use anyhow::Result;
use aws_sdk_dynamodb::config::{BehaviorVersion, Builder, Config, Credentials, Region};
use oslira_tests::Stack;
use serde_json::json;

/// The stack with nothing open, paused or spent.
async fn calm_stack() -> Result<Stack> {
    let stack = Stack::connect().await?;
    calm(&stack).await?;
    Ok(stack)
}

/// Takes back what these tests did to the stack.
async fn calm(stack: &Stack) -> Result<()> {
    for (variable, key) in
        [("CIRCUIT_BREAKERS_TABLE", "upstream"), ("AI_USAGE_TABLE", "period"), ("INTAKE_TABLE", "switch")]
    {
        let table = &stack.functions_env[variable];
        for item in stack.aws.items(table).await? {
            stack.aws.delete_item(table, json!({key: item[key]})).await?;
        }
    }
    Ok(())
}

/// The settings of a client of the stack's tables.
fn dynamodb(endpoint: &str) -> Builder {
    let credentials =
        Credentials::builder().access_key_id("test").secret_access_key("test").provider_name("test");
    Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .credentials_provider(credentials.build())
}
