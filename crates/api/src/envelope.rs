//! The envelope around every answer.

use crate::ErrorCode;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The envelope of an answer with data.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Success<T> {
    /// `true`. It is `false` where the data reports a problem, as `/health` does.
    pub success: bool,
    /// The data that was asked for.
    pub data: T,
    /// The request's id, as in the header `X-Request-Id` and in the logs.
    pub request_id: String,
    /// When the request was answered.
    pub timestamp: Timestamp,
}

/// The envelope of an error.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// `false`.
    #[schemars(extend("const" = false))]
    pub success: bool,
    /// What went wrong, as a sentence that anyone may read.
    pub error: String,
    /// What went wrong, as a code for programs.
    pub code: ErrorCode,
    /// Facts for programs that belong to the code.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "serde_json::Map<String, Value>")]
    pub details: Option<Value>,
    /// The request's id. Answers of API Gateway itself have it here only.
    pub request_id: String,
    /// When the request was answered: RFC 3339 in Oslira's own answers. Answers of API Gateway itself may use
    /// its log format or leave this out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<String>,
}
