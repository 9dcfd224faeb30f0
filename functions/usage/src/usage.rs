//! `GET /api/usage`.

use crate::days::{Days, Used, rate, used};
use jiff::Timestamp;
use oslira_api::{Route, Tag, Usage, UsageDay, UsageFigures, UsageRange, example};
use oslira_domain::Result;
use oslira_lambda::{Reply, Request};
use oslira_postgres::UserDb;
use serde_json::json;

pub(crate) fn usage_route() -> Route {
    let figures = json!({
        "started": 4, "completed": 3, "refunded": 1, "creditsCharged": 4, "creditsRefunded": 1, "cacheHits": 1,
        "cacheHitRate": 0.333_333_333_333_333_3,
    });
    let mut day = json!({"date": "2026-11-24", "analysisType": "light"});
    if let (Some(day), Some(figures)) = (day.as_object_mut(), figures.as_object()) {
        day.extend(figures.clone());
    }
    let november =
        example(json!({"since": "2026-11-01", "until": "2026-12-01", "total": figures, "days": [day]}));
    Route::get("/api/usage", "getUsage", Tag::Account, "What the account used, by day and tier")
        .describe(
            "Days are in UTC, and days without anything are left out. `creditsCharged` and `creditsRefunded` equal the ledger's charges \
             and refunds between midnight of `since` and midnight of `until`.",
        )
        .in_account()
        .query::<UsageRange>()
        .answers::<Usage>(200, "What the account used.", [("november", november)])
}

/// Answers [`Usage`] of the days that are asked for, or of the last 30.
pub async fn get_usage(db: &UserDb, request: Request) -> Result<Reply> {
    let (caller, account_id) = (request.caller()?, request.account_id()?);
    let days = match request.query()? {
        UsageRange { since: Some(since), until: Some(until) } => Days { since, until },
        _ => Days::recent(Timestamp::now())?,
    };
    let used = used(db, caller.user_id, account_id, days).await?;
    let by_day = used.iter().map(|one| UsageDay {
        date: one.day,
        analysis_type: one.tier,
        figures: figures(std::slice::from_ref(one)),
    });
    Ok(Reply::ok(Usage {
        since: days.since,
        until: days.until,
        total: figures(&used),
        days: by_day.collect(),
    }))
}

fn figures(used: &[Used]) -> UsageFigures {
    let sum = |count: fn(&Used) -> u64| used.iter().map(count).sum();
    let (completed, cache_hits) = (sum(|used| used.completed), sum(|used| used.cache_hits));
    UsageFigures {
        started: sum(|used| used.started),
        completed,
        refunded: sum(|used| used.refunded),
        credits_charged: sum(|used| used.credits_charged),
        credits_refunded: sum(|used| used.credits_refunded),
        cache_hits,
        cache_hit_rate: rate(cache_hits, completed),
    }
}
