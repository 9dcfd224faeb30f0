//! OpenAI chat completions and the list of models.

mod check;

use crate::{
    answers::{self, Prompt},
    faults::{FaultKind, Stage},
    prompt_cache::{stepped_prefixes, tokens},
    random::seed,
    state::Shared,
    upstream::Upstream,
};
use axum::{
    Json, Router,
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

struct Model {
    id: &'static str,
    efforts: &'static [&'static str],
    shutdown_date: Option<&'static str>,
}

const CURRENT_EFFORTS: &[&str] = &["none", "low", "medium", "high", "xhigh", "max"];
const GPT_5_EFFORTS: &[&str] = &["minimal", "low", "medium", "high"];

/// The models there are. One without efforts does not reason, and takes the older parameters.
const MODELS: &[Model] = &[
    Model { id: "gpt-6-luna", efforts: CURRENT_EFFORTS, shutdown_date: None },
    Model { id: "gpt-6.1-terra", efforts: CURRENT_EFFORTS, shutdown_date: None },
    Model { id: "gpt-6.1-sol", efforts: CURRENT_EFFORTS, shutdown_date: None },
    Model { id: "gpt-5", efforts: GPT_5_EFFORTS, shutdown_date: Some("2026-12-11") },
    Model { id: "gpt-5-mini", efforts: GPT_5_EFFORTS, shutdown_date: Some("2026-12-11") },
    Model { id: "gpt-4o-mini", efforts: &[], shutdown_date: Some("2027-01-14") },
];

/// The routes under `/openai`.
pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/chat/completions", post(complete))
        .route("/models", get(list_models))
        .fallback(|| async {
            error(StatusCode::NOT_FOUND, "invalid_request_error", None, Value::Null, "Invalid URL")
        })
        .layer(middleware::from_fn(authorize))
}

fn error(status: StatusCode, kind: &str, code: Option<&str>, param: Value, message: &str) -> Response {
    let body = json!({ "error": { "message": message, "type": kind, "param": param, "code": code } });
    (status, [("x-request-id", format!("req_{}", Uuid::new_v4().simple()))], Json(body)).into_response()
}

/// OpenAI's answer for a status, as a fault asks for it.
pub(crate) fn error_for_status(status: StatusCode, code: Option<&str>, message: Option<&str>) -> Response {
    let (kind, usual, usual_message) = match (status.as_u16(), code) {
        (429, Some("insufficient_quota")) => (
            "insufficient_quota",
            Some("insufficient_quota"),
            "You exceeded your current quota, please check your plan and billing details.",
        ),
        (429, _) => (
            "requests",
            Some("rate_limit_exceeded"),
            "Rate limit reached for requests. Please try again later.",
        ),
        (401, _) => ("invalid_request_error", Some("invalid_api_key"), "Incorrect API key provided."),
        (404, _) => (
            "invalid_request_error",
            Some("model_not_found"),
            "The model does not exist or you do not have access to it.",
        ),
        (503, _) => {
            ("server_error", None, "The server is currently overloaded with other requests. Please retry.")
        }
        (500.., _) => {
            ("server_error", None, "The server had an error while processing your request. Sorry about that!")
        }
        _ => ("invalid_request_error", None, "The request is not valid."),
    };
    error(status, kind, code.or(usual), Value::Null, message.unwrap_or(usual_message))
}

async fn authorize(request: Request, next: Next) -> Response {
    let header = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    match header.and_then(|value| value.strip_prefix("Bearer ")) {
        Some(key) if key.starts_with("sk-") => next.run(request).await,
        Some(_) => error_for_status(StatusCode::UNAUTHORIZED, None, None),
        None => {
            let message = "You didn't provide an API key. You need to provide it in an Authorization header using Bearer \
                           auth (i.e. Authorization: Bearer YOUR_KEY).";
            error(StatusCode::UNAUTHORIZED, "invalid_request_error", None, Value::Null, message)
        }
    }
}

async fn list_models(State(state): State<Shared>) -> Response {
    let changed = state.behaviour.lock().shutdown_dates.clone();
    let models: Vec<_> = MODELS
        .iter()
        .map(|model| {
            let shutdown_date = match changed.get(model.id) {
                Some(date) => json!(date),
                None => json!(model.shutdown_date),
            };
            json!({
                "id": model.id, "object": "model", "created": 1_760_000_000, "owned_by": "system",
                "shutdown_date": shutdown_date,
            })
        })
        .collect();
    Json(json!({ "object": "list", "data": models })).into_response()
}

async fn complete(State(state): State<Shared>, body: String) -> Response {
    let Ok(request) = serde_json::from_str::<Value>(&body) else {
        let message = "We could not parse the JSON body of your request.";
        return error(StatusCode::BAD_REQUEST, "invalid_request_error", None, Value::Null, message);
    };
    let name = request["model"].as_str().unwrap_or_default();
    let Some(model) = MODELS.iter().find(|model| model.id == name) else {
        if name.is_empty() {
            let message = "you must provide a model parameter";
            return error(StatusCode::BAD_REQUEST, "invalid_request_error", None, Value::Null, message);
        }
        let message = format!("The model `{name}` does not exist or you do not have access to it.");
        let code = Some("model_not_found");
        return error(StatusCode::NOT_FOUND, "invalid_request_error", code, Value::Null, &message);
    };
    if let Err(refusal) = check::check(&request, model) {
        let param = json!(refusal.param);
        return error(
            StatusCode::BAD_REQUEST,
            "invalid_request_error",
            refusal.code,
            param,
            &refusal.message,
        );
    }
    let fault =
        state.faults.lock().strike(Upstream::Openai, Stage::Answer, "/openai/chat/completions", &body);
    let fault = fault.map(|rule| rule.kind);

    let prompt = prompt_of(&request);
    let obedient = state.behaviour.lock().obedient;
    let schema = &request["response_format"]["json_schema"]["schema"];
    let prompt_seed = seed(&prompt.text());
    let mut content = match request["response_format"]["type"].as_str() {
        Some("json_schema") => {
            let answer = answers::answer(schema, &prompt, obedient);
            if fault == Some(FaultKind::InvalidAnswer) { answers::unfit(&answer) } else { answer }.to_string()
        }
        Some("json_object") => json!({ "answer": answers::free_text(&prompt, obedient) }).to_string(),
        _ => answers::free_text(&prompt, obedient),
    };

    // The schema stands before the messages, and is cached with them.
    let scope = format!("{name} {}", request["prompt_cache_key"].as_str().unwrap_or_default());
    let schema_text = if schema.is_null() { String::new() } else { schema.to_string() };
    let prompt_text = format!("{schema_text}\n{}", prompt.text());
    let prefixes = stepped_prefixes(&scope, &prompt_text);
    let cached_tokens = state.openai_cache.longest(&prefixes);

    let reasoning_tokens = reasoning_tokens(request["reasoning_effort"].as_str(), model, prompt_seed);
    let limit = ["max_completion_tokens", "max_tokens"].iter().find_map(|key| request[*key].as_u64());
    let mut finish_reason = "stop";
    let mut answer_tokens = tokens(&content);
    let over = limit.filter(|limit| reasoning_tokens + answer_tokens > *limit);
    if fault == Some(FaultKind::Truncated) || over.is_some() {
        finish_reason = "length";
        answer_tokens = over.map_or(answer_tokens / 2, |limit| limit.saturating_sub(reasoning_tokens));
        content = content.chars().take(answer_tokens as usize * 4).collect();
    }
    let (content, refusal) = match fault {
        Some(FaultKind::Refusal) => (Value::Null, json!("I'm sorry, but I can't help with that request.")),
        _ => (json!(content), Value::Null),
    };
    let completion_tokens = limit.map_or(u64::MAX, |limit| limit).min(reasoning_tokens + answer_tokens);

    let latency = state.latency.lock().openai.of_answer(completion_tokens, prompt_seed);
    tokio::time::sleep(latency).await;
    state.openai_cache.remember(&prefixes);
    let prompt_tokens = tokens(&prompt_text);
    let body = json!({
        "id": format!("chatcmpl-{}", Uuid::new_v4().simple()), "object": "chat.completion",
        "created": Timestamp::now().as_second(), "model": name,
        "choices": [{
            "index": 0, "finish_reason": finish_reason, "logprobs": null,
            "message": { "role": "assistant", "content": content, "refusal": refusal, "annotations": [] },
        }],
        "usage": {
            "prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
            "prompt_tokens_details": { "cached_tokens": cached_tokens, "audio_tokens": 0 },
            "completion_tokens_details": {
                "reasoning_tokens": reasoning_tokens.min(completion_tokens), "audio_tokens": 0,
                "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
            },
        },
        "service_tier": "default", "system_fingerprint": null,
    });
    ([("x-request-id", format!("req_{}", Uuid::new_v4().simple()))], Json(body)).into_response()
}

/// How many tokens a model thinks before it answers: about as many as its effort suggests.
fn reasoning_tokens(effort: Option<&str>, model: &Model, seed: u64) -> u64 {
    if model.efforts.is_empty() {
        return 0;
    }
    let usual = match effort.unwrap_or("medium") {
        "none" | "minimal" => return 0,
        "low" => 2,
        "high" => 20,
        "xhigh" => 40,
        "max" => 64,
        _ => 6,
    };
    (usual + seed % (usual / 2 + 1)) * 64
}

fn prompt_of(request: &Value) -> Prompt {
    let mut prompt = Prompt { system: String::new(), content: String::new() };
    for message in request["messages"].as_array().into_iter().flatten() {
        let part = match message["role"].as_str() {
            Some("system" | "developer") => &mut prompt.system,
            _ => &mut prompt.content,
        };
        part.push_str(&text_of(&message["content"]));
        part.push('\n');
    }
    prompt
}

/// The text of a message's content: a string, or parts of which some are text.
pub(crate) fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}
