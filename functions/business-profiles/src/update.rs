//! `PUT /api/business-profiles/{businessProfileId}`.

use crate::saved;
use oslira_api::{Route, SavedBusinessProfile, Tag};
use oslira_domain::{BusinessProfile, Error, Result};
use oslira_lambda::{Reply, Request};
use oslira_postgres::{Parameter, UserDb, table::business_profile};

pub(crate) fn update_route() -> Route {
    let path = "/api/business-profiles/{businessProfileId}";
    let summary = "Replace a business profile's content";
    saved::about_one(Route::put(path, "updateBusinessProfile", Tag::BusinessProfiles, summary))
        .describe(
            "The body is the whole document, without `id`, `createdAt` and `updatedAt`: what is left out is removed. Analyses that were accepted before go on with the \
             business profile as it was then.",
        )
        .takes::<BusinessProfile>([("roaster", saved::roaster())])
        .answers::<SavedBusinessProfile>(200, "The business profile as it is now.", [("roaster", saved::saved_roaster())])
}

/// Replaces the business profile and answers with the new one. A repeated request changes nothing more.
pub async fn update_business_profile(db: &UserDb, request: Request) -> Result<Reply> {
    let (caller, account_id) = (request.caller()?, request.account_id()?);
    request.no_query()?;
    let id = saved::requested(&request)?;
    let profile: BusinessProfile = request.body()?;
    let sql = format!(
        "update public.business_profiles set ({}) = ($3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
           where business_profile_id = $1 and account_id = $2 and deleted_at is null
           returning {}",
        business_profile::COLUMNS,
        saved::columns()
    );
    let which: [&dyn Parameter; 2] = [&id, &account_id];
    let parameters = [&which[..], &business_profile::values(&profile)].concat();
    let row = db
        .optional(caller.user_id, &sql, &parameters)
        .await?
        .ok_or_else(Error::business_profile_not_found)?;
    Ok(Reply::ok(saved::read(&row)?))
}
