//! Anthropic's messages API.
//!
//! Requests have no forced tool, no prefilled answer and no `temperature`: the newest models refuse them.

use crate::{
    Model, Question,
    call::{Content, Reply},
    json::Part,
    question::data_with,
    usage::{Told, figure, figure_or_none},
};
use serde::{Deserialize, de::Error as _};
use serde_json::{Value, json};

/// The version of the API, sent as `anthropic-version`.
pub(crate) const VERSION: &str = "2023-06-01";

pub(crate) fn request(model: &Model, question: &Question<'_>, correction: Option<&str>) -> Value {
    let mut output_config = json!({"format": {"type": "json_schema", "schema": question.schema}});
    if let Some(effort) = model.effort(question.effort) {
        output_config["effort"] = effort.into();
    }
    json!({
        "model": model.id,
        "max_tokens": question.max_output_tokens,
        "system": [{"type": "text", "text": question.instructions, "cache_control": {"type": "ephemeral"}}],
        "messages": [{"role": "user", "content": data_with(question, correction)}],
        "output_config": output_config,
    })
}

/// Reads an answer. It fails only when the body is not a message at all.
pub(crate) fn reply(body: &[u8]) -> serde_json::Result<Reply> {
    #[derive(Deserialize)]
    struct Message {
        #[serde(default)]
        content: Part,
        #[serde(default)]
        stop_reason: Part,
        #[serde(default)]
        usage: Part,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Counts {
        input_tokens: Part,
        cache_creation_input_tokens: Part,
        cache_read_input_tokens: Part,
        output_tokens: Part,
    }

    let Message { content, stop_reason, usage } = oslira_upstream::json(body)?;
    if content.is_absent() && stop_reason.is_absent() {
        return Err(serde_json::Error::custom("no message"));
    }
    let content = match stop_reason.read::<String>().as_deref() {
        Some("refusal") => Content::Refused,
        Some("max_tokens") => Content::Truncated,
        // Thinking comes first and is not text.
        _ => Content::Text(content.text()),
    };
    let counts: Counts = usage.read().unwrap_or_default();
    let told = Told {
        prompt: None,
        // This figure leaves out the tokens read from the cache and those written to it.
        fresh: figure(&counts.input_tokens),
        cache_written: figure_or_none(&counts.cache_creation_input_tokens),
        cached: figure_or_none(&counts.cache_read_input_tokens),
        output: figure(&counts.output_tokens),
    };
    Ok(Reply { told, content })
}
