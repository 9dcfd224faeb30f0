//! `POST /api/analyze/anonymous`.

use super::{address_limits::AddressLimits, run_token::RunToken};
use jiff::Timestamp;
use oslira_api::{AcceptedAnonymousRun, AnonymousRequest, QueuedStatus, Route, Tag, example};
use oslira_domain::{AnonymousInput, Business, Error, Result, RunId, Step, Tier};
use oslira_lambda::{Reply, Request, note_run};
use oslira_runs::Executions;
use oslira_stores::{AnonymousStore, Intake, Limit, ProgressStore};
use serde_json::json;
use std::time::Duration;

const TIER: Tier = Tier::Light;

#[derive(Debug)]
pub struct StartAnonymousTools {
    pub intake: Intake,
    /// How many analyses one address may start.
    pub limits: AddressLimits,
    pub executions: Executions,
    /// For the request.
    pub store: AnonymousStore,
    pub progress: ProgressStore,
}

/// Accepts an anonymous run: 202. Neither a bad body nor a run that cannot be started counts against the
/// address's limits.
///
/// # Errors
/// `Paused`, `TooManyRequests`; `StoreUnavailable` when the run was not started.
pub async fn start_anonymous_analysis(tools: &StartAnonymousTools, request: Request) -> Result<Reply> {
    request.no_query()?;
    let body: AnonymousRequest = request.body()?;
    let token = RunToken::generate()?;
    let address = request.source_ip.ok_or_else(|| Error::internal("the request has no source address"))?;
    tools.intake.check_anonymous().await?;
    let run_id = token.run_id();
    let pass = tools.limits.take(address, run_id).await?;
    note_run(run_id);

    let accepted_at = match begin(tools, run_id, body).await {
        Ok(accepted_at) => accepted_at,
        Err(error) => {
            if let Err(failure) = tools.limits.give_back(pass).await {
                tracing::warn!(runId = %run_id, cause = failure.chain(), "a request that started no run stays counted");
            }
            return Err(error);
        }
    };
    // In whole seconds, like the item's own expiry.
    let expires_at = Timestamp::from_second((accepted_at + ProgressStore::LIFETIME).as_second());
    Ok(Reply::accepted(AcceptedAnonymousRun {
        run_token: token.to_string(),
        status: QueuedStatus::Queued,
        estimated_seconds: TIER.estimated_seconds(),
        status_url: format!("/api/analyze/anonymous/{token}"),
        expires_at: expires_at.map_err(Error::internal)?,
    }))
}

/// Keeps the request, makes the progress item and starts the execution. Returns when the run was accepted. If
/// this fails, nobody starts the run later: the caller learns of the failure and asks again.
async fn begin(tools: &StartAnonymousTools, run_id: RunId, body: AnonymousRequest) -> Result<Timestamp> {
    let business = Business {
        name: None,
        description: body.business.summary,
        website: None,
        voice: None,
        offer: None,
        icp: body.business.icp,
    };
    let (kept, accepted) = tokio::join!(
        tools.store.keep_request(run_id, &business),
        tools.progress.advance(run_id, None, Step::Accepted)
    );
    kept?;
    let accepted = accepted?;
    let input = AnonymousInput { run_id, username: body.username, tier: TIER };
    tools.executions.start_anonymous(&input).await?;
    Ok(accepted.created_at)
}

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
        .says_what_is_left(&[202, 429])
}
