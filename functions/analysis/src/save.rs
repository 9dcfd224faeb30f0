//! `save-analysis`: puts the score together, stores it, and marks the run complete, in one transaction.

use crate::{
    assemble::{self, assemble},
    run,
};
use jiff::Timestamp;
use oslira_api::Findings;
use oslira_domain::{
    AccountId, Code, Error, Icp, LeadId, ProfileSource, Result, RunId, RunStatus, Snapshot, Step, Tier,
};
use oslira_lambda::{Invocation, note_account, note_run};
use oslira_postgres::{SystemDb, table::business_profile};
use oslira_stores::{ProfileStore, ProgressStore};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The state machine's input.
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

/// The output.
#[derive(Debug, Serialize)]
pub struct Saved {
    score: u8,
}

/// Saves the analysis. A repeated call finds the run complete and changes nothing. A call after a refund is
/// refused.
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
        // An earlier try of this step committed the result, and then its answer was lost.
        Err(error)
            if matches!(error.code, Code::RunSettled | Code::RunCancelled)
                && material.settled == Some(RunStatus::Complete) =>
        {
            None
        }
        begun => Some(begun?),
    };

    let saved_at = Timestamp::now();
    let total_ms = run::elapsed_ms(material.created_at, saved_at);
    let findings = assemble(
        &assemble::Material {
            tier: input.tier,
            snapshot: &snapshot,
            icp: Some(&material.icp),
            answers: &material.answers,
            created_at: material.created_at,
            progress: begun.as_ref(),
        },
        saved_at,
    )?;

    complete(db, &input, &snapshot, &findings, total_ms).await?;
    // The result is committed. If the item is not updated it expires, and Postgres says how the run ended.
    if let Err(error) = progress.finish(input.run_id, input.account_id, RunStatus::Complete).await {
        tracing::warn!(runId = %input.run_id, cause = error.chain(), "end not shown");
    }
    Ok(Saved { score: findings.assessment.score })
}

/// What the result is made from, as Postgres has it.
struct Material {
    settled: Option<RunStatus>,
    created_at: Timestamp,
    icp: Icp,
    answers: Map<String, Value>,
}

async fn material(db: &SystemDb, run_id: RunId) -> Result<Material> {
    let sql = "select r.status, r.created_at, v.*,
                      (select coalesce(jsonb_object_agg(t.task, t.answer), '{}')
                         from oslira.task_answers t where t.run_id = r.run_id) as answers
                 from public.runs r
                 join oslira.business_profile_versions v
                   on (v.business_profile_id, v.version) = (r.business_profile_id, r.business_profile_version)
                 where r.run_id = $1";
    let row = db.one(sql, &[&run_id]).await?;
    Ok(Material {
        settled: oslira_runs::settled(&row)?,
        created_at: row.read("created_at")?,
        icp: business_profile::read(&row)?.icp,
        answers: match row.read("answers")? {
            Value::Object(answers) => answers,
            _ => Map::new(),
        },
    })
}

async fn complete(
    db: &SystemDb,
    input: &SaveAnalysis,
    snapshot: &Snapshot,
    findings: &Findings,
    total_ms: i64,
) -> Result<()> {
    let sql = "select oslira.complete_run($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) as status";
    let score = i32::from(findings.assessment.score);
    let profile = &snapshot.profile;
    let result = serde_json::to_value(findings).map_err(Error::internal)?;
    let row = db
        .one(
            sql,
            &[
                &input.run_id,
                &input.lead_id,
                &score,
                &findings.assessment.confidence,
                &result,
                &snapshot.scraped_at,
                &input.source.cache_hit,
                &total_ms,
                &profile.followers,
                &profile.biography,
                &profile.is_verified,
            ],
        )
        .await?;
    match row.read::<Option<String>>("status")?.as_deref() {
        Some("complete") => Ok(()),
        Some(status) => {
            Err(Error::new(Code::RunSettled, format!("The analysis was {status} before it was saved.")))
        }
        None => Err(Error::internal("the run does not exist")),
    }
}
