//! Anthropic's messages.
//!
//! No forced tool, no prefilled answer, no `temperature`: the newest models refuse them.

use crate::{
    Model, Question,
    call::{Content, Reply, Usage},
    question::data_with,
};
use serde::Deserialize;
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

pub(crate) fn reply(body: &[u8]) -> serde_json::Result<Reply> {
    #[derive(Deserialize)]
    struct Message {
        content: Vec<Block>,
        #[serde(default)]
        stop_reason: Option<String>,
        #[serde(default)]
        usage: Option<Counts>,
    }
    #[derive(Deserialize)]
    struct Block {
        r#type: String,
        #[serde(default)]
        text: Option<String>,
    }
    #[derive(Default, Deserialize)]
    struct Counts {
        #[serde(default)]
        input_tokens: Option<u64>,
        #[serde(default)]
        cache_creation_input_tokens: Option<u64>,
        #[serde(default)]
        cache_read_input_tokens: Option<u64>,
        #[serde(default)]
        output_tokens: Option<u64>,
    }

    let Message { content, stop_reason, usage } = serde_json::from_slice(body)?;
    let counts = usage.unwrap_or_default();
    let content = match stop_reason.as_deref() {
        Some("refusal") => Content::Refused,
        Some("max_tokens") => Content::Truncated,
        // Thinking comes first.
        _ => {
            let text = content.into_iter().find(|block| block.r#type == "text").and_then(|block| block.text);
            Content::Text(text.unwrap_or_default())
        }
    };
    // `input_tokens` counts neither what was read from the cache nor what was written to it.
    let cache_written = counts.cache_creation_input_tokens.unwrap_or_default();
    let usage = Usage {
        input: counts.input_tokens.unwrap_or_default() + cache_written,
        cache_written,
        cached: counts.cache_read_input_tokens.unwrap_or_default(),
        output: counts.output_tokens.unwrap_or_default(),
    };
    Ok(Reply { usage, content })
}
