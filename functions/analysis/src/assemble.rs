//! Putting a result together: the score with its explanation, the tier's own sections, and where the time went.

use crate::{prompt::FitAnswer, run, sections};
use jiff::Timestamp;
use oslira_domain::{
    Error, Icp, Result, RunStatus, Snapshot, Tier,
    scoring::{Assessment, Fit, Metrics, assess, quality_flags},
};
use oslira_stores::Progress;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// What a result is made of.
pub(crate) struct Material<'a> {
    pub(crate) tier: Tier,
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) icp: Option<&'a Icp>,
    /// By the names of their tasks.
    pub(crate) answers: &'a Map<String, Value>,
    /// When the run was accepted.
    pub(crate) created_at: Timestamp,
    /// The progress item, unless it was lost.
    pub(crate) progress: Option<&'a Progress>,
}

/// The assessment, and the result: the assessment with the sections and the timing.
pub(crate) fn assemble(material: &Material<'_>, now: Timestamp) -> Result<(Assessment, Value)> {
    let Material { tier, snapshot, icp, answers, .. } = material;
    let (FitAnswer { fit_score, confidence, reasons }, sections) = sections::of(*tier, answers)?;
    let metrics = Metrics::of(&snapshot.profile, snapshot.scraped_at);
    let flags = quality_flags(&snapshot.profile, &metrics);
    let fit = Fit { score: fit_score, confidence, reasons };
    let assessment = assess(&snapshot.profile, metrics, flags, *icp, fit);
    let mut result = json!(assessment);
    if let Value::Object(result) = &mut result {
        result.extend(sections);
    }
    result["timing"] = timing(material.created_at, material.progress, now);
    Ok((assessment, result))
}

/// A result as it was kept, with the points of its score: one that was kept before there were any gets them here.
pub(crate) fn with_points(mut result: Value) -> Result<Value> {
    if result["adjustments"].is_null() {
        let kept = Assessment::deserialize(&result).map_err(Error::internal)?;
        if let (Value::Object(result), Value::Object(assessment)) = (&mut result, json!(kept.itemised())) {
            result.extend(assessment);
        }
    }
    Ok(result)
}

/// `{totalMs, steps: [{name, durationMs}], slowestStep}`: how long the run was in each status, from its acceptance on.
fn timing(created_at: Timestamp, progress: Option<&Progress>, saved_at: Timestamp) -> Value {
    let reached = progress.map(|progress| progress.reached.as_slice()).unwrap_or_default();
    // Postgres knows when it was accepted; the item may have been made by a later step.
    let begun = reached.iter().filter(|(status, _)| *status != RunStatus::Queued).copied();
    let begun: Vec<_> = std::iter::once((RunStatus::Queued, created_at)).chain(begun).collect();
    let ends = begun.iter().skip(1).map(|(_, at)| *at).chain([saved_at]);
    let steps: Vec<(&str, i64)> = begun
        .iter()
        .zip(ends)
        .map(|((status, from), to)| (status.as_str(), run::elapsed_ms(*from, to)))
        .collect();
    let slowest = steps.iter().max_by_key(|(_, ms)| *ms).map(|(name, _)| *name);
    let steps: Vec<Value> = steps.iter().map(|(name, ms)| json!({"name": name, "durationMs": ms})).collect();
    let total_ms = run::elapsed_ms(created_at, saved_at);
    json!({"totalMs": total_ms, "steps": steps, "slowestStep": slowest})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_lasts_until_the_next_begins() {
        let at = |ms| Timestamp::from_millisecond(ms).unwrap();
        let progress = Progress {
            account_id: None,
            status: RunStatus::Saving,
            percent: 90,
            step: String::new(),
            created_at: at(0),
            updated_at: at(9_000),
            cancel_requested: false,
            reached: vec![
                (RunStatus::Queued, at(90)),
                (RunStatus::Scraping, at(300)),
                (RunStatus::Analyzing, at(6_300)),
                (RunStatus::Saving, at(8_800)),
            ],
            failure: None,
        };
        let timing = timing(at(0), Some(&progress), at(8_900));
        let durations: Vec<i64> = timing["steps"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|step| step["durationMs"].as_i64())
            .collect();
        assert_eq!(durations, [300, 6_000, 2_500, 100]);
        assert_eq!(timing["slowestStep"], "scraping");
    }

    #[test]
    fn a_run_without_a_bar_has_a_total_all_the_same() {
        let at = |ms| Timestamp::from_millisecond(ms).unwrap();
        let timing = timing(at(0), None, at(100));
        let steps = json!([{"name": "queued", "durationMs": 100}]);
        assert_eq!(timing, json!({"totalMs": 100, "steps": steps, "slowestStep": "queued"}));
    }
}
