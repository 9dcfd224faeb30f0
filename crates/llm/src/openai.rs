//! OpenAI's chat completions.
//!
//! `temperature` and `max_tokens` are never sent: current models refuse them.

use crate::{
    Model, Question,
    call::{Content, Reply, Usage},
    question::data_with,
};
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// OpenAI's limit for `prompt_cache_key`.
const MAX_CACHE_KEY_CHARS: usize = 64;

pub(crate) fn request(model: &Model, question: &Question<'_>, correction: Option<&str>) -> Value {
    let mut body = json!({
        "model": model.id,
        "messages": [
            {"role": "system", "content": question.instructions},
            {"role": "user", "content": data_with(question, correction)},
        ],
        "max_completion_tokens": question.max_output_tokens,
        "prompt_cache_key": question.cache_key.chars().take(MAX_CACHE_KEY_CHARS).collect::<String>(),
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": question.schema_name, "strict": true, "schema": question.schema},
        },
    });
    if let Some(effort) = model.effort(question.effort) {
        body["reasoning_effort"] = effort.into();
    }
    body
}

pub(crate) fn reply(body: &[u8]) -> serde_json::Result<Reply> {
    #[derive(Deserialize)]
    struct Completion {
        choices: [Choice; 1],
        #[serde(default)]
        usage: Option<Counts>,
    }
    #[derive(Deserialize)]
    struct Choice {
        message: Message,
        #[serde(default)]
        finish_reason: Option<String>,
    }
    #[derive(Deserialize)]
    struct Message {
        #[serde(default)]
        content: Option<String>,
        #[serde(default)]
        refusal: Option<String>,
    }
    #[derive(Default, Deserialize)]
    struct Counts {
        #[serde(default)]
        prompt_tokens: Option<u64>,
        #[serde(default)]
        completion_tokens: Option<u64>,
        #[serde(default)]
        prompt_tokens_details: Option<Details>,
    }
    #[derive(Default, Deserialize)]
    struct Details {
        #[serde(default)]
        cached_tokens: Option<u64>,
    }

    let Completion { choices: [Choice { message, finish_reason }], usage } = serde_json::from_slice(body)?;
    let counts = usage.unwrap_or_default();
    let cached = counts.prompt_tokens_details.and_then(|details| details.cached_tokens).unwrap_or_default();
    let content = match finish_reason.as_deref() {
        _ if message.refusal.is_some() => Content::Refused,
        Some("content_filter") => Content::Refused,
        Some("length") => Content::Truncated,
        _ => Content::Text(message.content.unwrap_or_default()),
    };
    // `prompt_tokens` includes the cached ones.
    let input = counts.prompt_tokens.unwrap_or_default().saturating_sub(cached);
    let output = counts.completion_tokens.unwrap_or_default();
    Ok(Reply { usage: Usage { input, cache_written: 0, cached, output }, content })
}

/// The dates in a list of models.
pub(crate) fn shutdown_dates(body: &[u8]) -> serde_json::Result<BTreeMap<String, Date>> {
    #[derive(Deserialize)]
    struct List {
        data: Vec<Listed>,
    }
    #[derive(Deserialize)]
    struct Listed {
        id: String,
        #[serde(default)]
        shutdown_date: Option<Date>,
    }
    let List { data } = serde_json::from_slice(body)?;
    Ok(data.into_iter().filter_map(|model| Some((model.id, model.shutdown_date?))).collect())
}
