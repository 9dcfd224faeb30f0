//! `DELETE /api/business-profiles/{businessProfileId}`.

use crate::saved;
use oslira_api::{DeletedBusinessProfile, Route, Tag, example};
use oslira_domain::{Error, Result};
use oslira_lambda::{Reply, Request};
use oslira_postgres::UserDb;
use serde_json::json;

pub(crate) fn delete_route() -> Route {
    let deleted = example(json!({"id": "01932a5e-8c1f-7d3a-9b64-0b1f6a5f2e01"}));
    let path = "/api/business-profiles/{businessProfileId}";
    saved::about_one(Route::delete(path, "deleteBusinessProfile", Tag::BusinessProfiles, "Delete a business profile"))
        .describe(
            "For owners of the account. Its leads and results stay readable, and analyses under way go on. New ones cannot be \
             started for it. A repeated request is answered the same.",
        )
        .answers::<DeletedBusinessProfile>(200, "The business profile was deleted, now or before.", [("deleted", deleted)])
        .refuses(&Error::owner_required())
}

/// Deletes the business profile. A repeated request gets the same answer.
///
/// # Errors
/// `OwnerRequired` for a member who is not an owner, whether there is such a business profile or not.
pub async fn delete_business_profile(db: &UserDb, request: Request) -> Result<Reply> {
    let (caller, account_id) = (request.caller()?, request.account_id()?);
    request.no_query()?;
    let id = saved::requested(&request)?;
    let sql = "select public.delete_business_profile($1, $2) as outcome";
    let row = db.one(caller.user_id, sql, &[&account_id, &id]).await?;
    match &*row.read::<String>("outcome")? {
        "deleted" => Ok(Reply::ok(DeletedBusinessProfile { id })),
        "not_found" => Err(Error::business_profile_not_found()),
        "not_owner" => Err(Error::owner_required()),
        "account_not_found" => Err(Error::account_not_found()),
        other => Err(Error::internal(format!("unknown outcome {other}"))),
    }
}
