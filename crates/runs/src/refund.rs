//! The refund of a run.

use crate::settled;
use oslira_domain::{AccountId, Code, Error, Result, RunId, RunStatus};
use oslira_lambda::note_account;
use oslira_postgres::SystemDb;
use oslira_stores::ProgressStore;
use serde::Serialize;

/// How the run ended.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Refunded {
    /// `failed` or `cancelled`, or `complete` when the result was committed first.
    pub status: RunStatus,
    /// Whether this call gave the credits back.
    pub refunded_now: bool,
}

/// Whether the user had asked for the run to stop. Then the run is shown as cancelled, whatever else went
/// wrong with it. When DynamoDB does not answer, the refund goes on without knowing.
pub async fn is_cancelled(progress: &ProgressStore, run_id: RunId) -> bool {
    match progress.read(run_id).await {
        Ok(item) => item.is_some_and(|item| item.cancel_requested),
        Err(error) => {
            tracing::warn!(runId = %run_id, cause = error.chain(), "cancel flag not read");
            false
        }
    }
}

/// Marks a run as failed for this reason or as cancelled, refunds it, and shows its end. When the run is
/// settled already, it only shows the end.
///
/// # Errors
/// `RunNotFound` for an unknown run, `StoreUnavailable` when Postgres does not answer. In both cases nothing
/// has happened.
pub async fn refund(
    db: &SystemDb,
    progress: &ProgressStore,
    run_id: RunId,
    is_cancelled: bool,
    code: Code,
    reason: &str,
) -> Result<Refunded> {
    let (status, code, reason) = if is_cancelled {
        (RunStatus::Cancelled, Code::RunCancelled, "The analysis was cancelled.")
    } else {
        (RunStatus::Failed, code, reason)
    };
    let sql = "select status, settled_now, account_id from oslira.refund_run($1, $2, $3, $4)";
    let row = db.optional(sql, &[&run_id, &status, &code, &reason]).await?;
    let row = row.ok_or_else(|| Error::new(Code::RunNotFound, "There is no such run."))?;
    let account_id: AccountId = row.read("account_id")?;
    note_account(account_id);
    let status = settled(&row)?.ok_or_else(|| Error::internal("the run was not settled"))?;
    // The money is safe. A progress item that is not updated expires.
    if let Err(error) = progress.finish(run_id, account_id, status).await {
        tracing::warn!(runId = %run_id, cause = error.chain(), "end not shown");
    }
    Ok(Refunded { status, refunded_now: row.read("settled_now")? })
}
