//! `GET /health`

use anyhow::Result;
use oslira_tests::{Stack, paths};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn anyone_sees_that_everything_is_up() -> Result<()> {
    let stack = Stack::connect().await?;
    let reply = stack.request(Method::GET, paths::HEALTH, &[]).await?;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.data()["status"], "healthy");
    assert_eq!(
        reply.data()["dependencies"],
        json!({"postgres": "up", "dynamodb": "up", "s3": "up", "sqs": "up", "stepFunctions": "up", "secrets": "up"})
    );
    assert!(reply.data()["warnings"].is_array(), "{}", reply.body);
    Ok(())
}
