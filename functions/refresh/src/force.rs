//! `POST /api/leads/{leadId}/force-refresh`: the lead's analyses from now on read nothing older.

use crate::lead::{self, LEAD, Lead};
use jiff::Timestamp;
use oslira_api::{ForcedRefresh, Route, Tag, example};
use oslira_domain::{Error, Result};
use oslira_lambda::{Reply, Request};
use oslira_postgres::{Parameter, UserDb};
use oslira_stores::{Limit, RateLimits};
use serde_json::json;
use std::time::Duration;

/// How often an account may demand newer data.
const LIMITS: [Limit; 1] = [Limit { count: 30, window: Duration::from_secs(60 * 60) }];

/// Sets that analyses of the lead read nothing that was scraped before now. Other accounts read the cache as before.
///
/// # Errors
/// `LeadNotFound`, `TooManyRequests`.
pub async fn force_refresh(db: &UserDb, limits: &RateLimits, request: Request) -> Result<Reply> {
    let (caller, account_id) = (request.caller()?, request.account_id()?);
    request.no_query()?;
    let lead_id = lead::requested(&request)?;
    let parameters: [&dyn Parameter; 2] = [&lead_id, &account_id];
    // This comes before the limit: nobody uses up the turns of an account that they are not in.
    Lead::read(db.optional(caller.user_id, LEAD, &parameters).await?)?;
    let pass = limits.take(&lead::limit_key("force-refresh", account_id), &LIMITS).await?;
    let set = async {
        let sql = "select public.force_refresh($2, $1) as fresh_since";
        let row = db.one(caller.user_id, sql, &parameters).await?;
        row.read::<Option<Timestamp>>("fresh_since")?.ok_or_else(Error::lead_not_found)
    };
    match set.await {
        Ok(fresh_since) => Ok(Reply::ok(ForcedRefresh { lead_id, fresh_since })),
        Err(error) => {
            if let Err(failure) = limits.give_back(pass).await {
                tracing::warn!(cause = failure.chain(), "a demand that changed nothing stays counted");
            }
            Err(error)
        }
    }
}

pub(crate) fn force_route() -> Route {
    let forced = example(json!({
        "leadId": "01932a5f-7b3c-7e11-8a52-9c4d1e6f3a77", "freshSince": "2026-11-20T09:30:00.123456Z",
    }));
    let path = "/api/leads/{leadId}/force-refresh";
    lead::about_a_lead(Route::post(path, "forceRefresh", Tag::Leads, "Let the lead's analyses from now on read nothing older"))
        .describe(
            "Starts nothing and costs nothing by itself. Every analysis of this lead that is started from now on scrapes what was \
             not scraped since, even if someone else's analysis has just read it. A failed analysis does not use this up. Other \
             accounts, and other leads of this account, are not affected. A repeated request sets the newer moment.\n\n\
             An account may do this 30 times in any hour.",
        )
        .answers::<ForcedRefresh>(200, "Set.", [("forced", forced)])
        .refuses_as("TooManyDemands", &LIMITS[0].reached(Duration::from_secs(1_260)))
}
