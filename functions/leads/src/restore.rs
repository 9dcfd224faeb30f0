//! `POST /api/leads/{leadId}/restore`.

use crate::stored;
use oslira_api::{Lead, Route, Tag};
use oslira_domain::{Code, Error, Result};
use oslira_lambda::{Reply, Request};
use oslira_postgres::{RefusedBy, UserDb};

pub(crate) fn restore_route() -> Route {
    let path = "/api/leads/{leadId}/restore";
    stored::about_one(Route::post(path, "restoreLead", Tag::Leads, "Restore a deleted lead"))
        .describe(
            "Within 30 days of its deletion; after that there is no such lead. It comes back with all its analyses. There is no body. A \
             lead that is not deleted is answered as it is, so a repeated request is answered the same.",
        )
        .answers::<Lead>(200, "The lead is there again, or was there all the time.", [("restored", stored::example_lead())])
        .refuses(&exists())
}

/// Restores a lead that was deleted in the past 30 days. A repeated request gets the same answer.
///
/// # Errors
/// `LeadExists` when the same username was analysed again, and so has a new lead.
pub async fn restore_lead(db: &UserDb, request: Request) -> Result<Reply> {
    let (caller, account_id) = (request.caller()?, request.account_id()?);
    request.no_query()?;
    let id = stored::requested(&request)?;
    let sql = "select outcome, (lead).* from public.restore_lead($1, $2)";
    let row = db
        .one(caller.user_id, sql, &[&account_id, &id])
        .await
        .refused_by("leads_one_per_business_profile", exists)?;
    match &*row.read::<String>("outcome")? {
        "restored" => Ok(Reply::ok(stored::lead(&row)?)),
        "not_found" => Err(stored::not_found()),
        "account_not_found" => Err(Error::account_not_found()),
        other => Err(Error::internal(format!("unknown outcome {other}"))),
    }
}

fn exists() -> Error {
    let message = "There is a newer lead of the same business profile and username. Delete it first to restore this one.";
    Error::new(Code::LeadExists, message)
}
