//! `GET /api/business-profiles/{businessProfileId}`.

use crate::saved;
use oslira_api::{Route, SavedBusinessProfile, Tag};
use oslira_domain::{Error, Result};
use oslira_lambda::{Reply, Request};
use oslira_postgres::UserDb;

pub(crate) fn get_route() -> Route {
    let path = "/api/business-profiles/{businessProfileId}";
    saved::about_one(Route::get(path, "getBusinessProfile", Tag::BusinessProfiles, "One business profile"))
        .answers::<SavedBusinessProfile>(200, "The business profile.", [("roaster", saved::saved_roaster())])
}

/// Answers [`SavedBusinessProfile`].
pub async fn get_business_profile(db: &UserDb, request: Request) -> Result<Reply> {
    let (caller, account_id) = (request.caller()?, request.account_id()?);
    request.no_query()?;
    let id = saved::requested(&request)?;
    let sql = format!(
        "select {} from public.business_profiles
           where business_profile_id = $1 and account_id = $2 and deleted_at is null",
        saved::columns()
    );
    let row = db
        .optional(caller.user_id, &sql, &[&id, &account_id])
        .await?
        .ok_or_else(Error::business_profile_not_found)?;
    Ok(Reply::ok(saved::read(&row)?))
}
