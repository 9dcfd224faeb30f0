//! `POST /api/analyze/anonymous`.

use super::{address_limits::AddressLimits, run_token::RunToken};
use deserr::Deserr;
use jiff::Timestamp;
use oslira_domain::{
    AnonymousInput, Business, Error, FieldProblem, Icp, Result, RunId, Step, Tier, Username, trimmed,
};
use oslira_lambda::{BodyErrors, Reply, Request, note_run};
use oslira_runs::Executions;
use oslira_stores::{AnonymousStore, Intake, ProgressStore};
use serde_json::json;

const TIER: Tier = Tier::Light;

#[derive(Debug, Deserr)]
#[deserr(error = BodyErrors, rename_all = camelCase, deny_unknown_fields)]
struct Body {
    username: Username,
    business: BusinessInBrief,
}

/// What the caller says of their business.
#[derive(Debug, Deserr)]
#[deserr(error = BodyErrors, rename_all = camelCase, deny_unknown_fields)]
struct BusinessInBrief {
    #[deserr(try_from(&String) = trimmed::<500> -> FieldProblem)]
    summary: String,
    #[deserr(default)]
    icp: Option<Icp>,
}

/// What the handler works with.
#[derive(Debug)]
pub struct StartAnonymousTools {
    /// Whether analyses are taken in at all.
    pub intake: Intake,
    /// How many one address may start.
    pub limits: AddressLimits,
    /// The state machine.
    pub executions: Executions,
    /// The request.
    pub store: AnonymousStore,
    /// The progress bar.
    pub progress: ProgressStore,
}

/// Accepts an anonymous run: 202 with `{runToken, status, estimatedSeconds, statusUrl, expiresAt}`. A bad body is refused
/// before it counts against any limit, and a run that cannot be started does not count either.
///
/// # Errors
/// `Paused`, `TooManyRequests`; `StoreUnavailable` when the run was not started.
pub async fn start_anonymous_analysis(tools: &StartAnonymousTools, request: Request) -> Result<Reply> {
    let body: Body = request.body()?;
    let token = RunToken::generate()?;
    let address = request.source_ip.ok_or_else(|| Error::internal("the request has no source address"))?;
    tools.intake.check_anonymous().await?;
    let pass = tools.limits.take(address).await?;
    let run_id = token.run_id();
    note_run(run_id);

    let accepted_at = match begin(tools, run_id, body).await {
        Ok(accepted_at) => accepted_at,
        Err(error) => {
            if let Err(failure) = tools.limits.give_back(pass).await {
                tracing::warn!(runId = %run_id, cause = failure.chain(), "counted although it was not started");
            }
            return Err(error);
        }
    };
    // In whole seconds, as the item's own expiry.
    let expires_at = Timestamp::from_second((accepted_at + ProgressStore::LIFETIME).as_second());
    Ok(Reply::accepted(json!({
        "runToken": token.to_string(),
        "status": "queued",
        "estimatedSeconds": TIER.estimated_seconds(),
        "statusUrl": format!("/api/analyze/anonymous/{token}"),
        "expiresAt": expires_at.map_err(Error::internal)?,
    })))
}

/// Keeps the request and makes the progress item, then starts the execution; answers when the run was accepted. Nobody
/// else starts it later: the caller is told that it was not, and asks again.
async fn begin(tools: &StartAnonymousTools, run_id: RunId, body: Body) -> Result<Timestamp> {
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
