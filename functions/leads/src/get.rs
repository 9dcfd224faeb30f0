//! `GET /api/leads/{leadId}`.

use crate::stored;
use oslira_api::{LeadDetails, Route, Tag};
use oslira_domain::{Result, RunId};
use oslira_lambda::{Reply, Request};
use oslira_postgres::UserDb;

pub(crate) fn get_route() -> Route {
    stored::about_one(Route::get(
        "/api/leads/{leadId}",
        "getLead",
        Tag::Leads,
        "One lead with its last analysis",
    ))
    .describe(
        "Of the analysis it has the summary; the result of the run in `latestAnalysis.runId` has all of it.",
    )
    .answers::<LeadDetails>(200, "The lead.", [("analysed", stored::example_details())])
}

/// Answers [`LeadDetails`].
pub async fn get_lead(db: &UserDb, request: Request) -> Result<Reply> {
    let (caller, account_id) = (request.caller()?, request.account_id()?);
    request.no_query()?;
    let id = stored::requested(&request)?;
    let sql = format!(
        "select {}, latest.*
           from public.leads l
           left join lateral (
             select {} from public.analyses a left join public.runs r using (run_id)
               where a.account_id = $2 and a.lead_id = $1
               order by a.created_at desc, a.run_id desc limit 1
           ) latest on true
           where l.lead_id = $1 and l.account_id = $2 and l.deleted_at is null",
        stored::COLUMNS,
        stored::ANALYSIS_COLUMNS
    );
    let row = db.optional(caller.user_id, &sql, &[&id, &account_id]).await?.ok_or_else(stored::not_found)?;
    let is_analysed = row.read::<Option<RunId>>("run_id")?.is_some();
    let latest_analysis = is_analysed.then(|| stored::analysis(&row)).transpose()?;
    Ok(Reply::ok(LeadDetails { lead: stored::lead(&row)?, latest_analysis }))
}
