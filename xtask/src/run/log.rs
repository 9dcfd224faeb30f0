//! Log lines for people, and what an anonymous run's lines say about its cost.

use super::gathered::{Call, Line};
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};

/// Fields that are shown elsewhere, or say nothing about the run.
const LEFT_OUT: [&str; 13] = [
    "timestamp",
    "level",
    "message",
    "function",
    "requestId",
    "runId",
    "accountId",
    "coldStart",
    "durationMs",
    "outcome",
    "class",
    "target",
    "status",
];
/// When more lines than this are alike, they are shown once. A front end asks five times a second.
const MOST_ALIKE: usize = 3;

/// Parses the lines and sorts them, oldest first. The results are objects that include the function. A line
/// that is not JSON becomes the object's `message`.
pub(super) fn sorted(lines: Vec<Line>) -> Vec<Value> {
    let mut lines: Vec<Value> = lines.into_iter().map(object).collect();
    // The sort is stable: lines without a time come first.
    lines.sort_by_key(|line| line["timestamp"].as_str().unwrap_or_default().to_owned());
    lines
}

fn object(line: Line) -> Value {
    let mut fields = match serde_json::from_str(&line.text) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::from_iter([("message".to_owned(), Value::String(line.text))]),
    };
    fields.insert("function".to_owned(), Value::String(line.function));
    Value::Object(fields)
}

/// Returns the lines as text, with lines that are alike folded into one.
pub(super) fn folded(lines: &[Value]) -> Vec<String> {
    let key = |line: &Value| ["function", "level", "message", "outcome"].map(|name| line[name].to_string());
    let mut counts: HashMap<_, usize> = HashMap::new();
    for line in lines {
        *counts.entry(key(line)).or_default() += 1;
    }
    let mut folded = HashSet::new();
    let mut told: Vec<String> = Vec::new();
    for line in lines {
        let key = key(line);
        match counts.get(&key) {
            Some(count) if *count > MOST_ALIKE => {
                if folded.insert(key) {
                    told.push(format!("{}  (one of {count} like it)", text(line)));
                }
            }
            _ => told.push(text(line)),
        }
    }
    told
}

fn text(line: &Value) -> String {
    let word = |name: &str| line.get(name).map(plain).unwrap_or_default();
    let time = word("timestamp").get(11..23).unwrap_or_default().to_owned();
    let mut parts = vec![format!("{time:<12}  {:<24}", word("function"))];
    let message = word("message");
    let quoted = if message == "invocation" { String::new() } else { format!("\"{message}\"") };
    let words = [word("level"), quoted, word("outcome"), word("status")];
    parts.extend(words.into_iter().filter(|word| !word.is_empty() && word != "INFO"));
    parts.extend(line.get("durationMs").map(|ms| format!("{} ms", plain(ms))));
    let fields = line.as_object().into_iter().flatten();
    let rest = fields.filter(|(name, _)| !LEFT_OUT.contains(&name.as_str()));
    parts.extend(rest.map(|(name, value)| format!("{name}={}", plain(value))));
    parts.join(" ").trim_end().to_owned()
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Returns the calls that the lines report. An account's run has rows for its calls; an anonymous run has
/// lines only.
pub(super) fn calls(lines: &[Value]) -> Vec<Call> {
    lines.iter().filter_map(call).collect()
}

fn call(line: &Value) -> Option<Call> {
    let cost_usd = line["costUsd"].as_f64()?;
    let text = |name: &str| line[name].as_str().map(str::to_owned);
    let count = |name: &str| line[name].as_u64().unwrap_or(0);
    let flag = |name: &str| line[name].as_bool().unwrap_or(false);
    let actor = text("actor");
    let provider = if actor.is_some() { Some("apify".to_owned()) } else { text("provider") };
    Some(Call {
        task: text("task").unwrap_or_else(|| "scoring".to_owned()),
        provider: provider?,
        model: actor.or_else(|| text("model")).unwrap_or_default(),
        input_tokens: count("inputTokens"),
        cached_tokens: count("cachedTokens"),
        output_tokens: count("outputTokens"),
        cost_usd,
        duration_ms: count("durationMs"),
        is_fallback: flag("isFallback"),
        is_cache_hit: flag("isCacheHit"),
        outcome: text("outcome").unwrap_or_default().to_lowercase(),
        created_at: text("timestamp")?.parse::<Timestamp>().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn line(second: u32, more: Value) -> Line {
        let mut line = json!({
            "timestamp": format!("2026-11-24T21:50:{second:02}.123456Z"), "level": "INFO", "message": "invocation",
            "requestId": "r", "runId": "01", "coldStart": true, "durationMs": 240,
            "outcome": "ok", "class": "INFO", "target": "oslira_lambda::telemetry",
        });
        line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Line { function: "scrape-profiles".to_owned(), text: line.to_string() }
    }

    #[test]
    fn a_line_tells_what_happened_and_not_what_is_the_same_in_all() {
        let lines = [
            line(9, json!({"outcome": "ApifyBusy", "level": "WARN", "cause": "no slot"})),
            line(8, json!({})),
            Line { function: "save-analysis".to_owned(), text: "START RequestId: 01".to_owned() },
            line(
                10,
                json!({"message": "circuit breaker open", "upstream": "apify", "outcome": "", "durationMs": 1}),
            ),
        ];
        assert_eq!(
            folded(&sorted(lines.into())),
            [
                "              save-analysis            \"START RequestId: 01\"",
                "21:50:08.123  scrape-profiles          ok 240 ms",
                "21:50:09.123  scrape-profiles          WARN ApifyBusy 240 ms cause=no slot",
                "21:50:10.123  scrape-profiles          \"circuit breaker open\" 1 ms upstream=apify",
            ]
        );
    }

    #[test]
    fn what_a_front_end_asks_again_and_again_is_told_once() {
        let mut lines: Vec<Line> = (0..9).map(|second| line(second, json!({}))).collect();
        lines.push(line(20, json!({"outcome": "RunCancelled"})));
        let told = folded(&sorted(lines));
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].starts_with("21:50:00") && told[0].ends_with("(one of 9 like it)"), "{told:?}");
        let few = (0..3).map(|second| line(second, json!({}))).collect();
        assert_eq!(folded(&sorted(few)).len(), 3);
    }

    #[test]
    fn an_anonymous_runs_cost_is_in_its_lines() {
        let lines = [
            line(
                1,
                json!({"message": "a scrape", "task": "scrape", "actor": "profiles", "costUsd": 0.0028, "outcome": null}),
            ),
            line(
                2,
                json!({
                    "message": "an AI call", "provider": "openai", "model": "gpt", "inputTokens": 10, "cachedTokens": 5,
                    "outputTokens": 7, "costUsd": 0.001, "isFallback": true, "isCacheHit": false, "outcome": "Answered",
                }),
            ),
            line(3, json!({})),
        ];
        let calls = calls(&sorted(lines.into()));
        let told: Vec<_> =
            calls.iter().map(|call| (&*call.task, &*call.provider, &*call.model, call.cost_usd)).collect();
        assert_eq!(told, [("scrape", "apify", "profiles", 0.0028), ("scoring", "openai", "gpt", 0.001)]);
        assert_eq!((&*calls[1].outcome, calls[1].is_fallback, calls[1].output_tokens), ("answered", true, 7));
    }
}
