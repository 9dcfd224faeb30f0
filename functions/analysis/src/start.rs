//! `POST /api/leads/analyze`: charge the account and start one analysis.

use crate::start_runs_queue::StartRunsQueue;
use deserr::Deserr;
use oslira_domain::{
    AnalysisInput, BusinessProfileId, Code, Error, Result, RunId, Step, Tier, UserId, Username,
};
use oslira_lambda::{BodyErrors, Reply, Request, note_run};
use oslira_postgres::{UserDb, may_have_committed};
use oslira_runs::{Executions, input};
use oslira_stores::{Intake, ProgressStore};
use serde_json::json;
use sha2::{Digest, Sha256};

#[derive(Debug, Deserr)]
#[deserr(error = BodyErrors, rename_all = camelCase, deny_unknown_fields)]
struct Body {
    username: Username,
    analysis_type: Tier,
    business_profile_id: BusinessProfileId,
}

/// Accepts a run, if runs are taken in at the moment: 202 with `{runId, status, estimatedSeconds, progressUrl, resultUrl, creditsCharged}`.
///
/// Once the charge is committed the answer is 202 whatever happens to the rest: if the execution cannot be started
/// now, the queue starts it; if even the queue is out of reach, the request repeated with its idempotency key does, unless
/// new analyses are refused by then, or the hourly `fail-stale-runs`. When nobody knows whether the charge was committed, the
/// answer is 503 with the run's id, and the queue finds out.
pub async fn start_analysis(
    intake: &Intake,
    db: &UserDb,
    executions: &Executions,
    queue: &StartRunsQueue,
    progress: &ProgressStore,
    request: Request,
) -> Result<Reply> {
    let (caller, account_id) = (request.caller()?, request.account_id()?);
    let key = request.idempotency_key()?;
    let body: Body = request.body()?;
    // Before the charge: what cannot be worked on is not paid for, and then refunded, but refused.
    let refusal = intake.check(account_id).await.err();
    // Unless it repeats one that was accepted before; and whether an account is paused is no stranger's business. To find
    // that out it is put as a request for no business profile: `start_analysis` looks for membership and key first, and
    // accepts nothing new for a business profile that does not exist.
    let is_own = caller.default_account_id == Some(account_id);
    let business_profile_id = match refusal {
        None => Some(body.business_profile_id),
        Some(refusal) if is_own && key.is_none() => return Err(refusal),
        Some(_) => None,
    };
    let new_run_id = RunId::generate();
    let body_hash = Sha256::digest(&request.body).to_vec();

    let sql = "select outcome, run_id, status, credits, balance
                 from public.start_analysis($1, $2, $3, $4, $5, $6, $7)";
    let accepted = db
        .one(
            caller.user_id,
            sql,
            &[
                &account_id,
                &business_profile_id,
                &new_run_id,
                &body.username,
                &body.analysis_type,
                &key,
                &body_hash,
            ],
        )
        .await;
    let row = match accepted {
        Err(error) if business_profile_id.is_some() && may_have_committed(&error) => {
            note_run(new_run_id);
            if let Err(error) = queue.send_doubtful(new_run_id).await {
                let cause = error.chain();
                tracing::error!(runId = %new_run_id, cause, "a doubtful run is not queued; fail-stale-runs will find it");
            }
            return Err(in_doubt(error, new_run_id));
        }
        accepted => accepted?,
    };
    match &*row.read::<String>("outcome")? {
        "accepted" => {}
        "account_not_found" => return Err(Request::account_not_found()),
        "business_profile_not_found" => {
            let message = "There is no such business profile in this account.";
            return Err(refusal.unwrap_or_else(|| Error::new(Code::BusinessProfileNotFound, message)));
        }
        "idempotency_key_reused" => return Err(Request::idempotency_key_reused()),
        "in_progress" => {
            let other: RunId = row.read("run_id")?;
            let message = "This analysis is under way, or was made in the past five minutes.";
            return Err(Error::new(Code::AnalysisInProgress, message).with_details(json!({"runId": other})));
        }
        "insufficient_credits" => {
            let (balance, cost): (i32, i32) = (row.read("balance")?, row.read("credits")?);
            let credits = if cost == 1 { "credit" } else { "credits" };
            let message = format!("The analysis costs {cost} {credits} and the balance is {balance}.");
            let details = json!({"balance": balance, "cost": cost});
            return Err(Error::new(Code::InsufficientCredits, message).with_details(details));
        }
        other => return Err(Error::internal(format!("start_analysis answered {other}"))),
    }

    let run_id: RunId = row.read("run_id")?;
    note_run(run_id);
    if run_id == new_run_id {
        let (business_profile_id, username) = (body.business_profile_id, body.username);
        let input =
            AnalysisInput { run_id, account_id, business_profile_id, username, tier: body.analysis_type };
        begin(executions, queue, progress, &input).await;
    } else if row.read::<String>("status")? == "pending" && refusal.is_none() {
        // Accepted before, and perhaps never begun; not while analyses are refused, or whoever calls the function of the
        // database themselves would have theirs all the same.
        match accepted_before(db, caller.user_id, run_id).await {
            Ok(input) => begin(executions, queue, progress, &input).await,
            Err(error) => {
                tracing::warn!(runId = %run_id, cause = error.chain(), "not begun; fail-stale-runs will look at it");
            }
        }
    }
    Ok(Reply::accepted(json!({
        "runId": run_id,
        "status": "queued",
        "estimatedSeconds": body.analysis_type.estimated_seconds(),
        "progressUrl": format!("/api/analysis/{run_id}/progress"),
        "resultUrl": format!("/api/analysis/{run_id}/result"),
        "creditsCharged": row.read::<i32>("credits")?,
    })))
}

/// For a caller who shall neither take the run for lost nor pay for it twice.
fn in_doubt(mut error: Error, run_id: RunId) -> Error {
    error.message = "It is not known yet whether the analysis was accepted. If it was, it starts within five minutes, and \
                     details.runId is its id. To be sure, look at that run, or repeat the request if it had an \
                     Idempotency-Key."
        .into();
    error.with_details(json!({"runId": run_id}))
}

/// What a run was charged for. The request that repeats it does not say: the hash by which the database holds the two to be
/// the same is the caller's, who may have given it another of their own.
async fn accepted_before(db: &UserDb, user_id: UserId, run_id: RunId) -> Result<AnalysisInput> {
    let sql =
        "select run_id, account_id, business_profile_id, username, tier from public.runs where run_id = $1";
    input(&db.one(user_id, sql, &[&run_id]).await?)
}

async fn begin(
    executions: &Executions,
    queue: &StartRunsQueue,
    progress: &ProgressStore,
    input: &AnalysisInput,
) {
    let (shown, started) = tokio::join!(
        progress.advance(input.run_id, input.account_id, Step::Accepted),
        executions.start(input)
    );
    if let Err(error) = shown {
        // The pipeline's first step makes the item if it is missing.
        tracing::warn!(runId = %input.run_id, cause = error.chain(), "progress not shown");
    }
    let Err(error) = started else { return };
    tracing::warn!(runId = %input.run_id, cause = error.chain(), "execution not started; queued");
    if let Err(error) = queue.send(input.run_id).await {
        tracing::error!(runId = %input.run_id, cause = error.chain(), "run neither started nor queued; fail-stale-runs will find it");
    }
}
