//! The code of an error, as clients see it.

use oslira_domain::Code;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// What went wrong, as a code for programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ErrorCode(pub Cow<'static, str>);

/// An answer that API Gateway gives by itself, as `infra/template.yaml` words it.
#[derive(Clone, Copy, Debug)]
pub struct GatewayAnswer {
    /// The code; some are ours, too.
    pub code: &'static str,
    /// The status.
    pub status: u16,
    /// The sentence in `error`.
    pub sentence: &'static str,
    /// When API Gateway answers so.
    pub meaning: &'static str,
}

/// The answers that API Gateway gives by itself to requests that it refuses.
pub const GATEWAY_ANSWERS: [GatewayAnswer; 6] = [
    GatewayAnswer {
        code: "RequestRefused",
        status: 400,
        sentence: "The request was refused.",
        meaning: "API Gateway refused the request for a reason without a code of its own.",
    },
    GatewayAnswer {
        code: "Unauthorized",
        status: 401,
        sentence: "Sign in: the token is missing, expired or not valid.",
        meaning: "The token is missing, expired or not valid.",
    },
    GatewayAnswer {
        code: "Forbidden",
        status: 403,
        sentence: "This token does not open this route.",
        meaning: "The token is good, and does not open this route.",
    },
    GatewayAnswer {
        code: "RouteNotFound",
        status: 404,
        sentence: "There is no such route.",
        meaning: "There is no such method and path.",
    },
    GatewayAnswer {
        code: "PayloadTooLarge",
        status: 413,
        sentence: "The request is too large.",
        meaning: "The request is larger than API Gateway takes, 10 MB.",
    },
    GatewayAnswer {
        code: "TooManyRequests",
        status: 429,
        sentence: "Too many requests; slow down.",
        meaning: "API Gateway's limit was reached.",
    },
];

impl From<Code> for ErrorCode {
    fn from(code: Code) -> Self {
        Self(Cow::Borrowed(code.as_str()))
    }
}

impl JsonSchema for ErrorCode {
    fn schema_name() -> Cow<'static, str> {
        "ErrorCode".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let ours = Code::ALL.iter().map(|code| code.as_str());
        let gateways =
            GATEWAY_ANSWERS.iter().map(|answer| answer.code).filter(|code| Code::named(code).is_none());
        let codes: Vec<&str> = ours.chain(gateways).collect();
        json_schema!({
            "description": "What went wrong; errors.md says which of them appear where. The last three are API Gateway's alone.",
            "type": "string",
            "enum": codes,
        })
    }
}
