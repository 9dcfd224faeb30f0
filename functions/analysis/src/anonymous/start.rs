//! `POST /api/analyze/anonymous`.

use super::{run_token::RunToken, source::limit_key};
use jiff::Timestamp;
use oslira_api::{AcceptedAnonymousRun, AnonymousRequest, QueuedStatus, Route, Tag, example};
use oslira_domain::{AnonymousInput, Business, Error, Result, RunId, Step, Tier};
use oslira_lambda::{Env, Reply, Request, note_run};
use oslira_runs::Executions;
use oslira_stores::{AnonymousStore, Intake, Limit, Pass, ProgressStore, RateLimits};
use serde_json::json;
use std::time::Duration;

const TIER: Tier = Tier::Light;

/// What a request must get past.
#[derive(Debug)]
pub struct Gate {
    /// Whether analyses are taken in at all.
    intake: Intake,
    rate_limits: RateLimits,
    limits: [Limit; 2],
}

impl Gate {
    /// Needs the variables of [`Intake`] and [`RateLimits`], `ANONYMOUS_PER_HOUR` and `ANONYMOUS_PER_DAY`.
    pub fn new(env: &Env) -> Result<Self> {
        let hour = Duration::from_secs(60 * 60);
        let limits = [
            Limit { count: count("ANONYMOUS_PER_HOUR", &env.var("ANONYMOUS_PER_HOUR")?)?, window: hour },
            Limit { count: count("ANONYMOUS_PER_DAY", &env.var("ANONYMOUS_PER_DAY")?)?, window: 24 * hour },
        ];
        Ok(Self { intake: Intake::new(env)?, rate_limits: RateLimits::new(env)?, limits })
    }

    /// Counts the request, unless analyses are paused or its source has asked too often.
    async fn pass(&self, request: &Request) -> Result<Pass> {
        let source = request.source_ip.ok_or_else(|| Error::internal("the request has no source address"))?;
        self.intake.check_anonymous().await?;
        self.rate_limits.take(&limit_key(source), &self.limits).await
    }
}

fn count(name: &str, text: &str) -> Result<u32> {
    text.parse().map_err(|_| Error::internal(format!("{name} must be a whole number, not {text:?}")))
}

/// Accepts a visitor's run: 202. A bad body is refused
/// before it counts against any limit, and a run that cannot be started does not count either.
///
/// # Errors
/// `Paused`, `TooManyRequests`; `StoreUnavailable` when the run was not started.
pub async fn start_anonymous_analysis(
    gate: &Gate,
    executions: &Executions,
    store: &AnonymousStore,
    progress: &ProgressStore,
    request: Request,
) -> Result<Reply> {
    let body: AnonymousRequest = request.body()?;
    let token = RunToken::generate()?;
    let pass = gate.pass(&request).await?;
    let run_id = token.run_id();
    note_run(run_id);

    let accepted_at = match begin(executions, store, progress, run_id, body).await {
        Ok(accepted_at) => accepted_at,
        Err(error) => {
            if let Err(failure) = gate.rate_limits.give_back(pass).await {
                tracing::warn!(runId = %run_id, cause = failure.chain(), "counted although it was not started");
            }
            return Err(error);
        }
    };
    // In whole seconds, as the item's own expiry.
    let expires_at = Timestamp::from_second((accepted_at + ProgressStore::LIFETIME).as_second());
    Ok(Reply::accepted(AcceptedAnonymousRun {
        run_token: token.to_string(),
        status: QueuedStatus::Queued,
        estimated_seconds: TIER.estimated_seconds(),
        status_url: format!("/api/analyze/anonymous/{token}"),
        expires_at: expires_at.map_err(Error::internal)?,
    }))
}

/// Keeps the request and makes the progress item, then starts the execution; answers when the run was accepted. Nobody
/// else starts it later: the visitor is told that it was not, and asks again.
async fn begin(
    executions: &Executions,
    store: &AnonymousStore,
    progress: &ProgressStore,
    run_id: RunId,
    body: AnonymousRequest,
) -> Result<Timestamp> {
    let business = Business {
        name: None,
        description: body.business.summary,
        website: None,
        voice: None,
        offer: None,
        icp: body.business.icp,
    };
    let (kept, accepted) =
        tokio::join!(store.keep_request(run_id, &business), progress.advance(run_id, None, Step::Accepted));
    kept?;
    let accepted = accepted?;
    executions.start_anonymous(&AnonymousInput { run_id, username: body.username, tier: TIER }).await?;
    Ok(accepted.created_at)
}

/// What the API's description says of the route.
pub(crate) fn start_route() -> Route {
    let summary = "We roast coffee in small batches for cafés.";
    let icp = json!({
        "followerRange": {"min": 5000, "max": 500_000}, "engagementMin": 1.0, "contentThemes": ["coffee", "food"],
        "geoFocus": ["Germany"],
    });
    let brief = json!({"username": "starbucks", "business": {"summary": summary}});
    let with_icp = json!({"username": "starbucks", "business": {"summary": summary, "icp": icp}});
    let accepted = example(json!({
        "runToken": "9f0c1d5be2a84376b1c0f4d8e7a65392", "status": "queued", "estimatedSeconds": 10,
        "statusUrl": "/api/analyze/anonymous/9f0c1d5be2a84376b1c0f4d8e7a65392", "expiresAt": "2026-11-22T01:32:47Z",
    }));
    let an_hour = Limit { count: 3, window: Duration::from_secs(3_600) };
    let path = "/api/analyze/anonymous";
    Route::post(path, "startAnonymousAnalysis", Tag::Anonymous, "Start a LIGHT analysis without an account")
        .open()
        .describe(
            "Free, for a look at what Oslira does: no lead, no history. Whoever has the token can read the result for 24 hours; \
             there is no other way to it.\n\n\
             From one address (of IPv6, from one /64) three are accepted in any hour and ten in any 24 hours. Refused requests do \
             not count.",
        )
        .takes::<AnonymousRequest>([("summary", brief), ("icp", with_icp)])
        .answers::<AcceptedAnonymousRun>(202, "Accepted.", [("accepted", accepted)])
        .refuses_as("TooManyFromThisAddress", &an_hour.reached(Duration::from_secs(1_260)))
        .refuses(&Intake::busy())
}
