//! `POST /api/leads/analyze`: charge the account and start one analysis.

use crate::{run, start_runs_queue::StartRunsQueue};
use oslira_api::{AcceptedRun, AnalysisRequest, QueuedStatus, Route, Tag, example};
use oslira_domain::{AnalysisInput, Code, Error, Result, RunId, Step, UserId};
use oslira_lambda::{Reply, Request, note_run};
use oslira_postgres::{UserDb, may_have_committed};
use oslira_runs::{Executions, input};
use oslira_stores::{Intake, ProgressStore};
use serde_json::json;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Accepts a run, if runs are taken in at the moment: 202.
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
    let body: AnalysisRequest = request.body()?;
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
        "account_not_found" => return Err(Error::account_not_found()),
        "business_profile_not_found" => {
            return Err(refusal.unwrap_or_else(business_profile_not_found));
        }
        "idempotency_key_reused" => return Err(Error::idempotency_key_reused()),
        "in_progress" => {
            return Err(in_progress(row.read("run_id")?));
        }
        "insufficient_credits" => {
            return Err(too_few_credits(row.read("balance")?, row.read("credits")?));
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
    Ok(Reply::accepted(AcceptedRun {
        run_id,
        status: QueuedStatus::Queued,
        estimated_seconds: body.analysis_type.estimated_seconds(),
        progress_url: run::progress_url(run_id),
        result_url: run::result_url(run_id),
        credits_charged: row.read("credits")?,
    }))
}

fn business_profile_not_found() -> Error {
    Error::new(Code::BusinessProfileNotFound, "There is no such business profile in this account.")
}

fn in_progress(run_id: RunId) -> Error {
    let message = "This analysis is under way, or was made in the past five minutes.";
    Error::new(Code::AnalysisInProgress, message).with_details(json!({"runId": run_id}))
}

fn too_few_credits(balance: i32, cost: i32) -> Error {
    let credits = if cost == 1 { "credit" } else { "credits" };
    let message = format!("The analysis costs {cost} {credits} and the balance is {balance}.");
    Error::new(Code::InsufficientCredits, message).with_details(json!({"balance": balance, "cost": cost}))
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

/// What the API's description says of the route.
pub(crate) fn start_route() -> Route {
    let asked = |tier: &str| json!({"username": "starbucks", "analysisType": tier, "businessProfileId": "00000000-0000-4000-8000-0000000000b2"});
    let accepted = example(json!({
        "runId": "01a1fbbc-0a88-736b-af81-8a492628528e", "status": "queued", "estimatedSeconds": 10,
        "progressUrl": "/api/analysis/01a1fbbc-0a88-736b-af81-8a492628528e/progress",
        "resultUrl": "/api/analysis/01a1fbbc-0a88-736b-af81-8a492628528e/result",
        "creditsCharged": 1,
    }));
    Route::post("/api/leads/analyze", "startAnalysis", Tag::Analyses, "Charge the account and start one analysis")
        .describe(
            "The charge is made when the answer is 202. A run that fails later is refunded by itself, once.\n\n\
             The same analysis (account, business profile, username, type) is refused with its run's id while it is under way, and \
             for five minutes after it was accepted when it is complete. A failed run may be repeated at once.\n\n\
             While intake is paused, nothing is accepted and nothing charged; `Retry-After` says when to come back. A request that \
             was accepted before is answered as then when it is repeated with its `Idempotency-Key`.\n\n\
             A 503 with `details.runId` says that it is not known yet whether the request was accepted. If it was, the run of that \
             id starts within five minutes. If it was not, nothing was charged, and the run is never found.",
        )
        .in_account()
        .idempotent()
        .takes::<AnalysisRequest>([("light", asked("light")), ("xray", asked("xray"))])
        .answers::<AcceptedRun>(202, "Accepted and charged.", [("accepted", accepted)])
        .refuses(&too_few_credits(0, 1))
        .refuses(&business_profile_not_found())
        .refuses(&in_progress(RunId(Uuid::from_u128(0x0193_2a5f_11aa_7c20_8f10_5e6f_7a8b_9c0d))))
        .refuses(&Intake::busy())
        .refuses_as("InDoubt", &in_doubt(Error::store(""), RunId(Uuid::from_u128(0x01a1_fbbc_0a88_736b_af81_8a49_2628_528e))))
}
