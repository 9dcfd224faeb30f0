//! `POST /api/business-profiles`.

use oslira_domain::{BusinessProfile, BusinessProfileId, Code, Error, Result};
use oslira_lambda::{Reply, Request};
use oslira_postgres::{Parameter, RefusedBy, UserDb, table::business_profile};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::time::Duration;
use uuid::Uuid;

const ROUTE: &str = "POST /api/business-profiles";
/// How many business profiles an account may have, and with the deleted ones: the function `limit_business_profiles`.
const MOST_PROFILES: u32 = 100;
const MOST_WITH_DELETED: u32 = 1_000;
/// How many keys it may use here while they are kept: the function `claim_idempotency_key`.
const MOST_KEYS: u32 = 1_000;
/// How long a key is kept.
const KEYS_ARE_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// Adds a business profile to the caller's account: 201 with it and its id. A repetition with the same
/// `Idempotency-Key` answers with the first one's.
///
/// # Errors
/// `BusinessProfileLimitReached`, `IdempotencyKeyReused`, and `TooManyRequests` for keys.
pub async fn create_business_profile(db: &UserDb, request: Request) -> Result<Reply> {
    let (caller, account_id) = (request.caller()?, request.account_id()?);
    let key = request.idempotency_key()?;
    let mut profile: BusinessProfile = request.body()?;

    let sql = format!(
        "with claim as materialized (
           select * from public.claim_idempotency_key($1, $2, $3, $4, $5)
         ), made as (
           insert into public.business_profiles (business_profile_id, account_id, {})
             select claim.resource_id, $1, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15
               from claim where claim.outcome = 'new'
           on conflict (business_profile_id) do nothing
         )
         select outcome, resource_id from claim",
        business_profile::COLUMNS
    );
    let body_hash = Sha256::digest(&request.body).to_vec();
    let new_id = BusinessProfileId(Uuid::now_v7());
    let claim: [&dyn Parameter; 5] = [&account_id, &ROUTE, &key, &body_hash, &new_id];
    let parameters = [&claim[..], &business_profile::values(&profile)].concat();
    let row = db
        .one(caller.user_id, &sql, &parameters)
        .await
        .refused_by("business_profiles_per_account", || {
            let message =
                format!("The account has {MOST_PROFILES} business profiles, and no account may have more.");
            too_many(message, MOST_PROFILES)
        })
        .refused_by("business_profiles_per_account_in_all", || {
            let message = format!(
                "The account has made and deleted {MOST_WITH_DELETED} business profiles, and no account may have more."
            );
            too_many(message, MOST_WITH_DELETED)
        })
        .refused_by("idempotency_keys_per_account", too_many_keys)?;
    let id: BusinessProfileId = match &*row.read::<String>("outcome")? {
        "new" => row.read("resource_id")?,
        // Who calls the database's functions themselves can claim the key for any id. What is answered is what they can see.
        "repeated" => {
            let sql = format!(
                "select {} from public.business_profiles where business_profile_id = $1 and account_id = $2",
                business_profile::COLUMNS
            );
            let id: BusinessProfileId = row.read("resource_id")?;
            let seen = db.optional(caller.user_id, &sql, &[&id, &account_id]).await?;
            profile = business_profile::read(&seen.ok_or_else(Error::idempotency_key_reused)?)?;
            id
        }
        "account_not_found" => return Err(Error::account_not_found()),
        "reused" => return Err(Error::idempotency_key_reused()),
        other => return Err(Error::internal(format!("unknown outcome {other}"))),
    };
    let mut data = serde_json::to_value(&profile).map_err(Error::internal)?;
    data["id"] = json!(id);
    Ok(Reply::created(data))
}

fn too_many(message: String, limit: u32) -> Error {
    Error::new(Code::BusinessProfileLimitReached, message).with_details(json!({"limit": limit}))
}

fn too_many_keys() -> Error {
    let message = format!(
        "The account used {MOST_KEYS} idempotency keys for new business profiles in 24 hours, and no account may use more."
    );
    let details = json!({"limit": MOST_KEYS, "windowSeconds": KEYS_ARE_KEPT.as_secs()});
    Error::new(Code::TooManyRequests, message).with_details(details).with_retry_after(KEYS_ARE_KEPT)
}
