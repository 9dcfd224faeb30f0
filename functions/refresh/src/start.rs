//! `POST /api/leads/{leadId}/refresh-check`: does the lead need a refresh?

use crate::lead::{self, LEAD, Lead};
use jiff::Timestamp;
use oslira_api::{CheckingStatus, Route, StartedRefreshCheck, Tag, example};
use oslira_domain::{
    AccountId, LeadId, RefreshAnswer, RefreshCheckInput, Result, RunId, SeenProfile, Tier, is_fresh,
};
use oslira_lambda::{Reply, Request, note_run};
use oslira_postgres::UserDb;
use oslira_runs::Executions;
use oslira_stores::{
    CachedProfile, IntakeSwitch, Limit, ProfileStore, ProgressStore, RateLimits, RefreshCheck, RefreshChecks,
    has_gone_silent,
};
use serde_json::json;
use std::time::Duration;

/// The tier that wants the newest profile. A profile that it may read counts as the profile of now.
pub(crate) const TIER: Tier = Tier::Xray;
/// A scrape that nothing delays.
const ESTIMATED_SECONDS: u32 = 8;
/// How many checks an account may make. A check may scrape, and costs no credit.
const LIMITS: [Limit; 2] = [
    Limit { count: 10, window: Duration::from_secs(60 * 60) },
    Limit { count: 40, window: Duration::from_secs(24 * 60 * 60) },
];

#[derive(Debug)]
pub struct StartCheckTools {
    pub switch: IntakeSwitch,
    pub db: UserDb,
    /// For the cache.
    pub profiles: ProfileStore,
    pub limits: RateLimits,
    pub checks: RefreshChecks,
    /// For a check's latest sign of life.
    pub progress: ProgressStore,
    pub executions: Executions,
}

/// What came of a request.
enum Outcome {
    /// The cache holds a profile that is new enough.
    Answered(RefreshAnswer),
    Started(RefreshCheck),
    /// Another request has just started a check of the lead.
    UnderWay(RefreshCheck),
}

/// Answers [`RefreshAnswer`] at once, 200, when the cache holds a profile that is new enough. Otherwise starts a check that
/// scrapes the profile: 202. While a check of the lead is under way, answers that one.
///
/// A request that gets an answer or starts a check is a turn of the account's limit. Any other is not.
///
/// # Errors
/// `LeadNotFound`, `NotReady` for a lead without a complete analysis, `Paused` while an operator has stopped intake,
/// `TooManyRequests`; `StoreUnavailable` when no check was started.
pub async fn start_refresh_check(tools: &StartCheckTools, request: Request) -> Result<Reply> {
    let (caller, account_id) = (request.caller()?, request.account_id()?);
    request.no_query()?;
    let lead_id = lead::requested(&request)?;
    // This comes before the limit: nobody uses up the turns of an account that they are not in.
    let lead = Lead::read(tools.db.optional(caller.user_id, LEAD, &[&lead_id, &account_id]).await?)?;
    let seen = lead.seen()?;
    let latest = tools.checks.read(lead_id).await?;
    if let Some(check) = &latest
        && is_under_way(&tools.progress, check).await?
    {
        return Ok(started(lead_id, check));
    }
    tools.switch.check().await?;
    let pass = tools.limits.take(&lead::limit_key("refresh-check", account_id), &LIMITS).await?;
    let begin = Begin { tools, account_id, lead_id, lead: &lead, seen, latest: latest.as_ref() };
    let (reply, is_turn) = match begin.answer_or_start().await {
        Ok(Outcome::Answered(answer)) => (Ok(Reply::ok(answer)), true),
        Ok(Outcome::Started(check)) => (Ok(started(lead_id, &check)), true),
        Ok(Outcome::UnderWay(check)) => (Ok(started(lead_id, &check)), false),
        Err(error) => (Err(error), false),
    };
    if !is_turn && let Err(failure) = tools.limits.give_back(pass).await {
        tracing::warn!(cause = failure.chain(), "a request that checked nothing stays counted");
    }
    reply
}

/// Whether something still works on a check. A scraper's every try is a sign of life.
pub(crate) async fn is_under_way(progress: &ProgressStore, check: &RefreshCheck) -> Result<bool> {
    if check.end.is_some() {
        return Ok(false);
    }
    let now = Timestamp::now();
    if !has_gone_silent(check.started_at, now) {
        return Ok(true);
    }
    let scrape = progress.read(check.check_id).await?;
    Ok(scrape.is_some_and(|scrape| !has_gone_silent(scrape.updated_at, now)))
}

/// A request of an account that has a turn left.
struct Begin<'a> {
    tools: &'a StartCheckTools,
    account_id: AccountId,
    lead_id: LeadId,
    lead: &'a Lead,
    seen: &'a SeenProfile,
    latest: Option<&'a RefreshCheck>,
}

impl Begin<'_> {
    async fn answer_or_start(&self) -> Result<Outcome> {
        let Self { tools, seen, .. } = self;
        match tools.profiles.cached(&self.lead.username).await?.filter(is_of_now) {
            Some(cached) => Ok(Outcome::Answered(lead::compare(&tools.profiles, seen, &cached).await?)),
            None => self.start().await,
        }
    }

    async fn start(&self) -> Result<Outcome> {
        let Self { tools, account_id, lead_id, lead, latest, .. } = *self;
        let check_id = RunId::generate_without_row();
        note_run(check_id);
        let check = tools.checks.begin(lead_id, account_id, check_id, latest).await?;
        if check.check_id != check_id {
            return Ok(Outcome::UnderWay(check));
        }
        let username = lead.username.clone();
        let input = RefreshCheckInput { run_id: check_id, account_id, lead_id, username, tier: TIER };
        match tools.executions.start_refresh_check(&input).await {
            Ok(()) => Ok(Outcome::Started(check)),
            Err(error) => {
                // If the execution was started after all, what it scrapes is in the cache, and nobody waits for its answer.
                if let Err(failure) = tools.checks.withdraw(lead_id, check_id).await {
                    let cause = failure.chain();
                    tracing::warn!(runId = %check_id, cause, "a check that was not started is shown as under way for some minutes");
                }
                Err(error)
            }
        }
    }
}

/// Whether the cache entry is new enough to be the profile of now.
pub(crate) fn is_of_now(cached: &CachedProfile) -> bool {
    let is_found = matches!(cached, CachedProfile::Found { .. });
    is_fresh(TIER, is_found, cached.scraped_at(), Timestamp::now())
}

fn started(lead_id: LeadId, check: &RefreshCheck) -> Reply {
    note_run(check.check_id);
    Reply::accepted(StartedRefreshCheck {
        check_id: check.check_id,
        status: CheckingStatus::Checking,
        estimated_seconds: ESTIMATED_SECONDS,
        status_url: lead::status_url(lead_id),
    })
}

pub(crate) fn start_route() -> Route {
    let checking = example(json!({
        "checkId": "0b8f5a52-6a1d-8c3e-9f43-2a17c60e5d11", "status": "checking", "estimatedSeconds": 8,
        "statusUrl": "/api/leads/01932a5f-7b3c-7e11-8a52-9c4d1e6f3a77/refresh-check",
    }));
    let summary = "Does a lead need a refresh?";
    lead::about_a_lead(Route::post("/api/leads/{leadId}/refresh-check", "startRefreshCheck", Tag::Leads, summary))
        .describe(
            "Compares what the lead's last analysis saw with the profile of now, and costs no credit. When someone looked at the \
             profile in the past six hours, or found none in the past ten minutes, the answer comes at once: 200. So it also \
             tells that someone did. Otherwise the profile is scraped, which may take as long as any scrape: 202, and the answer \
             is at `statusUrl`. While a check of the lead is under way, the same check is answered.\n\n\
             An account has ten checks in any hour and 40 in any 24 hours. Requests that are refused, or that join a check under \
             way, do not count. A check that was started counts, even if it fails.",
        )
        .answers::<RefreshAnswer>(200, "The answer.", [("followers", followers()), ("nothing", nothing())])
        .answers::<StartedRefreshCheck>(202, "The profile is being scraped.", [("checking", checking)])
        .refuses(&lead::never_analyzed())
        .refuses(&IntakeSwitch::off(Duration::from_secs(300)))
        .refuses_as("TooManyChecks", &LIMITS[0].reached(Duration::from_secs(1_260)))
}

/// An answer for the API's description.
pub(crate) fn followers() -> RefreshAnswer {
    example(json!({
        "needsRefresh": true,
        "reasons": [
            {"reason": "age", "seen": "2026-11-18T08:12:44Z", "now": "2026-11-20T09:30:00Z", "limitHours": 24},
            {"reason": "followers", "seen": 12_400, "now": 15_950},
        ],
        "visibility": "public", "profileAsOf": "2026-11-20T07:41:09Z",
    }))
}

fn nothing() -> RefreshAnswer {
    example(json!({
        "needsRefresh": false, "reasons": [], "visibility": "public", "profileAsOf": "2026-11-20T07:41:09Z",
    }))
}
