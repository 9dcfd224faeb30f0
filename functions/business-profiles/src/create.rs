//! `POST /api/business-profiles`.

use deserr::Deserr;
use oslira_domain::{BusinessProfileId, Code, Error, Icp, Result, clean_line};
use oslira_lambda::{BodyErrors, FieldProblem, IcpBody, Reply, Request, trimmed};
use oslira_postgres::{RowExt, Type, UserDb, violated};
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::time::Duration;
use url::Url;
use uuid::Uuid;

const ROUTE: &str = "POST /api/business-profiles";
/// How many business profiles an account may have, and with the deleted ones: the function `limit_business_profiles`.
const MOST_PROFILES: u32 = 100;
const MOST_WITH_DELETED: u32 = 1_000;
/// How many keys it may use here while they are kept: the function `claim_idempotency_key`.
const MOST_KEYS: u32 = 1_000;
/// How long a key is kept.
const KEYS_ARE_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// The body, and with an id the answer.
#[derive(Debug, Deserr, Serialize)]
#[deserr(error = BodyErrors, rename_all = camelCase, deny_unknown_fields)]
#[serde(rename_all = "camelCase")]
struct NewBusinessProfile {
    #[deserr(try_from(&String) = trimmed::<200> -> FieldProblem)]
    name: String,
    #[deserr(try_from(&String) = trimmed::<4_000> -> FieldProblem)]
    description: String,
    #[deserr(default, try_from(Option<String>) = web_address -> FieldProblem)]
    website: Option<String>,
    #[deserr(default, try_from(Option<String>) = optional::<1_000> -> FieldProblem)]
    voice: Option<String>,
    #[deserr(default, try_from(Option<String>) = optional::<2_000> -> FieldProblem)]
    offer: Option<String>,
    #[deserr(from(IcpBody) = Icp::from)]
    icp: Icp,
}

/// Adds a business profile to the caller's account: 201 with it and its id. A repetition with the same
/// `Idempotency-Key` answers with the first one's.
///
/// # Errors
/// `BusinessProfileLimitReached`, `IdempotencyKeyReused`, and `TooManyRequests` for keys.
pub async fn create_business_profile(db: &UserDb, request: Request) -> Result<Reply> {
    let (caller, account_id) = (request.caller()?, request.account_id()?);
    let key = request.idempotency_key()?;
    let body: NewBusinessProfile = request.body()?;

    let sql = "with claim as materialized (
                 select * from public.claim_idempotency_key($1, $2, $3, $4, $5)
               ), made as (
                 insert into public.business_profiles (business_profile_id, account_id, name, description, website,
                     voice, offer, follower_min, follower_max, engagement_min, content_themes, geo_focus)
                   select claim.resource_id, $1, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15
                     from claim where claim.outcome = 'new'
                 on conflict (business_profile_id) do nothing
               )
               select outcome, resource_id from claim";
    let body_hash = Sha256::digest(&request.body).to_vec();
    let new_id = Uuid::now_v7();
    let rows = db
        .query(
            caller.user_id,
            sql,
            &[
                (&account_id.0, Type::UUID),
                (&ROUTE, Type::TEXT),
                (&key, Type::TEXT),
                (&body_hash, Type::BYTEA),
                (&new_id, Type::UUID),
                (&body.name, Type::TEXT),
                (&body.description, Type::TEXT),
                (&body.website, Type::TEXT),
                (&body.voice, Type::TEXT),
                (&body.offer, Type::TEXT),
                (&followers(body.icp.follower_range.min), Type::INT8),
                (&followers(body.icp.follower_range.max), Type::INT8),
                (&body.icp.engagement_min, Type::FLOAT8),
                (&body.icp.content_themes, Type::TEXT_ARRAY),
                (&body.icp.geo_focus, Type::TEXT_ARRAY),
            ],
        )
        .await
        .map_err(explained)?;
    let row = rows.first().ok_or_else(|| Error::internal("the statement answered no row"))?;
    match row.read("outcome")? {
        "new" => {}
        // Who calls the database's functions themselves can claim the key for any id. What is answered is what they can see.
        "repeated" => {
            let sql =
                "select from public.business_profiles where business_profile_id = $1 and account_id = $2";
            let id: Uuid = row.read("resource_id")?;
            let seen =
                db.query(caller.user_id, sql, &[(&id, Type::UUID), (&account_id.0, Type::UUID)]).await?;
            if seen.is_empty() {
                return Err(Request::idempotency_key_reused());
            }
        }
        "account_not_found" => return Err(Request::account_not_found()),
        "reused" => return Err(Request::idempotency_key_reused()),
        other => return Err(Error::internal(format!("unknown outcome {other}"))),
    }
    let mut data = serde_json::to_value(&body).map_err(Error::internal)?;
    data["id"] = json!(BusinessProfileId(row.read("resource_id")?));
    Ok(Reply::created(data))
}

/// Which limit the database held to, for the caller.
fn explained(error: Error) -> Error {
    match violated(&error) {
        Some("business_profiles_per_account") => {
            let message =
                format!("The account has {MOST_PROFILES} business profiles, and no account may have more.");
            Error::new(Code::BusinessProfileLimitReached, message)
                .with_details(json!({"limit": MOST_PROFILES}))
        }
        Some("business_profiles_per_account_in_all") => {
            let message = format!(
                "The account has made and deleted {MOST_WITH_DELETED} business profiles, and no account may have more."
            );
            let details = json!({"limit": MOST_WITH_DELETED});
            Error::new(Code::BusinessProfileLimitReached, message).with_details(details)
        }
        Some("idempotency_keys_per_account") => {
            let message = format!(
                "The account used {MOST_KEYS} idempotency keys for new business profiles in 24 hours, and no account may \
                 use more."
            );
            let details = json!({"limit": MOST_KEYS, "windowSeconds": KEYS_ARE_KEPT.as_secs()});
            Error::new(Code::TooManyRequests, message).with_details(details).with_retry_after(KEYS_ARE_KEPT)
        }
        _ => error,
    }
}

fn optional<const MAX: usize>(text: Option<String>) -> Result<Option<String>, FieldProblem> {
    text.map(|text| trimmed::<MAX>(&text)).transpose()
}

/// An address that a link may lead to, as it was written.
fn web_address(text: Option<String>) -> Result<Option<String>, FieldProblem> {
    let website = optional::<500>(text)?;
    let problem = website.as_deref().and_then(|text| {
        // The parser would leave some of these out, and others change how the text is shown. Either way what is read is
        // another address.
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) || clean_line(text, 500) != text {
            return Some(
                "must not hold spaces, line breaks, control characters or marks that turn text around",
            );
        }
        // What a host is differs between readers: for some a backslash is a slash, and some skip empty places before a host.
        if text.contains('\\') {
            return Some("must not hold a backslash");
        }
        let begins =
            |scheme: &str| text.get(..scheme.len()).is_some_and(|it| it.eq_ignore_ascii_case(scheme));
        if !begins("https://") && !begins("http://") {
            return Some("must begin with https:// or http://");
        }
        if text.split_once("://").is_some_and(|(_, rest)| rest.starts_with('/')) {
            return Some("must have its host right after ://");
        }
        match Url::parse(text) {
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                Some("must not hold a user name or password")
            }
            Ok(url) if url.has_host() => None,
            _ => Some("must be a web address with a host, such as https://example.com"),
        }
    });
    problem.map_or(Ok(website), |problem| Err(FieldProblem(problem.to_owned())))
}

/// A count of the body's, which has 32 bits.
fn followers(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_website_is_an_address_with_a_host_and_is_kept_as_it_is_written() {
        for good in [
            "https://brew.example",
            "HTTP://Brew.Example:8080/a?b=c#d",
            "https://cafés.example/menü",
            "http://[2001:db8::1]/",
        ] {
            assert_eq!(web_address(Some(format!(" {good}\n"))).unwrap().as_deref(), Some(good));
        }
        assert_eq!(web_address(None).unwrap(), None);
        let long = format!("https://brew.example/{}", "x".repeat(480));
        for (bad, problem) in [
            ("http://", "must be a web address"),
            ("https://:80/", "must be a web address"),
            ("https://?a", "must be a web address"),
            ("https://a:port/", "must be a web address"),
            ("https://[::1", "must be a web address"),
            ("brew.example", "must begin with"),
            ("https:brew.example", "must begin with"),
            ("javascript:alert(1)//https://", "must begin with"),
            ("é://brew.example", "must begin with"),
            ("https://brew.example/\r\nSet-Cookie: a", "must not hold spaces"),
            ("https://brew\t.example", "must not hold spaces"),
            ("https://brew.\u{85}example", "must not hold spaces"),
            ("https://brew.example/\u{202e}moc", "must not hold spaces"),
            ("https://brew.example\\@evil.example", "must not hold a backslash"),
            ("https:///evil.example", "must have its host right after"),
            ("https://brew.example/\0", "must not hold the character U+0000"),
            ("https://brew.example@evil.example", "must not hold a user name"),
            ("https://:secret@brew.example", "must not hold a user name"),
            (&long, "must be at most 500"),
            ("", "must not be empty"),
        ] {
            let told = web_address(Some(bad.to_owned())).unwrap_err().0;
            assert!(told.starts_with(problem), "{bad}: {told}");
        }
    }
}
