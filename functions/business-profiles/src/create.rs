//! `POST /api/business-profiles`.

use crate::saved;
use oslira_api::{Route, SavedBusinessProfile, Tag};
use oslira_domain::{BusinessProfile, BusinessProfileId, Code, Error, Result};
use oslira_lambda::{Reply, Request};
use oslira_postgres::{Parameter, RefusedBy, UserDb, table::business_profile};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::time::Duration;
use uuid::Uuid;

const ROUTE: &str = "POST /api/business-profiles";
/// How many business profiles an account may have; the second number includes deleted ones. The function
/// `limit_business_profiles` holds it to them.
const MOST_PROFILES: u32 = 100;
const MOST_WITH_DELETED: u32 = 1_000;
/// How many keys an account may use for this route while keys are kept. The limit is this route's row in
/// `oslira.idempotent_routes`.
const MOST_KEYS: u32 = 1_000;
/// How long a key is kept.
const KEYS_ARE_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) fn create_route() -> Route {
    let path = "/api/business-profiles";
    Route::post(
        path,
        "createBusinessProfile",
        Tag::BusinessProfiles,
        "Describe what the account sells, and to whom",
    )
    .in_account()
    .idempotent()
    .takes::<BusinessProfile>([("roaster", saved::roaster())])
    .answers::<SavedBusinessProfile>(
        201,
        "The business profile was made by this request, or by an earlier one with the same `Idempotency-Key` and body.",
        [("roaster", saved::saved_roaster())],
    )
    .links(
        201,
        "/data/id",
        "businessProfileId",
        &["getBusinessProfile", "updateBusinessProfile", "deleteBusinessProfile"],
    )
    .refuses(&Error::business_profile_not_found())
    .refuses(&too_many())
    .refuses_as("TooManyWithDeleted", &too_many_with_deleted())
    .refuses_as("TooManyKeys", &too_many_keys())
}

/// Adds a business profile to the caller's account: 201 with the profile and its id. A repeated request with
/// the same `Idempotency-Key` gets the first one's business profile.
///
/// # Errors
/// `BusinessProfileLimitReached`, `IdempotencyKeyReused`, `BusinessProfileNotFound` for a repeated request whose
/// business profile was deleted, and `TooManyRequests` for too many keys.
pub async fn create_business_profile(db: &UserDb, request: Request) -> Result<Reply> {
    let (caller, account_id) = (request.caller()?, request.account_id()?);
    request.no_query()?;
    let key = request.idempotency_key()?;
    let profile: BusinessProfile = request.body()?;

    let sql = format!(
        "with claim as materialized (
           select * from public.claim_idempotency_key($1, $2, $3, $4, $5)
         ), made as (
           insert into public.business_profiles (business_profile_id, account_id, {})
             select claim.resource_id, $1, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15
               from claim where claim.outcome = 'new'
           on conflict (business_profile_id) do nothing
           returning {}
         )
         select claim.outcome, claim.resource_id, made.* from claim left join made on true",
        business_profile::COLUMNS,
        saved::columns()
    );
    let body_hash = Sha256::digest(&request.body).to_vec();
    let new_id = BusinessProfileId(Uuid::now_v7());
    let claim: [&dyn Parameter; 5] = [&account_id, &ROUTE, &key, &body_hash, &new_id];
    let parameters = [&claim[..], &business_profile::values(&profile)].concat();
    let row = db
        .one(caller.user_id, &sql, &parameters)
        .await
        .refused_by("business_profiles_per_account", too_many)
        .refused_by("business_profiles_per_account_in_all", too_many_with_deleted)
        .refused_by("idempotency_keys_per_account", too_many_keys)?;
    match &*row.read::<String>("outcome")? {
        // Without an id, this statement made nothing: an earlier try of it was carried out, and its answer
        // was lost.
        "new" if row.read::<Option<BusinessProfileId>>("business_profile_id")?.is_some() => {
            Ok(Reply::created(saved::read(&row)?))
        }
        // There may be nothing to see. The business profile was deleted since, or the key was claimed for
        // another id by a user who called the database's function.
        "new" | "repeated" => {
            let sql = format!(
                "select {} from public.business_profiles where business_profile_id = $1 and account_id = $2",
                saved::columns()
            );
            let id: BusinessProfileId = row.read("resource_id")?;
            let seen = db.optional(caller.user_id, &sql, &[&id, &account_id]).await?;
            Ok(Reply::created(saved::read(&seen.ok_or_else(Error::business_profile_not_found)?)?))
        }
        "account_not_found" => Err(Error::account_not_found()),
        "reused" => Err(Error::idempotency_key_reused()),
        other => Err(Error::internal(format!("unknown outcome {other}"))),
    }
}

fn too_many() -> Error {
    let message = format!("The account has {MOST_PROFILES} business profiles, and no account may have more.");
    Error::new(Code::BusinessProfileLimitReached, message).with_details(json!({"limit": MOST_PROFILES}))
}

fn too_many_with_deleted() -> Error {
    let message = format!(
        "The account has made and deleted {MOST_WITH_DELETED} business profiles, and no account may have more."
    );
    Error::new(Code::BusinessProfileLimitReached, message).with_details(json!({"limit": MOST_WITH_DELETED}))
}

fn too_many_keys() -> Error {
    let message = format!(
        "The account used {MOST_KEYS} idempotency keys for new business profiles in 24 hours, and no account may use more."
    );
    let details = json!({"limit": MOST_KEYS, "windowSeconds": KEYS_ARE_KEPT.as_secs()});
    Error::new(Code::TooManyRequests, message).with_details(details).with_retry_after(KEYS_ARE_KEPT)
}
