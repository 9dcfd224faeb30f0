//! `GET /api/leads/{leadId}/analyses`.

use crate::stored;
use deserr::Deserr;
use oslira_api::{LeadAnalysis, Route, Tag};
use oslira_domain::Result;
use oslira_lambda::{FieldErrors, Reply, Request};
use oslira_postgres::{List, UserDb};

pub(crate) fn analyses_route() -> Route {
    let path = "/api/leads/{leadId}/analyses";
    stored::about_one(Route::get(path, "listLeadAnalyses", Tag::Leads, "A lead's analyses, newest first"))
        .describe("The complete ones. Runs that failed or were cancelled left no analysis.")
        .answers_pages_of::<LeadAnalysis>("A page of the analyses.", vec![stored::example_analysis()])
}

/// The list has no parameters except the page.
#[derive(Debug, Deserr)]
#[deserr(error = FieldErrors, deny_unknown_fields)]
struct NoFilters {}

/// Answers with a page of the lead's analyses.
pub async fn list_lead_analyses(db: &UserDb, request: Request) -> Result<Reply> {
    let (caller, account_id) = (request.caller()?, request.account_id()?);
    let id = stored::requested(&request)?;
    let (NoFilters {}, page) = request.page()?;
    let lead =
        "select from public.leads l where l.lead_id = $2 and l.account_id = $1 and l.deleted_at is null";
    let select = format!(
        "select {} from public.analyses a left join public.runs r using (run_id)
           where a.account_id = $1 and a.lead_id = $2 and exists ({lead})",
        stored::ANALYSIS_COLUMNS
    );
    let list = List { select: &select, order: "saved_at desc, run_id desc", parameters: &[&id] };
    let page = db.page(caller.user_id, account_id, list, page, stored::analysis).await?;
    // Either there is no such lead, or it has no analysis yet.
    if page.total == 0 && db.optional(caller.user_id, lead, &[&account_id, &id]).await?.is_none() {
        return Err(stored::not_found());
    }
    Ok(Reply::ok(page))
}
