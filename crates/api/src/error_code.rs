//! The code of an error, as clients see it.

use oslira_domain::Code;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// What went wrong, as a code for programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ErrorCode(pub Cow<'static, str>);

/// Codes that only API Gateway answers, with the status and the sentence that the template sets.
pub(crate) const GATEWAY_ONLY: [(&str, u16, &str); 3] = [
    ("Forbidden", 403, "This token does not open this route."),
    ("RouteNotFound", 404, "There is no such route."),
    ("RequestRefused", 400, "The request was refused."),
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
        let codes: Vec<&str> = ours.chain(GATEWAY_ONLY.map(|(code, _, _)| code)).collect();
        json_schema!({
            "description": "What went wrong; errors.md says which of them appear where. The last three are API Gateway's alone.",
            "type": "string",
            "enum": codes,
        })
    }
}
