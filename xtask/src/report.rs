//! The demo's results as readable text.

use crate::{
    demo::Run,
    run::upstream_ms,
    ui::{self, table},
};
use oslira_api::{AnalysisResult, Findings};
use oslira_domain::scoring::Assessment;
use serde_json::{Value, json};
use std::io;

/// The parts that only deeper tiers have, in the order in which they are printed.
const SECTIONS: [&str; 5] = ["sellingPoints", "commercial", "psychographic", "outreach", "personality"];

/// Prints the table of all runs, and then explains each lead once.
pub(crate) fn print(runs: &[Run]) -> io::Result<()> {
    let mut overview = table([
        "username",
        "tier",
        "run",
        "score",
        "seconds",
        "in all",
        "upstream",
        "overhead",
        "credits",
        "cost",
        "cache hit",
    ]);
    for run in runs {
        let AnalysisResult { username, analysis_type, findings, cache_hit, credits_charged, .. } =
            &run.result;
        let (total_ms, upstream_ms) = (findings.timing.total_ms as f64, upstream_ms(&run.money.calls));
        overview.add_row([
            format!("@{username}"),
            analysis_type.as_str().to_uppercase(),
            run.label.to_owned(),
            findings.assessment.score.to_string(),
            format!("{:.1}", run.seconds),
            format!("{:.2} s", total_ms / 1000.0),
            format!("{:.2} s", upstream_ms / 1000.0),
            format!("{:.2} s", (total_ms - upstream_ms) / 1000.0),
            credits_charged.to_string(),
            format!("${:.4}", run.money.total_usd),
            if *cache_hit { "yes" } else { "no" }.to_owned(),
        ]);
    }
    ui::print(overview)?;
    ui::print(
        "seconds: from the request to the result, as the user waits. in all: from acceptance to the saved result.\n\
         upstream: the longest scrape and the longest AI task of the run. overhead: the rest.",
    )?;
    for run in runs.iter().filter(|run| run.label == "cold") {
        ui::print(explain(&run.result).trim_end())?;
    }
    Ok(())
}

/// Explains one lead's result.
fn explain(result: &AnalysisResult) -> String {
    let Findings { assessment, summary, deep_summary, timing, .. } = &result.findings;
    let mut text = format!(
        "\n@{}, {}: {} of 100, confidence {:.0} %\n\n{}\n",
        result.username,
        result.analysis_type.as_str().to_uppercase(),
        assessment.score,
        assessment.confidence * 100.0,
        wrap(summary, 2)
    );
    if let Some(deep_summary) = deep_summary {
        text += &format!("\n{}\n", wrap(deep_summary, 2));
    }
    text += &format!("\nWhat the score is made of\n{}", column(assessment));
    text += "\nFigures\n";
    let metrics = json!(assessment.metrics);
    for (name, value) in metrics.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
        text += &format!("  {:<26} {}\n", words(name), figure(value));
    }
    text += &sections(&json!(result.findings));
    text += "\nWhere the time went\n";
    let seconds = |milliseconds: i64| milliseconds as f64 / 1000.0;
    for step in &timing.steps {
        text += &format!("  {:<26} {:>6.2} s\n", step.name.as_str(), seconds(step.duration_ms));
    }
    text + &format!("  {:<26} {:>6.2} s\n", "in all", seconds(timing.total_ms))
}

/// The score as a column of points that adds up, each line with its reasons.
fn column(assessment: &Assessment) -> String {
    let line = |points: f64, name: &str, note: &str| {
        format!("{points:>8.1}  {:<17} {note}", words(name)).trim_end().to_owned() + "\n"
    };
    let mut text = String::new();
    for part in &assessment.sub_scores {
        let note = part.score.map_or_else(
            || "unknown".to_owned(),
            |score| format!("{score} of 100, weight {:.0} %", part.weight * 100.0),
        );
        text += &line(part.points, &part.name, &note);
        for evidence in &part.evidence {
            text += &format!("{}\n", wrap(&format!("- {evidence}"), 12));
        }
    }
    for flag in &assessment.quality_flags {
        text += &line(flag.points.into(), &figure(&json!(flag.code)), &flag.message);
    }
    for adjustment in &assessment.adjustments {
        text += &line(adjustment.points, &figure(&json!(adjustment.code)), &adjustment.message);
    }
    text + &format!("  ------\n{:>8.1}  the score\n", f64::from(assessment.score))
}

/// The texts that only deeper tiers have, such as selling points, outreach and personality.
fn sections(findings: &Value) -> String {
    let told = SECTIONS.iter().filter(|name| !findings[**name].is_null());
    told.map(|name| format!("\n{}\n{}", capital(&words(name)), nested(&findings[*name], 2))).collect()
}

fn nested(value: &Value, indent: usize) -> String {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| match value {
                Value::Object(_) | Value::Array(_) => {
                    format!("{:indent$}{}\n{}", "", words(name), nested(value, indent + 2))
                }
                _ => format!("{}\n", wrap(&format!("{}: {}", words(name), figure(value)), indent)),
            })
            .collect(),
        Value::Array(items) => items
            .iter()
            .map(|item| match item {
                Value::Object(_) => bulleted(&nested(item, indent + 2), indent),
                _ => format!("{}\n", wrap(&format!("- {}", figure(item)), indent)),
            })
            .collect(),
        _ => format!("{}\n", wrap(&figure(value), indent)),
    }
}

/// Puts a bullet before each line that is indented by two more than `indent`.
fn bulleted(lines: &str, indent: usize) -> String {
    let rest = lines.get(indent + 2..).unwrap_or(lines);
    format!("{:indent$}- {rest}", "")
}

/// `engagementRate` becomes `engagement rate`.
fn words(camel_case: &str) -> String {
    let mut words = String::new();
    for letter in camel_case.chars() {
        if letter.is_uppercase() {
            words.push(' ');
        }
        words.extend(letter.to_lowercase());
    }
    words
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn figure(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(figure).collect::<Vec<_>>().join(", "),
        Value::Number(number) if number.is_f64() => format!("{:.2}", number.as_f64().unwrap_or_default()),
        other => other.to_string(),
    }
}

/// Wraps lines at 100 characters and indents them. Existing line breaks stay.
fn wrap(text: &str, indent: usize) -> String {
    text.lines().map(|line| wrap_line(line, indent)).collect::<Vec<_>>().join("\n")
}

fn wrap_line(text: &str, indent: usize) -> String {
    const WIDTH: usize = 100;
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line_length = lines.last().map_or(0, |line| line.chars().count());
        if line_length > 0 && line_length + 1 + word.chars().count() > WIDTH - indent {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.iter().map(|line| format!("{:indent$}{line}", "")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result() -> AnalysisResult {
        serde_json::from_value(json!({
            "runId": "01932a5f-11aa-7c20-8f10-5e6f7a8b9c0d", "leadId": "12748b91-79db-4e5d-ba76-2aa9c5fb6014", "username": "maya", "analysisType": "light", "score": 27, "confidence": 0.8,
            "summary": "A good fit.", "subScores": [
                { "name": "aiFit", "score": 80, "weight": 0.457, "points": 36.6, "evidence": ["Posts about fitness."] },
                { "name": "geoFocus", "score": null, "weight": 0.0, "points": 0.0, "evidence": [] }
            ],
            "qualityFlags": [
                { "code": "followRatio", "message": "Follows many.", "points": -10 },
                { "code": "likesHidden", "message": "Hides likes.", "points": 0 }
            ],
            "adjustments": [{ "code": "rounding", "message": "The score is a whole number.", "points": 0.4 }],
            "metrics": {
                "followers": 1000, "following": 10, "postsCount": 12, "postsSeen": 12, "postsMeasured": 12, "hiddenLikes": 0,
                "engagementRate": 1.234, "averageLikes": null, "themes": ["a", "b"]
            },
            "deepSummary": "In full.", "sellingPoints": [{ "point": "Reach", "evidence": "Likes" }, { "point": "Trust", "evidence": "Replies" }], "dataAsOf": "2026-01-01T00:00:00Z", "cacheHit": false, "creditsCharged": 1,
            "timing": { "totalMs": 8200, "steps": [{ "name": "scraping", "durationMs": 6100 }], "slowestStep": "scraping" }
        }))
        .unwrap()
    }

    #[test]
    fn a_result_is_explained() {
        let text = explain(&result());
        for part in [
            "@maya, LIGHT: 27 of 100, confidence 80 %",
            "In full.",
            "
    36.6  ai fit            80 of 100, weight 46 %
            - Posts about fitness.
     0.0  geo focus         unknown
   -10.0  follow ratio      Follows many.
     0.0  likes hidden      Hides likes.
     0.4  rounding          The score is a whole number.
  ------
    27.0  the score
",
            "engagement rate            1.23",
            "a, b",
            "Selling points\n  - point: Reach\n    evidence: Likes\n  - point: Trust\n",
            "scraping                     6.10 s",
            "in all                       8.20 s",
        ] {
            assert!(text.contains(part), "{part:?} is missing in:\n{text}");
        }
        assert!(!text.contains("average likes"));
    }

    #[test]
    fn long_lines_are_wrapped() {
        let wrapped = wrap(&"word ".repeat(60), 4);
        assert!(wrapped.lines().count() > 2);
        assert!(wrapped.lines().all(|line| line.len() <= 100 && line.starts_with("    word")));
    }
}
