//! `save-analysis`: puts the score together, stores it, and marks the run complete, in one transaction.

use crate::{business_profile::read_icp, prompt::FitAnswer, run, sections};
use jiff::Timestamp;
use oslira_domain::{
    AccountId, Code, Error, Icp, LeadId, ProfileSource, Result, RunId, RunStatus, Snapshot, Step, Tier,
    scoring::{Assessment, Fit, Metrics, assess, quality_flags},
};
use oslira_lambda::{Invocation, note_account, note_run};
use oslira_postgres::{RowExt, SystemDb, Type};
use oslira_stores::{ProfileStore, Progress, ProgressStore};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What the state machine passes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SaveAnalysis {
    run_id: RunId,
    account_id: AccountId,
    tier: Tier,
    lead_id: LeadId,
    #[serde(flatten)]
    source: ProfileSource,
}

/// What it passes on.
#[derive(Debug, Serialize)]
pub struct Saved {
    score: u8,
}

/// Saves. A repeated call finds the run complete and changes nothing; one that comes after a refund is refused.
pub async fn save_analysis(
    db: &SystemDb,
    profiles: &ProfileStore,
    progress: &ProgressStore,
    invocation: Invocation<SaveAnalysis>,
) -> Result<Saved> {
    let input = invocation.input;
    note_run(input.run_id);
    note_account(input.account_id);
    let (begun, snapshot, material) = tokio::join!(
        progress.begin(input.run_id, input.account_id, Step::Saving),
        profiles.read(&input.source),
        material(db, input.run_id)
    );
    let (snapshot, material) = (snapshot?, material?);
    let begun = match begun {
        // An earlier try of this very step committed and then lost its answer.
        Err(error)
            if matches!(error.code, Code::RunSettled | Code::RunCancelled)
                && material.settled == Some(RunStatus::Complete) =>
        {
            None
        }
        begun => Some(begun?),
    };

    let (assessment, sections) = assemble(input.tier, &snapshot, &material)?;
    let saved_at = Timestamp::now();
    let total_ms = run::elapsed_ms(material.created_at, saved_at);
    let mut result = json!(assessment);
    if let Value::Object(result) = &mut result {
        result.extend(sections);
    }
    result["timing"] = timing(material.created_at, begun.as_ref(), saved_at);

    complete(db, &input, &snapshot, &assessment, &result, total_ms).await?;
    // The result is committed: a bar that is not updated expires, and Postgres answers for it.
    if let Err(error) = progress.finish(input.run_id, input.account_id, RunStatus::Complete).await {
        tracing::warn!(runId = %input.run_id, cause = error.chain(), "end not shown");
    }
    Ok(Saved { score: assessment.score })
}

/// What Postgres has for the result.
struct Material {
    settled: Option<RunStatus>,
    created_at: Timestamp,
    icp: Icp,
    answers: Map<String, Value>,
}

async fn material(db: &SystemDb, run_id: RunId) -> Result<Material> {
    let sql = "select r.status, r.created_at, p.follower_min, p.follower_max, p.engagement_min, p.content_themes, p.geo_focus,
                      (select coalesce(jsonb_object_agg(t.task, t.answer), '{}')
                         from oslira.task_answers t where t.run_id = r.run_id) as answers
                 from public.runs r join public.business_profiles p using (business_profile_id, account_id)
                 where r.run_id = $1";
    let rows = db.query(sql, &[(&run_id.0, Type::UUID)]).await?;
    let row = rows.first().ok_or_else(|| Error::internal("the run does not exist"))?;
    Ok(Material {
        settled: oslira_runs::settled(row)?,
        created_at: row.read("created_at")?,
        icp: read_icp(row)?,
        answers: match row.read("answers")? {
            Value::Object(answers) => answers,
            _ => Map::new(),
        },
    })
}

/// The score with its explanation, and the tier's own sections.
fn assemble(
    tier: Tier,
    snapshot: &Snapshot,
    material: &Material,
) -> Result<(Assessment, Map<String, Value>)> {
    let (FitAnswer { fit_score, confidence, reasons }, sections) = sections::of(tier, &material.answers)?;
    let metrics = Metrics::of(&snapshot.profile, snapshot.scraped_at);
    let flags = quality_flags(&snapshot.profile, &metrics);
    let fit = Fit { score: fit_score, confidence, reasons };
    Ok((assess(&snapshot.profile, metrics, flags, &material.icp, fit), sections))
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

async fn complete(
    db: &SystemDb,
    input: &SaveAnalysis,
    snapshot: &Snapshot,
    assessment: &Assessment,
    result: &Value,
    total_ms: i64,
) -> Result<()> {
    let sql = "select oslira.complete_run($1, $2, $3, $4, $5, $6, $7, $8) as status";
    let rows = db
        .query(
            sql,
            &[
                (&input.run_id.0, Type::UUID),
                (&input.lead_id.0, Type::UUID),
                (&i32::from(assessment.score), Type::INT4),
                (&assessment.confidence, Type::FLOAT8),
                (result, Type::JSONB),
                (&snapshot.scraped_at, Type::TIMESTAMPTZ),
                (&input.source.cache_hit, Type::BOOL),
                (&total_ms, Type::INT8),
            ],
        )
        .await?;
    let row = rows.first().ok_or_else(|| Error::internal("complete_run answered no row"))?;
    match row.read::<Option<&str>>("status")? {
        Some("complete") => Ok(()),
        Some(status) => {
            Err(Error::new(Code::RunSettled, format!("The analysis was {status} before it was saved.")))
        }
        None => Err(Error::internal("the run does not exist")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_lasts_until_the_next_begins() {
        let at = |ms| Timestamp::from_millisecond(ms).unwrap();
        let progress = Progress {
            account_id: "0190a5a0-0000-7000-8000-000000000001".parse().unwrap(),
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
