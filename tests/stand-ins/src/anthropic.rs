//! Anthropic messages.

use crate::{
    answers::{self, Prompt},
    faults::{FaultKind, Stage},
    openai::text_of,
    prompt_cache::{marked_prefixes, tokens},
    random::seed,
    schemas::check_anthropic,
    state::Shared,
    upstream::Upstream,
};
use axum::{
    Json, Router,
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::{Value, json};
use uuid::Uuid;

const MODELS: &[&str] = &["claude-haiku-5-5", "claude-sonnet-5-5"];
const EFFORTS: &[&str] = &["low", "medium", "high", "xhigh", "max"];
const KNOWN_PARAMETERS: &[&str] = &[
    "model",
    "max_tokens",
    "system",
    "messages",
    "output_config",
    "metadata",
    "stop_sequences",
    "stream",
    "thinking",
    "tools",
    "tool_choice",
    "service_tier",
    "temperature",
    "top_p",
    "top_k",
    "cache_control",
];

/// The routes under `/anthropic`.
pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/v1/messages", post(answer))
        .fallback(|| async { error(StatusCode::NOT_FOUND, "not_found_error", "Not found") })
        .layer(middleware::from_fn(authorize))
}

fn error(status: StatusCode, kind: &str, message: &str) -> Response {
    let request_id = format!("req_{}", Uuid::new_v4().simple());
    let body =
        json!({ "type": "error", "error": { "type": kind, "message": message }, "request_id": request_id });
    (status, [("request-id", request_id)], Json(body)).into_response()
}

/// Anthropic's answer for a status, as a fault asks for it.
pub(crate) fn error_for_status(status: StatusCode, code: Option<&str>, message: Option<&str>) -> Response {
    let (kind, usual) = match status.as_u16() {
        401 => ("authentication_error", "invalid x-api-key"),
        402 => ("billing_error", "There is an issue with your billing or payment information."),
        403 => ("permission_error", "Your API key does not have permission to use the specified resource."),
        404 => ("not_found_error", "The requested resource could not be found."),
        413 => ("request_too_large", "Request exceeds the maximum allowed number of bytes."),
        429 => ("rate_limit_error", "This request would exceed your organization's rate limit."),
        504 => ("timeout_error", "The request timed out while processing."),
        529 => ("overloaded_error", "Overloaded"),
        500.. => ("api_error", "Internal server error"),
        _ => ("invalid_request_error", "The request is not valid."),
    };
    error(status, code.unwrap_or(kind), message.unwrap_or(usual))
}

async fn authorize(request: Request, next: Next) -> Response {
    match refusal_of(request.headers()) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    }
}

fn refusal_of(headers: &HeaderMap) -> Option<Response> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match header("x-api-key") {
        None => {
            return Some(error(
                StatusCode::UNAUTHORIZED,
                "authentication_error",
                "x-api-key header is required",
            ));
        }
        Some(key) if !key.starts_with("sk-ant-") => {
            return Some(error_for_status(StatusCode::UNAUTHORIZED, None, None));
        }
        Some(_) => {}
    }
    let message = match header("anthropic-version") {
        Some("2023-06-01") => return None,
        Some(version) => format!("anthropic-version: \"{version}\" is not a valid version."),
        None => "anthropic-version: header is required".to_owned(),
    };
    Some(error(StatusCode::BAD_REQUEST, "invalid_request_error", &message))
}

async fn answer(State(state): State<Shared>, body: String) -> Response {
    let Ok(request) = serde_json::from_str::<Value>(&body) else {
        return error(
            StatusCode::BAD_REQUEST,
            "invalid_request_error",
            "The request body is not valid JSON.",
        );
    };
    let model = request["model"].as_str().unwrap_or_default();
    if !model.is_empty() && !MODELS.contains(&model) {
        return error(StatusCode::NOT_FOUND, "not_found_error", &format!("model: {model}"));
    }
    if let Err(message) = check(&request) {
        return error(StatusCode::BAD_REQUEST, "invalid_request_error", &message);
    }
    let fault =
        state.faults.lock().strike(Upstream::Anthropic, Stage::Answer, "/anthropic/v1/messages", &body);
    let fault = fault.map(|rule| rule.kind);

    let prompt = Prompt { system: text_of(&request["system"]), content: content_of(&request) };
    let prompt_seed = seed(&prompt.text());
    let obedient = state.behaviour.lock().obedient;
    let schema = &request["output_config"]["format"]["schema"];
    let mut text = if schema.is_null() {
        answers::free_text(&prompt, obedient)
    } else {
        let answer = answers::answer(schema, &prompt, obedient);
        if fault == Some(FaultKind::InvalidAnswer) { answers::unfit(&answer) } else { answer }.to_string()
    };

    let blocks = blocks_of(&request);
    let total_tokens: u64 = blocks.iter().map(|(text, _)| tokens(text)).sum();
    // Another schema is another prompt to the cache.
    let prefixes = marked_prefixes(&format!("{model} {schema}"), &blocks);
    let read_tokens = state.anthropic_cache.longest(&prefixes);
    let marked_tokens = prefixes.last().map_or(0, |prefix| prefix.tokens);

    let thinking_tokens = if thinks(&request) { 120 + prompt_seed % 400 } else { 0 };
    let max_tokens = request["max_tokens"].as_u64().unwrap_or(u64::MAX);
    let mut output_tokens = thinking_tokens + tokens(&text);
    let mut stop_reason = "end_turn";
    if fault == Some(FaultKind::Truncated) || output_tokens > max_tokens {
        stop_reason = "max_tokens";
        let text_tokens = max_tokens.saturating_sub(thinking_tokens).min(tokens(&text) / 2);
        text = text.chars().take(text_tokens as usize * 4).collect();
        output_tokens = max_tokens.min(thinking_tokens + text_tokens);
    }
    let mut content = Vec::new();
    if fault == Some(FaultKind::Refusal) {
        (stop_reason, output_tokens) = ("refusal", 1);
    } else {
        if thinking_tokens > 0 {
            content.push(
                json!({ "type": "thinking", "thinking": "", "signature": format!("{prompt_seed:032x}") }),
            );
        }
        content.push(json!({ "type": "text", "text": text }));
    }

    let latency = state.latency.lock().anthropic.of_answer(output_tokens, prompt_seed);
    tokio::time::sleep(latency).await;
    state.anthropic_cache.remember(&prefixes);
    let created_tokens = marked_tokens - read_tokens;
    let body = json!({
        "id": format!("msg_{}", Uuid::new_v4().simple()), "type": "message", "role": "assistant", "model": model,
        "content": content, "stop_reason": stop_reason, "stop_sequence": null,
        "usage": {
            "input_tokens": total_tokens - marked_tokens,
            "cache_creation_input_tokens": created_tokens, "cache_read_input_tokens": read_tokens,
            "cache_creation": { "ephemeral_5m_input_tokens": created_tokens, "ephemeral_1h_input_tokens": 0 },
            "output_tokens": output_tokens, "service_tier": "standard",
        },
    });
    ([("request-id", format!("req_{}", Uuid::new_v4().simple()))], Json(body)).into_response()
}

/// Thinks when told to, and from medium effort on.
fn thinks(request: &Value) -> bool {
    match request["thinking"]["type"].as_str() {
        Some("disabled") => false,
        Some(_) => true,
        None => request["output_config"]["effort"].as_str().is_some_and(|effort| effort != "low"),
    }
}

fn content_of(request: &Value) -> String {
    let messages = request["messages"].as_array().into_iter().flatten();
    messages.map(|message| text_of(&message["content"])).collect::<Vec<_>>().join("\n")
}

/// The prompt's blocks in the order in which they are cached, each with whether it carries a cache mark.
fn blocks_of(request: &Value) -> Vec<(String, bool)> {
    let mut blocks = Vec::new();
    let mut add = |content: &Value| match content {
        Value::String(text) => blocks.push((text.clone(), false)),
        Value::Array(parts) => blocks.extend(parts.iter().map(|part| {
            let text = part["text"].as_str().map_or_else(|| part.to_string(), str::to_owned);
            (text, part["cache_control"]["type"] == "ephemeral")
        })),
        _ => {}
    };
    add(&request["tools"]);
    add(&request["system"]);
    for message in request["messages"].as_array().into_iter().flatten() {
        add(&message["content"]);
    }
    blocks
}

fn check(request: &Value) -> Result<(), String> {
    for key in request.as_object().into_iter().flat_map(|object| object.keys()) {
        if !KNOWN_PARAMETERS.contains(&key.as_str()) {
            return Err(format!("{key}: Extra inputs are not permitted"));
        }
    }
    if request["model"].as_str().is_none_or(str::is_empty) {
        return Err("model: Field required".into());
    }
    match request.get("max_tokens") {
        None => return Err("max_tokens: Field required".into()),
        Some(limit) if limit.as_u64().is_none_or(|limit| limit == 0) => {
            return Err("max_tokens: Input should be greater than or equal to 1".into());
        }
        Some(_) => {}
    }
    for key in ["temperature", "top_p", "top_k"] {
        if request.get(key).is_some() {
            return Err(format!("{key}: this parameter is not supported by this model"));
        }
    }
    if request["stream"] == true {
        return Err("stream: streaming is not imitated here".into());
    }
    if let Some("any" | "tool") = request["tool_choice"]["type"].as_str() {
        return Err("tool_choice: forced tool use is not supported by this model".into());
    }
    check_messages(request)?;
    check_output_config(request)
}

fn check_messages(request: &Value) -> Result<(), String> {
    let messages = request["messages"].as_array().filter(|list| !list.is_empty());
    let messages = messages.ok_or("messages: at least one message is required")?;
    for (index, message) in messages.iter().enumerate() {
        if !matches!(message["role"].as_str(), Some("user" | "assistant")) {
            return Err(format!("messages.{index}.role: Input should be 'user' or 'assistant'"));
        }
        if text_of(&message["content"]).is_empty() {
            return Err(format!("messages.{index}: all messages must have non-empty content"));
        }
    }
    if messages.last().is_some_and(|message| message["role"] == "assistant") {
        return Err(
            "This model does not support assistant message prefill. The conversation must end with a user message."
                .into(),
        );
    }
    let marks = blocks_of(request).iter().filter(|(_, is_marked)| *is_marked).count();
    if marks > 4 {
        return Err(format!("A maximum of 4 blocks with cache_control may be provided. Found {marks}."));
    }
    Ok(())
}

fn check_output_config(request: &Value) -> Result<(), String> {
    let config = &request["output_config"];
    if let Some(effort) = config.get("effort")
        && !effort.as_str().is_some_and(|effort| EFFORTS.contains(&effort))
    {
        return Err(format!("output_config.effort: Input should be one of {EFFORTS:?}"));
    }
    if let Some(format) = config.get("format") {
        if format["type"] != "json_schema" {
            return Err("output_config.format.type: Input should be 'json_schema'".into());
        }
        if !format["schema"].is_object() {
            return Err("output_config.format.schema: Field required".into());
        }
        check_anthropic(&format["schema"])
            .map_err(|reason| format!("output_config.format.schema: {reason}"))?;
    }
    Ok(())
}
