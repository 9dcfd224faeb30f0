//! `POST /api/analysis/{runId}/cancel`.

use crate::run;
use oslira_api::{Cancelling, CancellingStatus, Route, Tag, example};
use oslira_domain::{Code, Error, Result, RunStatus};
use oslira_lambda::{Reply, Request};
use oslira_postgres::UserDb;
use oslira_stores::ProgressStore;
use serde_json::json;

pub(crate) fn cancel_route() -> Route {
    let requested = example(json!({
        "runId": "01932a5f-11aa-7c20-8f10-5e6f7a8b9c0d", "status": "cancelling",
        "progressUrl": "/api/analysis/01932a5f-11aa-7c20-8f10-5e6f7a8b9c0d/progress",
        "resultUrl": "/api/analysis/01932a5f-11aa-7c20-8f10-5e6f7a8b9c0d/result",
    }));
    let path = "/api/analysis/{runId}/cancel";
    run::about_a_run(Route::post(path, "cancelAnalysis", Tag::Analyses, "Ask for a run to stop"))
        .describe(
            "The pipeline stops at its next step, a scrape under way is aborted, and the credits come back. A run whose result is \
             committed first stays complete and charged. Asking again changes nothing.",
        )
        .answers::<Cancelling>(
            202,
            "Requested. The run's progress says when the run has ended, and how.",
            [("requested", requested)],
        )
        .refuses(&already_finished(RunStatus::Complete))
}

/// Notes that the run is to stop: 202. The pipeline stops at its next step and refunds the run. A run whose
/// result is committed first stays complete and charged. A repeated request changes nothing.
///
/// Postgres is asked first. Its row-level security decides whether the run is the caller's, and only Postgres
/// knows for good how a run ended.
///
/// # Errors
/// `AlreadyFinished` with `details.status` when the run has ended, `RunNotFound` for another tenant's run.
pub async fn cancel_analysis(db: &UserDb, progress: &ProgressStore, request: Request) -> Result<Reply> {
    let (caller, account_id) = (request.caller()?, request.account_id()?);
    request.no_query()?;
    let run_id = run::requested(&request)?;
    let sql = "select status from public.runs where run_id = $1 and account_id = $2";
    let row = db.optional(caller.user_id, sql, &[&run_id, &account_id]).await?.ok_or_else(run::not_found)?;
    if let Some(status) = oslira_runs::settled(&row)? {
        return Err(already_finished(status));
    }
    // The run may have ended since. Then the item says so: it shows an end only after Postgres has settled
    // the run.
    if let Some(status) = progress.request_cancel(run_id, account_id).await? {
        return Err(already_finished(status));
    }
    Ok(Reply::accepted(Cancelling {
        run_id,
        status: CancellingStatus::Cancelling,
        progress_url: run::progress_url(run_id),
        result_url: run::result_url(run_id),
    }))
}

fn already_finished(status: RunStatus) -> Error {
    let message = format!("The analysis is {status} already.");
    Error::new(Code::AlreadyFinished, message).with_details(json!({"status": status}))
}
