//! `GET /api/business-profiles`.

use crate::saved;
use deserr::Deserr;
use oslira_api::{Route, SavedBusinessProfile, Tag};
use oslira_domain::Result;
use oslira_lambda::{FieldErrors, Reply, Request};
use oslira_postgres::{List, UserDb};

pub(crate) fn list_route() -> Route {
    let path = "/api/business-profiles";
    Route::get(
        path,
        "listBusinessProfiles",
        Tag::BusinessProfiles,
        "The account's business profiles, newest first",
    )
    .in_account()
    .answers_pages_of::<SavedBusinessProfile>(
        "A page of the business profiles.",
        vec![saved::saved_roaster()],
    )
}

/// The list has no parameters except the page.
#[derive(Debug, Deserr)]
#[deserr(error = FieldErrors, deny_unknown_fields)]
struct NoFilters {}

/// Answers a page of the account's business profiles.
pub async fn list_business_profiles(db: &UserDb, request: Request) -> Result<Reply> {
    let (caller, account_id) = (request.caller()?, request.account_id()?);
    let (NoFilters {}, page) = request.page()?;
    let select = format!(
        "select {} from public.business_profiles where account_id = $1 and deleted_at is null",
        saved::columns()
    );
    let order = "created_at desc, business_profile_id desc";
    let list = List { select: &select, order, parameters: &[] };
    Ok(Reply::ok(db.page(caller.user_id, account_id, list, page, saved::read).await?))
}
