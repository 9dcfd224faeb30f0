//! `POST /api/analysis/{runId}/cancel`.

use crate::run;
use oslira_domain::{Code, Error, Result, RunStatus};
use oslira_lambda::{Reply, Request};
use oslira_postgres::UserDb;
use oslira_stores::ProgressStore;
use serde_json::json;

/// 202 with `{runId, status, progressUrl, resultUrl}`: the wish is noted. The pipeline stops at its next step and
/// refunds; a run whose result is committed first stays complete and charged. Asking again changes nothing.
///
/// Postgres first: row-level security decides whether the run is the caller's, and only it knows for good how a run
/// ended.
///
/// # Errors
/// `AlreadyFinished` with `details.status` when the run has ended, `RunNotFound` for another tenant's.
pub async fn cancel_analysis(db: &UserDb, progress: &ProgressStore, request: Request) -> Result<Reply> {
    let (caller, account_id) = (request.caller()?, request.account_id()?);
    let run_id = run::requested(&request)?;
    let sql = "select status from public.runs where run_id = $1 and account_id = $2";
    let row = db.optional(caller.user_id, sql, &[&run_id, &account_id]).await?.ok_or_else(run::not_found)?;
    if let Some(status) = oslira_runs::settled(&row)? {
        return Err(already_finished(status));
    }
    // It may have ended since: then the item says so, for it is only shown as ended once Postgres has settled it.
    if let Some(status) = progress.request_cancel(run_id, account_id).await? {
        return Err(already_finished(status));
    }
    Ok(Reply::accepted(json!({
        "runId": run_id,
        "status": "cancelling",
        "progressUrl": format!("/api/analysis/{run_id}/progress"),
        "resultUrl": format!("/api/analysis/{run_id}/result"),
    })))
}

fn already_finished(status: RunStatus) -> Error {
    let message = format!("The analysis is {status} already.");
    Error::new(Code::AlreadyFinished, message).with_details(json!({"status": status}))
}
