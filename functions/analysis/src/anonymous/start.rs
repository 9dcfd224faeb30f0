//! `POST /api/analyze/anonymous`.

use super::{run_token::RunToken, source::limit_key};
use deserr::Deserr;
use jiff::Timestamp;
use oslira_domain::{
    AnonymousInput, Business, Error, FieldProblem, Icp, Result, RunId, Step, Tier, Username, trimmed,
};
use oslira_lambda::{BodyErrors, Env, Reply, Request, Variable, note_run};
use oslira_runs::Executions;
use oslira_stores::{AnonymousStore, Intake, Limit, Pass, ProgressStore, RateLimits};
use serde_json::json;
use std::time::Duration;

const TIER: Tier = Tier::Light;

#[derive(Debug, Deserr)]
#[deserr(error = BodyErrors, rename_all = camelCase, deny_unknown_fields)]
struct Body {
    username: Username,
    business: BusinessInBrief,
}

/// What the visitor says of their business.
#[derive(Debug, Deserr)]
#[deserr(error = BodyErrors, rename_all = camelCase, deny_unknown_fields)]
struct BusinessInBrief {
    #[deserr(try_from(&String) = trimmed::<500> -> FieldProblem)]
    summary: String,
    #[deserr(default)]
    icp: Option<Icp>,
}

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
            Limit { count: count(env, Variable::AnonymousPerHour)?, window: hour },
            Limit { count: count(env, Variable::AnonymousPerDay)?, window: 24 * hour },
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

fn count(env: &Env, variable: Variable) -> Result<u32> {
    let text = env.var(variable)?;
    text.parse().map_err(|_| Error::internal(format!("{variable} must be a whole number, not {text:?}")))
}

/// Accepts a visitor's run: 202 with `{runToken, status, estimatedSeconds, statusUrl, expiresAt}`. A bad body is refused
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
    let body: Body = request.body()?;
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
    Ok(Reply::accepted(json!({
        "runToken": token.to_string(),
        "status": "queued",
        "estimatedSeconds": TIER.estimated_seconds(),
        "statusUrl": format!("/api/analyze/anonymous/{token}"),
        "expiresAt": expires_at.map_err(Error::internal)?,
    })))
}

/// Keeps the request and makes the progress item, then starts the execution; answers when the run was accepted. Nobody
/// else starts it later: the visitor is told that it was not, and asks again.
async fn begin(
    executions: &Executions,
    store: &AnonymousStore,
    progress: &ProgressStore,
    run_id: RunId,
    body: Body,
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
