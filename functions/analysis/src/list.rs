//! `GET /api/analysis`.

use oslira_api::{ErrorCode, Route, Run, RunFilters, Tag, example};
use oslira_domain::Result;
use oslira_lambda::{Reply, Request};
use oslira_postgres::{List, Row, UserDb};
use serde_json::json;

pub(crate) fn list_route() -> Route {
    let complete = example(json!({
        "runId": "01a1fbbc-0a88-736b-af81-8a492628528e", "status": "complete", "code": null, "reason": null,
        "analysisType": "light", "username": "nasa", "businessProfileId": "00000000-0000-4000-8000-0000000000b1",
        "leadId": "7a2f6a52-9d59-4a5f-8d0e-6f6f9b6a2c31", "score": 85, "creditsCharged": 1, "creditsRefunded": null,
        "createdAt": "2026-11-21T01:32:47.121537Z", "finishedAt": "2026-11-21T01:32:56.405122Z",
    }));
    let failed = example(json!({
        "runId": "01932a5f-11aa-7c20-8f10-5e6f7a8b9c0d", "status": "failed", "code": "ProfilePrivate",
        "reason": "The account is private, so there is nothing to analyse.",
        "analysisType": "deep", "username": "starbucks", "businessProfileId": "00000000-0000-4000-8000-0000000000b1",
        "leadId": null, "score": null, "creditsCharged": 5, "creditsRefunded": 5,
        "createdAt": "2026-11-20T18:04:11.402113Z", "finishedAt": "2026-11-20T18:04:18.522113Z",
    }));
    let runs = vec![complete, failed];
    Route::get("/api/analysis", "listRuns", Tag::Analyses, "The account's runs, newest first")
        .describe("Runs that failed or were cancelled are there too, with the reason and the refund.")
        .in_account()
        .query::<RunFilters>()
        .answers_csv_of::<Run>(&runs)
        .answers_pages_of::<Run>("A page of the runs, or all of them as CSV.", runs)
}

/// Answers a page of the account's runs, or all that match as CSV.
pub async fn list_runs(db: &UserDb, request: Request) -> Result<Reply> {
    let (caller, account_id) = (request.caller()?, request.account_id()?);
    let (filters, page) = request.page_or_csv::<RunFilters>()?;
    let RunFilters { status, tier, username, since, until } = filters;
    let list = List {
        select: "select r.run_id, r.status, r.failure_code, r.failure_message, r.tier, r.username, r.business_profile_id,
                        r.credits_charged, r.created_at, r.finished_at, a.lead_id, a.score,
                        t.amount as credits_refunded
                   from public.runs r
                   left join public.analyses a on a.run_id = r.run_id
                   left join public.credit_transactions t on t.run_id = r.run_id and t.kind = 'refund'
                   where r.account_id = $1
                     and ($2 is null or r.status = $2)
                     and ($3 is null or r.tier = $3)
                     and ($4 is null or r.username = $4)
                     and ($5 is null or r.created_at >= $5)
                     and ($6 is null or r.created_at < $6)",
        order: "created_at desc, run_id desc",
        id: "run_id",
        parameters: &[&status, &tier, &username, &since, &until],
    };
    match page {
        Some(page) => Ok(Reply::ok(db.page(caller.user_id, account_id, list, page, run).await?)),
        None => Reply::csv("runs", &db.whole(caller.user_id, account_id, list, run).await?),
    }
}

fn run(row: &Row) -> Result<Run> {
    Ok(Run {
        run_id: row.read("run_id")?,
        status: row.read("status")?,
        code: row.read::<Option<String>>("failure_code")?.map(|code| ErrorCode(code.into())),
        reason: row.read("failure_message")?,
        analysis_type: row.read("tier")?,
        username: row.read("username")?,
        business_profile_id: row.read("business_profile_id")?,
        lead_id: row.read("lead_id")?,
        score: row.read("score")?,
        credits_charged: row.read("credits_charged")?,
        credits_refunded: row.read("credits_refunded")?,
        created_at: row.read("created_at")?,
        finished_at: row.read("finished_at")?,
    })
}
