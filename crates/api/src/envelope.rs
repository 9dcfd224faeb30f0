//! What every answer is wrapped in.

use crate::ErrorCode;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An answer with data.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Success<T> {
    /// `true`; `false` where the data tells of trouble, as `/health` does.
    pub success: bool,
    /// What was asked for.
    pub data: T,
    /// The request's id, as in the header `X-Request-Id` and in the logs.
    pub request_id: String,
    /// When it was answered.
    pub timestamp: Timestamp,
}

/// An answer that says what went wrong.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Error")]
pub struct Failure {
    /// `false`.
    pub success: bool,
    /// A sentence anyone may read.
    pub error: String,
    /// What went wrong.
    pub code: ErrorCode,
    /// Facts that belong to the code, for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "serde_json::Map<String, Value>")]
    pub details: Option<Value>,
    /// The request's id. API Gateway's own answers have it here only.
    pub request_id: String,
    /// When it was answered: RFC 3339 in Oslira's own answers. API Gateway's own may carry its log format, or none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<String>,
}
