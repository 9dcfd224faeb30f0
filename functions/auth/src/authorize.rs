//! `authorize-request`: the REST API's token authorizer.

use crate::{
    keys::KeySet,
    token::{LEEWAY, refused, verify},
};
use oslira_domain::{AccountId, Result};
use oslira_lambda::Invocation;
use oslira_postgres::UserDb;
use serde::Deserialize;
use serde_json::{Value, json};

/// API Gateway's question.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthorizerRequest {
    #[serde(default)]
    authorization_token: String,
    method_arn: String,
}

/// What every accepted token says.
#[derive(Debug)]
pub struct Rules {
    /// `iss` of every token.
    pub issuer: String,
    /// `aud` of every token.
    pub audience: String,
}

/// Answers with a policy and the caller's context, or refuses with 401.
///
/// API Gateway remembers the answer for the token, whatever path it was asked for. So the policy covers all
/// signed-in routes of this stage, and nothing else: no public route, no other stage, no other API. Which
/// rows the caller may touch is decided by row-level security, not here.
pub async fn authorize_request(
    keys: &KeySet,
    rules: &Rules,
    db: &UserDb,
    invocation: Invocation<AuthorizerRequest>,
) -> Result<Value> {
    let request = invocation.input;
    let token = bearer(&request.authorization_token).ok_or_else(|| refused("not a bearer token"))?;
    let claims = verify(keys, &rules.issuer, &rules.audience, token).await?;

    // Through JSON, because a deploy replaces this Lambda before it adds the column.
    let sql = "select m.account_id, (to_jsonb(p) ->> 'analyses_per_hour')::bigint as analyses_per_hour
                 from public.members m
                   join public.accounts a using (account_id)
                   join public.plans p using (plan_id)
                 where m.user_id = (select auth.uid())
                 order by m.created_at, m.account_id
                 limit 10";
    let accounts = db.all(claims.sub, sql, &[]).await?;
    let mut limits = Vec::new();
    for account in &accounts {
        if let Some(count) = account.read::<Option<i64>>("analyses_per_hour")? {
            limits.push(format!("{}={count}", account.read::<AccountId>("account_id")?));
        }
    }
    let account_id = match accounts.first() {
        Some(row) => row.read::<AccountId>("account_id")?.to_string(),
        None => String::new(),
    };

    Ok(json!({
        "principalId": claims.sub,
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{
                "Action": "execute-api:Invoke",
                "Effect": "Allow",
                "Resource": signed_in_routes(&request.method_arn).ok_or_else(|| refused("not a method ARN"))?,
            }],
        },
        // API Gateway accepts text, numbers and booleans only, and passes all of them on as text.
        "context": {
            "userId": claims.sub.to_string(),
            "email": claims.email.unwrap_or_default(),
            "accountId": account_id,
            "analysesPerHour": limits.join(","),
            // The leeway is included, since a handler would otherwise refuse a token that was accepted here.
            "expiresAt": claims.exp.saturating_add_unsigned(LEEWAY).to_string(),
        },
    }))
}

fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// The methods of routes. An update is a PUT of the whole document, so there is no PATCH.
pub const METHODS: [&str; 4] = ["GET", "POST", "PUT", "DELETE"];

/// `arn:…:{api}/{stage}/GET/api/leads` becomes every method of every route below `/api` of this stage. The
/// methods are named one by one: a wildcard there would match slashes too, and so `/elsewhere/api/…`.
fn signed_in_routes(method_arn: &str) -> Option<Vec<String>> {
    let mut parts = method_arn.splitn(3, '/');
    let (api, stage, _route) = (parts.next()?, parts.next()?, parts.next()?);
    Some(METHODS.map(|method| format!("{api}/{stage}/{method}/api/*")).to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_covers_this_stages_signed_in_routes_and_no_more() {
        let routes = signed_in_routes("arn:aws:execute-api:eu-west-1:1:abc/v1/GET/api/leads/7").unwrap();
        assert_eq!(routes.len(), 4);
        assert!(routes.contains(&"arn:aws:execute-api:eu-west-1:1:abc/v1/POST/api/*".to_owned()));
        assert!(routes.iter().all(|route| route.ends_with("/api/*") && !route.contains("/*/")));
        assert_eq!(signed_in_routes("arn:aws:execute-api:eu-west-1:1:abc"), None);
    }

    #[test]
    fn the_scheme_is_bearer_in_any_case() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer  abc "), Some("abc"));
        assert_eq!(bearer("Basic abc"), None);
        assert_eq!(bearer("abc"), None);
    }
}
