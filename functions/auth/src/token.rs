//! Checks whether a token belongs to a signed-in user.

use crate::keys::{self, KeySet};
use jiff::Timestamp;
use jsonwebtoken::{Header, Validation, decode, decode_header, errors::ErrorKind};
use oslira_domain::{Code, Error, Result, UserId};
use serde::Deserialize;

/// How far clocks may differ, in seconds.
pub(crate) const LEEWAY: u64 = 60;

/// The part of an access token that is read. Supabase's `anon` and `service_role` keys have no `sub`, so they
/// are not users.
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

/// Checks a token's signature and claims. The error is `Unauthorized` for a bad token, and another one when
/// the check was not possible.
pub(crate) async fn verify(keys: &KeySet, issuer: &str, audience: &str, token: &str) -> Result<Claims> {
    // `none` and algorithms of other families cannot even be parsed.
    let header = decode_header(token).map_err(unread)?;
    if !is_plain(&header) {
        return Err(refused("the header asks for more than a signature"));
    }
    let key = keys::for_header(keys, &header).await?.ok_or_else(|| refused("no such key"))?;

    let mut rules = Validation::new(key.algorithm);
    rules.leeway = LEEWAY;
    rules.validate_nbf = true;
    rules.set_issuer(&[issuer]);
    rules.set_audience(&[audience]);
    rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    let claims = decode::<Claims>(token, &key.decoding, &rules).map_err(unread)?.claims;

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

/// The error for a token that cannot be verified. When the library cannot read a token, its message may quote
/// the token. All its other messages are fixed texts.
fn unread(error: jsonwebtoken::errors::Error) -> Error {
    match error.kind() {
        ErrorKind::Json(_) | ErrorKind::Base64(_) | ErrorKind::Utf8(_) => refused("the token cannot be read"),
        _ => refused(error),
    }
}

/// Whether a header asks only for what is supported here. Keys in the header (`jwk`, `jku`, `x5u`, `x5c`) are
/// never read: a key must be published by Supabase.
fn is_plain(header: &Header) -> bool {
    // A reader that does not know a critical parameter must refuse the token (RFC 7515, 4.1.11), and no
    // parameter is known here. `b64` is critical by itself (RFC 7797).
    let is_critical = header.crit.is_some() || header.extras.inner().contains_key("b64");
    // The token contains another token, or is encrypted or compressed.
    let is_wrapped = header.cty.is_some() || header.enc.is_some() || header.zip.is_some();
    // A token with another type, such as `logout+jwt`, is not an access token (RFC 8725, 3.11).
    let is_typed = header.typ.as_ref().is_none_or(|typ| typ.eq_ignore_ascii_case("JWT"));
    !is_critical && !is_wrapped && is_typed
}

/// API Gateway turns an authorizer's error into a 401 only when the error's message is exactly this word.
pub(crate) fn refused(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(Code::Unauthorized, "Unauthorized").because(why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn a_token_that_cannot_be_read_is_not_repeated() {
        // {"alg":"canary"}
        let error = unread(decode_header("eyJhbGciOiJjYW5hcnkifQ.e30.x").unwrap_err());
        assert_eq!((error.code, error.chain().as_str()), (Code::Unauthorized, "the token cannot be read"));
        assert_eq!(unread(decode_header("x").unwrap_err()).chain(), "InvalidToken");
    }

    #[test]
    fn a_header_that_asks_for_more_than_a_signature_is_refused() {
        let plain = |more: Value| {
            let mut header = json!({"alg": "ES256", "kid": "k"});
            header.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            is_plain(&serde_json::from_value(header).unwrap())
        };
        for good in
            [json!({}), json!({"typ": "JWT"}), json!({"typ": "jwt", "jku": "https://evil.example", "x": 1})]
        {
            assert!(plain(good.clone()), "{good}");
        }
        for bad in [
            json!({"crit": ["exp"], "exp": 1}),
            json!({"crit": []}),
            json!({"b64": false}),
            json!({"b64": true}),
            json!({"cty": "JWT"}),
            json!({"enc": "A128GCM"}),
            json!({"zip": "DEF"}),
            json!({"typ": "logout+jwt"}),
            json!({"typ": ""}),
        ] {
            assert!(!plain(bad.clone()), "{bad}");
        }
    }
}
