//! Which tokens open the API, and which do not.

use anyhow::{Context, Result};
use oslira_tests::{Lambda, Stack, User, paths};
use reqwest::Method;
use serde_json::{Value, json};

/// The status of a request with this token.
async fn status(stack: &Stack, token: &str) -> Result<u16> {
    let authorization = format!("Bearer {token}");
    Ok(stack.request(Method::GET, paths::CREDITS_BALANCE, &[("authorization", &authorization)]).await?.status)
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

#[tokio::test]
async fn tokens_of_each_kind_that_supabase_signs_are_good() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    for alg in ["ES256", "RS256", "HS256"] {
        let token = stack.stand_ins.token(json!({"alg": alg, "claims": {"sub": user.user_id}})).await?;
        assert_eq!(status(&stack, &token).await?, 200, "{alg}");
    }
    // Clocks may differ by a minute.
    let late =
        json!({"alg": "ES256", "claims": {"sub": user.user_id, "exp": now() - 30, "iat": now() - 3_600}});
    let token = stack.stand_ins.token(late).await?;
    assert_eq!(status(&stack, &token).await?, 200, "half a minute late");
    let header = json!({"typ": "jwt", "jku": "https://elsewhere.example/jwks.json", "x-more": 1});
    let token = stack
        .stand_ins
        .token(json!({"alg": "ES256", "claims": {"sub": user.user_id}, "header": header}))
        .await?;
    assert_eq!(status(&stack, &token).await?, 200, "what a header says beside is not looked at");
    let listed = json!({"alg": "ES256", "claims": {"sub": user.user_id, "aud": ["authenticated", "other"]}});
    let token = stack.stand_ins.token(listed).await?;
    assert_eq!(status(&stack, &token).await?, 200, "a list of audiences");
    Ok(())
}

#[tokio::test]
async fn forged_expired_and_foreign_tokens_are_refused() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let claims = |more: Value| {
        let mut claims = json!({"sub": user.user_id});
        if let (Value::Object(claims), Value::Object(more)) = (&mut claims, more) {
            claims.extend(more);
        }
        claims
    };
    // The one that Supabase signs with at present: a forgery's own key claims to be it.
    let published = stack.stand_ins.keys().await?;
    let published: Value =
        stack.http.get(published["jwksUrl"].as_str().context("no JWKS")?).send().await?.json().await?;
    let (jwk, kid) = (&published["keys"][0], &published["keys"][0]["kid"]);
    let forgeries = [
        ("unsigned", json!({"alg": "none", "claims": claims(json!({}))})),
        (
            "HS256 with the public key",
            json!({"alg": "HS256", "key": "publicKeyAsHmac", "claims": claims(json!({}))}),
        ),
        ("a key nobody published", json!({"alg": "ES256", "key": "unknown", "claims": claims(json!({}))})),
        ("an unknown key id", json!({"alg": "ES256", "kid": "nobody", "claims": claims(json!({}))})),
        ("no key id", json!({"alg": "ES256", "kid": null, "claims": claims(json!({}))})),
        (
            "another issuer",
            json!({"alg": "ES256", "claims": claims(json!({"iss": "https://evil.example/auth/v1"}))}),
        ),
        ("another audience", json!({"alg": "ES256", "claims": claims(json!({"aud": "anon"}))})),
        ("no expiry", json!({"alg": "ES256", "claims": claims(json!({})), "omit": ["exp"]})),
        ("no subject", json!({"alg": "ES256", "claims": {}, "omit": ["sub"]})),
        ("a subject that is no id", json!({"alg": "ES256", "claims": {"sub": "root"}})),
        ("expired beyond the leeway", json!({"alg": "ES256", "claims": claims(json!({"exp": now() - 90}))})),
        ("not yet valid", json!({"alg": "ES256", "claims": claims(json!({"nbf": now() + 90}))})),
        ("issued in the future", json!({"alg": "ES256", "claims": claims(json!({"iat": now() + 90}))})),
        ("an anonymous user", json!({"alg": "ES256", "claims": claims(json!({"is_anonymous": true}))})),
        ("the service role", json!({"alg": "ES256", "claims": claims(json!({"role": "service_role"}))})),
        (
            "critical extensions",
            json!({"alg": "ES256", "claims": claims(json!({})), "header": {"crit": ["exp"]}}),
        ),
        (
            "a payload that is not encoded",
            json!({"alg": "ES256", "claims": claims(json!({})), "header": {"b64": false, "crit": ["b64"]}}),
        ),
        (
            "a token in a token",
            json!({"alg": "ES256", "claims": claims(json!({})), "header": {"cty": "JWT"}}),
        ),
        (
            "another kind of token",
            json!({"alg": "ES256", "claims": claims(json!({})), "header": {"typ": "logout+jwt"}}),
        ),
        (
            "a key of its own",
            json!({"alg": "ES256", "key": "unknown", "kid": kid, "claims": claims(json!({})), "header": {"jwk": jwk}}),
        ),
        (
            "a key somewhere else",
            json!({"alg": "ES256", "key": "unknown", "claims": claims(json!({})), "header": {
                "jku": "https://evil.example/jwks.json", "x5u": "https://evil.example/x5u", "x5c": ["bm9uZQ=="]}}),
        ),
        ("the anon role", json!({"alg": "ES256", "claims": claims(json!({"role": "anon"}))})),
    ];
    for (what, terms) in forgeries {
        let token = stack.stand_ins.token(terms).await?;
        assert_eq!(status(&stack, &token).await?, 401, "{what}");
    }
    let keys = stack.stand_ins.keys().await?;
    for key in ["anonKey", "serviceRoleKey"] {
        assert_eq!(status(&stack, keys[key].as_str().context("no key")?).await?, 401, "{key}");
    }
    let (head, _) = user.token.rsplit_once('.').context("not a token")?;
    for token in ["", "x", "a.b.c", head, &format!("{head}."), &format!("{}x", user.token)] {
        assert_eq!(status(&stack, token).await?, 401, "{token:?}");
    }
    Ok(())
}

fn authorizer_event(token: &str) -> Value {
    json!({
        "type": "TOKEN",
        "authorizationToken": format!("Bearer {token}"),
        "methodArn": format!("arn:aws:execute-api:us-east-1:000000000000:abc123/v1/GET{}", paths::CREDITS_BALANCE),
    })
}

#[tokio::test]
async fn the_policy_opens_the_signed_in_routes_of_this_stage_and_nothing_else() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let mut authorizer = Lambda::start(&stack, "authorize-request", &[]).await?;
    let answer = authorizer.invoke(&authorizer_event(&user.token)).await?.output()?;
    let resources = &answer["policyDocument"]["Statement"][0]["Resource"];
    let api = "arn:aws:execute-api:us-east-1:000000000000:abc123/v1";
    let wanted: Vec<String> =
        ["GET", "POST", "PUT", "DELETE"].iter().map(|verb| format!("{api}/{verb}/api/*")).collect();
    assert_eq!(*resources, json!(wanted));
    assert_eq!(answer["context"]["userId"], user.user_id);
    assert_eq!(answer["context"]["accountId"], user.account_id);

    let refused = authorizer.invoke(&authorizer_event("forged")).await?.outcome.unwrap_err();
    // API Gateway makes a 401 of exactly this message, and a 500 of any other.
    assert_eq!(refused["errorMessage"], "Unauthorized");
    Ok(())
}

/// A key server of the test's own: how often it was asked, and whether it answers.
mod key_server {
    use axum::{Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
    use std::sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    };

    pub(super) struct KeyServer {
        pub(super) url: String,
        pub(super) asked: Arc<AtomicUsize>,
        pub(super) is_down: Arc<AtomicBool>,
    }

    pub(super) async fn start(keys: String) -> anyhow::Result<KeyServer> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/jwks.json", listener.local_addr()?);
        let (asked, is_down) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let state = (asked.clone(), is_down.clone(), keys);
        let router = Router::new().route("/jwks.json", get(answer)).with_state(state);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(KeyServer { url, asked, is_down })
    }

    type Shared = (Arc<AtomicUsize>, Arc<AtomicBool>, String);

    async fn answer(State((asked, is_down, keys)): State<Shared>) -> impl IntoResponse {
        asked.fetch_add(1, Ordering::SeqCst);
        if is_down.load(Ordering::SeqCst) {
            (StatusCode::SERVICE_UNAVAILABLE, String::new())
        } else {
            (StatusCode::OK, keys)
        }
    }
}

#[tokio::test]
async fn an_unknown_key_id_never_makes_the_key_server_busy_and_cached_keys_survive_its_outage() -> Result<()>
{
    use std::sync::atomic::Ordering;
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let published = stack.stand_ins.keys().await?;
    let keys = stack.http.get(published["jwksUrl"].as_str().context("no JWKS")?).send().await?.text().await?;
    let server = key_server::start(keys).await?;
    let mut authorizer = Lambda::start(&stack, "authorize-request", &[("JWKS_URL", &server.url)]).await?;
    assert_eq!(server.asked.load(Ordering::SeqCst), 1, "the keys are fetched during init");

    for round in 0..20 {
        let terms =
            json!({"alg": "ES256", "kid": format!("nobody-{}", round % 2), "claims": {"sub": user.user_id}});
        let forged = stack.stand_ins.token(terms).await?;
        let refused = authorizer.invoke(&authorizer_event(&forged)).await?.outcome.unwrap_err();
        assert_eq!(refused["errorMessage"], "Unauthorized");
    }
    assert!(server.asked.load(Ordering::SeqCst) <= 2, "asked {} times", server.asked.load(Ordering::SeqCst));

    server.is_down.store(true, Ordering::SeqCst);
    let answer = authorizer.invoke(&authorizer_event(&user.token)).await?;
    assert!(answer.outcome.is_ok(), "{:?}", answer.outcome);
    Ok(())
}
