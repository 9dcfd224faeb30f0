//! OpenAI's chat completions API.
//!
//! `temperature` and `max_tokens` are never sent: current models refuse them.

use crate::{
    Model, Question,
    call::{Content, Reply},
    json::Part,
    question::data_with,
    usage::{Told, figure, figure_or_none},
};
use jiff::civil::Date;
use serde::{Deserialize, de::Error as _};
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

/// Reads an answer. It fails only when the body is not a completion at all.
pub(crate) fn reply(body: &[u8]) -> serde_json::Result<Reply> {
    #[derive(Deserialize)]
    struct Completion {
        #[serde(default)]
        choices: Part,
        #[serde(default)]
        usage: Part,
    }
    #[derive(Deserialize)]
    struct Choice {
        message: Message,
        #[serde(default)]
        finish_reason: Part,
    }
    #[derive(Deserialize)]
    struct Message {
        #[serde(default)]
        content: Part,
        #[serde(default)]
        refusal: Part,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Counts {
        prompt_tokens: Part,
        completion_tokens: Part,
        prompt_tokens_details: Part,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Details {
        cached_tokens: Part,
    }

    let Completion { choices, usage } = oslira_upstream::json(body)?;
    // The request asked for one choice, so the first one counts, whatever else there is.
    let first = choices.items::<Choice>().and_then(|choices| choices.into_iter().next());
    let Choice { message, finish_reason } = first.ok_or_else(|| serde_json::Error::custom("no choice"))?;
    let content = match finish_reason.read::<String>().as_deref() {
        _ if message.refusal.read::<String>().is_some_and(|it| !it.is_empty()) => Content::Refused,
        Some("content_filter") => Content::Refused,
        Some("length") => Content::Truncated,
        _ => Content::Text(message.content.text()),
    };
    let counts: Counts = usage.read().unwrap_or_default();
    let details: Details = counts.prompt_tokens_details.read().unwrap_or_default();
    // This figure includes the cached tokens.
    let prompt = figure(&counts.prompt_tokens);
    let cached = figure_or_none(&details.cached_tokens);
    let told = Told {
        prompt,
        fresh: prompt.map(|prompt| prompt.saturating_sub(cached.unwrap_or_default())),
        cache_written: Some(0),
        cached,
        output: figure(&counts.completion_tokens),
    };
    Ok(Reply { told, content })
}

/// The dates in a list of models. Entries without a name or a date are left out.
pub(crate) fn shutdown_dates(body: &[u8]) -> serde_json::Result<BTreeMap<String, Date>> {
    #[derive(Deserialize)]
    struct List {
        data: Vec<Part>,
    }
    #[derive(Deserialize)]
    struct Listed {
        id: String,
        shutdown_date: Date,
    }
    let List { data } = oslira_upstream::json(body)?;
    let dates = data.iter().filter_map(Part::read::<Listed>);
    Ok(dates.map(|model| (model.id, model.shutdown_date)).collect())
}
