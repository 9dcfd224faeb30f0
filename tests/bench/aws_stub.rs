//! Answers Secrets Manager, Step Functions, DynamoDB and SQS at once, with next to nothing.

use anyhow::Result;
use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// A running stub. It ends with the program.
pub(crate) struct AwsStub {
    pub(crate) url: String,
}

impl AwsStub {
    /// Knows no secret.
    pub(crate) async fn without_secrets() -> Result<Self> {
        Self::start(None).await
    }

    /// Every secret has this value.
    pub(crate) async fn with_secret(value: &str) -> Result<Self> {
        Self::start(Some(value.to_owned())).await
    }

    async fn start(secret: Option<String>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let router = Router::new().fallback(answer).with_state(secret);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { url })
    }
}

async fn answer(State(secret): State<Option<String>>, headers: HeaderMap) -> Response {
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (status, body) = match (target.rsplit('.').next(), secret) {
        (Some("GetSecretValue"), Some(value)) => (StatusCode::OK, json!({"SecretString": value})),
        (Some("GetSecretValue"), None) => (
            StatusCode::BAD_REQUEST,
            json!({"__type": "ResourceNotFoundException", "message": "no secrets here"}),
        ),
        (Some("StartExecution"), _) => (StatusCode::OK, json!({"executionArn": "arn", "startDate": 0})),
        // Nothing is paused, spent or open.
        (Some("BatchGetItem"), _) => (StatusCode::OK, json!({"Responses": {}, "UnprocessedKeys": {}})),
        (Some("UpdateItem"), _) => (StatusCode::OK, progress_item()),
        _ => (StatusCode::NOT_FOUND, json!({})),
    };
    (status, [("content-type", "application/x-amz-json-1.0")], body.to_string()).into_response()
}

fn progress_item() -> Value {
    let number = |n: u64| json!({"N": n.to_string()});
    json!({"Attributes": {
        "accountId": {"S": "00000000-0000-4000-8000-000000000000"},
        "status": {"S": "queued"},
        "progress": number(0),
        "step": {"S": "Waiting to start"},
        "createdAt": number(0),
        "updatedAt": number(0),
    }})
}
