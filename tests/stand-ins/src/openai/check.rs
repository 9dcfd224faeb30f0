//! What OpenAI refuses.

use super::Model;
use crate::schemas::check_openai_strict;
use serde_json::Value;

const KNOWN_PARAMETERS: &[&str] = &[
    "model",
    "messages",
    "max_completion_tokens",
    "max_tokens",
    "reasoning_effort",
    "prompt_cache_key",
    "prompt_cache_retention",
    "response_format",
    "temperature",
    "top_p",
    "n",
    "stop",
    "seed",
    "store",
    "metadata",
    "user",
    "safety_identifier",
    "service_tier",
    "verbosity",
    "stream",
    "presence_penalty",
    "frequency_penalty",
    "logprobs",
];

/// Why a request is refused: what goes into the vendor's error.
pub(super) struct Refusal {
    pub(super) code: Option<&'static str>,
    pub(super) param: &'static str,
    pub(super) message: String,
}

impl Refusal {
    fn new(code: Option<&'static str>, param: &'static str, message: impl Into<String>) -> Self {
        Self { code, param, message: message.into() }
    }
}

/// Checks a request against what its model takes.
pub(super) fn check(request: &Value, model: &Model) -> Result<(), Refusal> {
    for key in request.as_object().into_iter().flat_map(|object| object.keys()) {
        if !KNOWN_PARAMETERS.contains(&key.as_str()) {
            return Err(Refusal::new(None, "", format!("Unrecognized request argument supplied: {key}")));
        }
    }
    let messages = request["messages"].as_array();
    if messages.is_none_or(Vec::is_empty) {
        let message = "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array \
                       instead.";
        return Err(Refusal::new(Some("empty_array"), "messages", message));
    }
    for message in messages.into_iter().flatten() {
        let has_role =
            matches!(message["role"].as_str(), Some("system" | "developer" | "user" | "assistant"));
        if !has_role || !(message["content"].is_string() || message["content"].is_array()) {
            let text = "Invalid value for a message: expected a role and a content.";
            return Err(Refusal::new(Some("invalid_value"), "messages", text));
        }
    }
    if request["stream"] == true {
        return Err(Refusal::new(Some("unsupported_value"), "stream", "Streaming is not imitated here."));
    }
    check_reasoning(request, model)?;
    if request.get("max_completion_tokens").is_some_and(|limit| limit.as_u64().is_none_or(|limit| limit == 0))
    {
        let message = "Invalid 'max_completion_tokens': integer below minimum value. Expected a value >= 1.";
        return Err(Refusal::new(Some("integer_below_min_value"), "max_completion_tokens", message));
    }
    if let Some(key) = request["prompt_cache_key"].as_str().filter(|key| key.len() > 64) {
        let message = format!(
            "Invalid 'prompt_cache_key': string too long. Expected a string with maximum length 64, but got a string \
             with length {} instead.",
            key.len()
        );
        return Err(Refusal::new(Some("string_above_max_length"), "prompt_cache_key", message));
    }
    check_format(request)
}

/// What only models that reason take, and what they no longer take.
fn check_reasoning(request: &Value, model: &Model) -> Result<(), Refusal> {
    let effort = request.get("reasoning_effort").filter(|effort| !effort.is_null());
    if model.efforts.is_empty() {
        return match effort {
            Some(_) => Err(Refusal::new(
                Some("unsupported_parameter"),
                "reasoning_effort",
                "Unrecognized request argument supplied: reasoning_effort",
            )),
            None => Ok(()),
        };
    }
    for key in ["temperature", "top_p"] {
        if let Some(value) = request.get(key).filter(|value| value.as_f64() != Some(1.0)) {
            let message = format!(
                "Unsupported value: '{key}' does not support {value} with this model. Only the default (1) value is \
                 supported."
            );
            return Err(Refusal::new(Some("unsupported_value"), key, message));
        }
    }
    if request.get("max_tokens").is_some() {
        let message = "Unsupported parameter: 'max_tokens' is not supported with this model. Use \
                       'max_completion_tokens' instead.";
        return Err(Refusal::new(Some("unsupported_parameter"), "max_tokens", message));
    }
    if let Some(effort) = effort
        && !effort.as_str().is_some_and(|effort| model.efforts.contains(&effort))
    {
        let known: Vec<_> = model.efforts.iter().map(|effort| format!("'{effort}'")).collect();
        let message = format!(
            "Unsupported value: 'reasoning_effort' does not support {effort} with this model. Supported values are: {}.",
            known.join(", ")
        );
        return Err(Refusal::new(Some("unsupported_value"), "reasoning_effort", message));
    }
    Ok(())
}

fn check_format(request: &Value) -> Result<(), Refusal> {
    let Some(format) = request.get("response_format") else { return Ok(()) };
    let json_schema = &format["json_schema"];
    match format["type"].as_str() {
        Some("text" | "json_object") => return Ok(()),
        Some("json_schema") => {}
        _ => {
            let message = "Invalid value for 'response_format.type'. Supported values are: 'json_object', \
                           'json_schema', and 'text'.";
            return Err(Refusal::new(Some("invalid_value"), "response_format.type", message));
        }
    }
    let param = "response_format.json_schema.name";
    let Some(name) = json_schema["name"].as_str() else {
        return Err(Refusal::new(
            Some("missing_required_parameter"),
            param,
            format!("Missing required parameter: '{param}'."),
        ));
    };
    if name.is_empty() || name.len() > 64 {
        let message = format!("Invalid '{param}': expected a string with length from 1 to 64.");
        return Err(Refusal::new(Some("string_above_max_length"), param, message));
    }
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')) {
        let message = format!(
            "Invalid '{param}': string does not match pattern. Expected a string that matches the pattern \
             '^[a-zA-Z0-9_-]+$'."
        );
        return Err(Refusal::new(Some("invalid_value"), param, message));
    }
    if !json_schema["schema"].is_object() {
        let message = "Missing required parameter: 'response_format.json_schema.schema'.";
        return Err(Refusal::new(
            Some("missing_required_parameter"),
            "response_format.json_schema.schema",
            message,
        ));
    }
    if json_schema["strict"] == true {
        check_openai_strict(&json_schema["schema"]).map_err(|reason| {
            Refusal::new(
                None,
                "response_format",
                format!("Invalid schema for response_format '{name}': {reason}"),
            )
        })?;
    }
    Ok(())
}
