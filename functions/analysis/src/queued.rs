//! `start-queued-run`: starts the execution of a run when `start-analysis` could not, or refunds the run in
//! the end. It first checks whether the run exists, when nobody knows whether the run was charged.

use oslira_domain::{Code, Error, Result, RunId};
use oslira_lambda::{Message, note_account, note_run};
use oslira_postgres::SystemDb;
use oslira_runs::{Executions, input, is_cancelled, refund, settled};
use oslira_stores::ProgressStore;
use serde::Deserialize;

/// How often the start is tried. From then on the run is refunded instead, as often as that takes. The tries
/// are minutes apart. A doubtful run that is not there in any of them was never charged.
pub const START_TRIES: u32 = 5;

/// A message of the queue `start-runs`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueuedRun {
    run_id: RunId,
    /// Whether nobody knew if the transaction that makes the run was committed.
    #[serde(default)]
    is_doubtful: bool,
}

/// Starts the execution under the same name each time, so a run has one execution however often the start is
/// tried.
pub async fn start_queued_run(
    db: &SystemDb,
    executions: &Executions,
    progress: &ProgressStore,
    message: Message<QueuedRun>,
) -> Result<()> {
    let run_id = message.body.run_id;
    note_run(run_id);
    let sql = "select run_id, account_id, business_profile_id, username, tier, fresh_since, status
                 from public.runs where run_id = $1";
    let Some(row) = db.optional(sql, &[&run_id]).await? else {
        if message.body.is_doubtful && message.receive_count >= START_TRIES {
            tracing::info!(runId = %run_id, "a doubtful run was never charged");
            return Ok(());
        }
        return Err(Error::new(Code::RunNotFound, "There is no such run."));
    };
    if settled(&row)?.is_some() {
        return Ok(());
    }
    let input = input(&row)?;
    note_account(input.account_id);
    match executions.start(&input).await {
        Err(error) if message.receive_count >= START_TRIES => {
            tracing::error!(runId = %run_id, cause = error.chain(), "execution not started; refunding");
            let is_cancelled = is_cancelled(progress, run_id).await;
            let reason = "The analysis could not be started.";
            refund(db, progress, run_id, is_cancelled, Code::StartFailed, reason).await.map(drop)
        }
        outcome => outcome,
    }
}
