//! Putting a result together: the score with its explanation, the tier's own sections, and where the time went.

use crate::{prompt::FitAnswer, run, sections};
use jiff::Timestamp;
use oslira_api::{Findings, TimedStep, Timing};
use oslira_domain::{
    Error, Icp, Result, RunStatus, Snapshot, Tier,
    scoring::{Fit, Metrics, assess, quality_flags},
};
use oslira_stores::Progress;
use serde_json::{Map, Value, json};

/// What a result is made from.
pub(crate) struct Material<'a> {
    pub(crate) tier: Tier,
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) icp: Option<&'a Icp>,
    /// By the names of their tasks.
    pub(crate) answers: &'a Map<String, Value>,
    /// When the run was accepted.
    pub(crate) created_at: Timestamp,
    /// `None` when the item was lost.
    pub(crate) progress: Option<&'a Progress>,
}

/// The assessment, the tier's sections and the timing.
pub(crate) fn assemble(material: &Material<'_>, now: Timestamp) -> Result<Findings> {
    let Material { tier, snapshot, icp, answers, .. } = material;
    let (FitAnswer { fit_score, confidence, reasons }, mut findings) = sections::of(*tier, answers)?;
    let metrics = Metrics::of(&snapshot.profile, snapshot.scraped_at);
    let flags = quality_flags(&snapshot.profile, &metrics);
    let fit = Fit { score: fit_score, confidence, reasons };
    let assessment = assess(&snapshot.profile, metrics, flags, *icp, fit);
    if let Value::Object(assessment) = json!(assessment) {
        findings.extend(assessment);
    }
    findings.insert("timing".to_owned(), json!(timing(material.created_at, material.progress, now)));
    // The parser's own message is left out, because it may quote the model.
    serde_json::from_value(Value::Object(findings))
        .map_err(|_| Error::internal("the answers do not make a result"))
}

/// How long the run was in each status, from its acceptance on.
fn timing(created_at: Timestamp, progress: Option<&Progress>, saved_at: Timestamp) -> Timing {
    let reached = progress.map(|progress| progress.reached.as_slice()).unwrap_or_default();
    // Postgres knows when the run was accepted. The item may have been made by a later step.
    let begun = reached.iter().filter(|(status, _)| *status != RunStatus::Queued).copied();
    let begun: Vec<_> = std::iter::once((RunStatus::Queued, created_at)).chain(begun).collect();
    let ends = begun.iter().skip(1).map(|(_, at)| *at).chain([saved_at]);
    let steps: Vec<TimedStep> = begun
        .iter()
        .zip(ends)
        .map(|((name, from), to)| TimedStep { name: *name, duration_ms: run::elapsed_ms(*from, to) })
        .collect();
    let slowest = steps.iter().max_by_key(|step| step.duration_ms);
    let slowest_step = slowest.map_or(RunStatus::Queued, |step| step.name);
    Timing { total_ms: run::elapsed_ms(created_at, saved_at), steps, slowest_step }
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
        let durations: Vec<i64> = timing.steps.iter().map(|step| step.duration_ms).collect();
        assert_eq!(durations, [300, 6_000, 2_500, 100]);
        assert_eq!(timing.slowest_step, RunStatus::Scraping);
    }

    #[test]
    fn a_run_without_a_bar_has_a_total_all_the_same() {
        let at = |ms| Timestamp::from_millisecond(ms).unwrap();
        let timing = timing(at(0), None, at(100));
        let steps = vec![TimedStep { name: RunStatus::Queued, duration_ms: 100 }];
        assert_eq!(timing, Timing { total_ms: 100, steps, slowest_step: RunStatus::Queued });
    }
}
