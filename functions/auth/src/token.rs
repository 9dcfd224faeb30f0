//! Whether a token is a signed-in user's.

use crate::keys::{self, KeySet};
use jiff::Timestamp;
use jsonwebtoken::{Validation, decode, decode_header};
use oslira_domain::{Code, Error, Result, UserId};
use serde::Deserialize;

/// How far clocks may differ, in seconds.
pub(crate) const LEEWAY: u64 = 60;

/// What we read of an access token. Supabase's `anon` and `service_role` keys have no `sub`, so they are no users.
#[derive(Debug, Deserialize)]
pub(crate) struct Claims {
    pub(crate) sub: UserId,
    pub(crate) exp: i64,
    pub(crate) email: Option<String>,
    role: String,
    iat: Option<i64>,
    #[serde(default)]
    is_anonymous: bool,
}

/// Checks a token's signature and claims. The error is `Unauthorized` for a bad token, something else when that
/// could not be found out.
pub(crate) async fn verify(keys: &KeySet, issuer: &str, audience: &str, token: &str) -> Result<Claims> {
    // `none` and algorithms of other families do not even parse.
    let header = decode_header(token).map_err(refused)?;
    let key = keys::for_header(keys, &header).await?.ok_or_else(|| refused("no such key"))?;

    let mut rules = Validation::new(key.algorithm);
    rules.leeway = LEEWAY;
    rules.validate_nbf = true;
    rules.set_issuer(&[issuer]);
    rules.set_audience(&[audience]);
    rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    let claims = decode::<Claims>(token, &key.decoding, &rules).map_err(refused)?.claims;

    if claims.role != "authenticated" {
        return Err(refused("the role is not a user's"));
    }
    if claims.is_anonymous {
        return Err(refused("the user is anonymous"));
    }
    let latest = Timestamp::now().as_second().saturating_add_unsigned(LEEWAY);
    if claims.iat.is_some_and(|issued_at| issued_at > latest) {
        return Err(refused("issued in the future"));
    }
    Ok(claims)
}

/// API Gateway turns an authorizer's error into a 401 only when its message is this one word.
pub(crate) fn refused(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(Code::Unauthorized, "Unauthorized").because(why)
}
