//! `DELETE /api/leads/{leadId}`.

use crate::stored;
use jiff::Timestamp;
use oslira_api::{DeletedLead, Route, Tag, example};
use oslira_domain::{Error, Result};
use oslira_lambda::{Reply, Request};
use oslira_postgres::UserDb;
use serde_json::json;

pub(crate) fn delete_route() -> Route {
    let deleted = example(json!({
        "id": "5b8f1f6e-3c3a-4c53-9a39-8f1d6b0c2a11", "restorableUntil": "2026-12-21T09:30:00.123456Z",
    }));
    stored::about_one(Route::delete("/api/leads/{leadId}", "deleteLead", Tag::Leads, "Delete a lead"))
        .describe(
            "It and its analyses are in no list any more. It can be restored for 30 days. The results of its runs stay readable. A later \
             analysis of the same username makes a new lead. One that is under way now belongs to the deleted lead if the lead was \
             shown already. A repeated request is answered the same within these 30 days.",
        )
        .answers::<DeletedLead>(200, "The lead was deleted, now or before.", [("deleted", deleted)])
}

/// Deletes the lead. A repeated request gets the same answer.
pub async fn delete_lead(db: &UserDb, request: Request) -> Result<Reply> {
    let (caller, account_id) = (request.caller()?, request.account_id()?);
    request.no_query()?;
    let id = stored::requested(&request)?;
    let sql = "select outcome, restorable_until from public.delete_lead($1, $2)";
    let row = db.one(caller.user_id, sql, &[&account_id, &id]).await?;
    match &*row.read::<String>("outcome")? {
        "deleted" => {
            let restorable_until = row.read::<Timestamp>("restorable_until")?;
            Ok(Reply::ok(DeletedLead { id, restorable_until }))
        }
        "not_found" => Err(stored::not_found()),
        "account_not_found" => Err(Error::account_not_found()),
        other => Err(Error::internal(format!("unknown outcome {other}"))),
    }
}
