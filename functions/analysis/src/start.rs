//! `POST /api/leads/analyze`: charge the account and start one analysis.

use crate::{
    analysis_limits::{AnalysisLimits, an_hour},
    quote, run as about_run,
    start_runs_queue::StartRunsQueue,
};
use oslira_api::{
    AcceptedRun, AnalysisQuote, AnalysisRequest, QueuedStatus, Route, StartOptions, Tag, example,
};
use oslira_domain::{AccountId, Code, Error, Result, RunId, Step, Tier, UserId};
use oslira_lambda::{Reply, Request, note_run};
use oslira_postgres::{Row, UserDb, may_have_committed};
use oslira_runs::{Executions, input, settled};
use oslira_stores::{Intake, ProgressStore};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::time::Duration;
use uuid::Uuid;

#[derive(Debug)]
pub struct StartTools {
    pub intake: Intake,
    /// How many analyses an account may start.
    pub limits: AnalysisLimits,
    /// Accepts a run and charges for it.
    pub db: UserDb,
    /// Starts the execution of a run.
    pub executions: Executions,
    /// Starts the execution later, or finds out whether the run exists.
    pub queue: StartRunsQueue,
    pub progress: ProgressStore,
}

/// Accepts a run, if runs are accepted at the moment: 202. With `?quote=true` it only tells what that would
/// cost and what would refuse it: 200.
///
/// Once the charge is committed the answer is 202, whatever happens next. If the execution cannot be started
/// now, the queue starts it. If the queue cannot be reached either, two others can start it: the same
/// request, repeated with its idempotency key while new analyses are accepted; and `fail-stale-runs`, which
/// comes every hour. When nobody knows whether the charge was committed, the answer is 503 with the run's id,
/// and the queue finds out.
pub async fn start_analysis(tools: &StartTools, request: Request) -> Result<Reply> {
    let (caller, account_id) = (request.caller()?, request.account_id()?);
    let StartOptions { quote: is_quote } = request.query()?;
    let asked = Asked {
        user_id: caller.user_id,
        account_id,
        is_own_account: caller.default_account_id == Some(account_id),
        key: request.idempotency_key()?,
        body: request.body()?,
        body_hash: Sha256::digest(&request.body).to_vec(),
        new_run_id: RunId::generate(),
    };
    if is_quote {
        return quote::quote(tools, caller, &asked).await;
    }
    // Both come before the charge: a run that cannot be worked on is refused, not charged and refunded.
    let checks =
        tokio::join!(tools.intake.check(account_id), tools.limits.take(&tools.db, caller, account_id));
    let turn = match checks {
        (Ok(()), Ok(turn)) => turn,
        (Ok(()), Err(refusal)) => return accepted_before(tools, &asked, refusal).await,
        (Err(refusal), turn) => {
            if let Ok(turn) = turn {
                tools.limits.give_back(turn).await;
            }
            return accepted_before(tools, &asked, refusal).await;
        }
    };
    match accept(tools, &asked).await {
        Ok(Accepted::Now(run)) => {
            begin(tools, &run).await?;
            answer(&run)
        }
        // Its execution may never have been started.
        Ok(Accepted::Before(run)) => {
            tools.limits.give_back(turn).await;
            if settled(&run)?.is_none() {
                begin(tools, &run).await?;
            }
            answer(&run)
        }
        Err(refusal) => {
            // A run that may have been charged may be worked on.
            if !may_have_committed(&refusal) {
                tools.limits.give_back(turn).await;
            }
            Err(refusal)
        }
    }
}

/// Answers while new runs are refused. A run that was accepted before is answered as usual, but its execution
/// is not started. Otherwise callers who call the database function themselves could start runs while paused.
async fn accepted_before(tools: &StartTools, asked: &Asked<'_>, refusal: Error) -> Result<Reply> {
    match look_up(tools, asked).await? {
        Some(run) => answer(&run),
        None => Err(refusal),
    }
}

/// A request, as it is sent to the database.
pub(crate) struct Asked<'a> {
    pub(crate) user_id: UserId,
    pub(crate) account_id: AccountId,
    is_own_account: bool,
    key: Option<&'a str>,
    pub(crate) body: AnalysisRequest,
    body_hash: Vec<u8>,
    /// Made before the statement is sent, so a repeated statement makes one run.
    new_run_id: RunId,
}

impl Asked<'_> {
    /// Asks the database for a run. With `look_up_only` it only asks for a run that this request made before.
    async fn put(&self, db: &UserDb, look_up_only: bool) -> Result<Row> {
        let sql = "select outcome, price, balance, (run).run_id, (run).account_id, (run).business_profile_id, (run).username,
                          (run).tier, (run).fresh_since, (run).status, (run).credits_charged
                     from public.start_analysis($1, $2, $3, $4, $5, $6, $7, $8)";
        let AnalysisRequest { username, analysis_type, business_profile_id } = &self.body;
        db.one(
            self.user_id,
            sql,
            &[
                &self.account_id,
                business_profile_id,
                &self.new_run_id,
                username,
                analysis_type,
                &self.key,
                &self.body_hash,
                &look_up_only,
            ],
        )
        .await
    }
}

/// A run's row, and whether the run was accepted by this request or before.
enum Accepted {
    Now(Row),
    Before(Row),
}

/// Charges for the run, unless it is charged already. When nobody knows whether it is, the queue finds out.
async fn accept(tools: &StartTools, asked: &Asked<'_>) -> Result<Accepted> {
    match asked.put(&tools.db, false).await {
        Err(error) if may_have_committed(&error) => {
            let run_id = asked.new_run_id;
            note_run(run_id);
            if let Err(error) = tools.queue.send_doubtful(run_id).await {
                let cause = error.chain();
                tracing::error!(runId = %run_id, cause, "a doubtful run is not queued; fail-stale-runs will find it");
            }
            Err(in_doubt(error, run_id))
        }
        row => accepted(row?),
    }
}

/// Returns the run that this request was accepted as before. Nothing is charged.
async fn look_up(tools: &StartTools, asked: &Asked<'_>) -> Result<Option<Row>> {
    // Strangers must not learn whether an account is paused. The database checks accounts that may not be the
    // caller's.
    if asked.is_own_account && asked.key.is_none() {
        return Ok(None);
    }
    let row = asked.put(&tools.db, true).await?;
    if row.read::<String>("outcome")? == "not_accepted_before" {
        return Ok(None);
    }
    let (Accepted::Now(run) | Accepted::Before(run)) = accepted(row)?;
    Ok(Some(run))
}

/// Turns what the database decided into the run, or into the error of a refusal.
fn accepted(row: Row) -> Result<Accepted> {
    match &*row.read::<String>("outcome")? {
        "accepted" => Ok(Accepted::Now(row)),
        "repeated" => Ok(Accepted::Before(row)),
        "account_not_found" => Err(Error::account_not_found()),
        "business_profile_not_found" => Err(Error::business_profile_not_found()),
        "idempotency_key_reused" => Err(Error::idempotency_key_reused()),
        outcome => Err(refusal(outcome, &row)?),
    }
}

/// The error of a refusal that a quote tells, too.
pub(crate) fn refusal(outcome: &str, row: &Row) -> Result<Error> {
    match outcome {
        "in_progress" => Ok(in_progress(row.read("run_id")?)),
        "insufficient_credits" => Ok(too_few_credits(row.read("balance")?, row.read("price")?)),
        other => Err(Error::internal(format!("an analysis is refused as {other}"))),
    }
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

/// Adds the run's id to the error, so that the caller neither takes the run for lost nor pays for it twice.
fn in_doubt(mut error: Error, run_id: RunId) -> Error {
    error.message = "It is not known yet whether the analysis was accepted. If it was, it starts within five minutes, and \
                     details.runId is its id. To be sure, look at that run, or repeat the request if it had an \
                     Idempotency-Key."
        .into();
    error.with_details(json!({"runId": run_id}))
}

/// Starts the run as its row says, not as the request says. The database recognises a repeated request by a
/// hash from the caller, who may have sent the hash of a dearer request.
async fn begin(tools: &StartTools, run: &Row) -> Result<()> {
    let run_id: RunId = run.read("run_id")?;
    let input = match input(run) {
        Ok(input) => input,
        Err(error) => {
            tracing::warn!(runId = %run_id, cause = error.chain(), "run not started; fail-stale-runs will check it");
            return Ok(());
        }
    };
    let (shown, started) = tokio::join!(
        tools.progress.advance(run_id, input.account_id, Step::Accepted),
        tools.executions.start(&input)
    );
    if let Err(error) = shown {
        // The pipeline's first step makes the item if it is missing.
        tracing::warn!(runId = %run_id, cause = error.chain(), "progress not shown");
    }
    let Err(error) = started else { return Ok(()) };
    tracing::warn!(runId = %run_id, cause = error.chain(), "execution not started; queued");
    if let Err(error) = tools.queue.send(run_id).await {
        tracing::error!(runId = %run_id, cause = error.chain(), "run neither started nor queued; fail-stale-runs will find it");
    }
    Ok(())
}

/// Answers 202 for a run that was accepted now or before.
fn answer(run: &Row) -> Result<Reply> {
    let (run_id, tier): (RunId, Tier) = (run.read("run_id")?, run.read("tier")?);
    note_run(run_id);
    Ok(Reply::accepted(AcceptedRun {
        run_id,
        status: QueuedStatus::Queued,
        estimated_seconds: tier.estimated_seconds(),
        progress_url: about_run::progress_url(run_id),
        result_url: about_run::result_url(run_id),
        credits_charged: run.read("credits_charged")?,
    }))
}

pub(crate) fn start_route() -> Route {
    let asked = |tier: &str| json!({"username": "starbucks", "analysisType": tier, "businessProfileId": "00000000-0000-4000-8000-0000000000b1"});
    let accepted = example(json!({
        "runId": "01a1fbbc-0a88-736b-af81-8a492628528e", "status": "queued", "estimatedSeconds": 10,
        "progressUrl": "/api/analysis/01a1fbbc-0a88-736b-af81-8a492628528e/progress",
        "resultUrl": "/api/analysis/01a1fbbc-0a88-736b-af81-8a492628528e/result",
        "creditsCharged": 1,
    }));
    let quoted = example(json!({
        "cost": 1, "balance": 9, "balanceAfter": 8, "estimatedSeconds": 3,
        "cachedProfile": {"dataAsOf": "2026-11-20T08:12:41.093114Z", "ageSeconds": 4639}, "duplicateOf": null, "refusals": [],
    }));
    let run_id = RunId(Uuid::from_u128(0x0193_2a5f_11aa_7c20_8f10_5e6f_7a8b_9c0d));
    let refused = AnalysisQuote {
        cost: 5,
        balance: 3,
        balance_after: -2,
        estimated_seconds: 21,
        cached_profile: None,
        duplicate_of: Some(run_id),
        refusals: vec![Intake::busy().into(), in_progress(run_id).into(), too_few_credits(3, 5).into()],
    };
    Route::post("/api/leads/analyze", "startAnalysis", Tag::Analyses, "Charge the account and start one analysis")
        .describe(
            "The charge is made when the answer is 202. A run that fails later is refunded by itself, once.\n\n\
             The same analysis (account, business profile, username, type) is refused with its run's id while it is under way, and \
             for five minutes after it was accepted when it is complete. A failed run may be repeated at once, and so may one whose lead was deleted.\n\n\
             An account starts at most as many analyses in any hour as its plan says: 100, 300 or 1,000. Refused requests do not \
             count, and neither does one that is repeated with its `Idempotency-Key`.\n\n\
             While intake is paused, nothing is accepted and nothing charged; `Retry-After` says when to come back. A request that \
             was accepted before is answered as then when it is repeated with its `Idempotency-Key`.\n\n\
             A 503 with `details.runId` says that it is not known yet whether the request was accepted. If it was, the run of that \
             id starts within five minutes. If it was not, nothing was charged, and the run is never found.\n\n\
             With `?quote=true` nothing is charged, started or remembered. The answer is 200 with the price, and with all that would \
             refuse the analysis at this moment. An `Idempotency-Key` makes no difference to a quote. Bad requests are refused as \
             without it.",
        )
        .in_account()
        .idempotent()
        .query::<StartOptions>()
        .takes::<AnalysisRequest>([("light", asked("light")), ("xray", asked("xray"))])
        .answers::<AnalysisQuote>(200, "A quote: nothing was charged or started.", [("quoted", quoted), ("refused", refused)])
        .answers::<AcceptedRun>(202, "Accepted and charged.", [("accepted", accepted)])
        .links(202, "/data/runId", "runId", &["getAnalysisProgress", "getAnalysisResult", "cancelAnalysis"])
        .refuses(&too_few_credits(0, 1))
        .refuses(&Error::business_profile_not_found())
        .refuses(&in_progress(run_id))
        .refuses_as("TooManyAnalyses", &an_hour(100).reached(Duration::from_secs(1_260)))
        .refuses(&Intake::busy())
        .refuses_as("InDoubt", &in_doubt(Error::store(""), RunId(Uuid::from_u128(0x01a1_fbbc_0a88_736b_af81_8a49_2628_528e))))
}
