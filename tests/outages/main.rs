//! What all runs share, turned by tests: circuit breakers, the intake's switches. These tests run one at a time, after
//! the others.

mod breakers;
mod intake;

use anyhow::Result;
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
