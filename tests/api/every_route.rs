//! What every route has in common: the envelope, CORS, and the answers of API Gateway itself.

use anyhow::{Context, Result};
use oslira_tests::{Lambda, ORIGIN, Run, Stack, User, paths, refused};
use reqwest::Method;
use serde_json::{Value, json};

const ALLOWED_ORIGIN: &str = "access-control-allow-origin";

#[tokio::test]
#[expect(clippy::print_stdout, reason = "the figures are worth seeing")]
async fn our_replies_carry_the_configured_origin_whatever_their_status() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 1).await?;
    let username = user.username("cors");
    let first = user.post(paths::ANALYZE, &user.analysis_of(&username)).await?;
    let run_id = first.run_id()?.to_owned();
    let profile = json!({"name": "n", "description": "d", "icp": {
        "followerRange": {"min": 1, "max": 2}, "engagementMin": 1, "contentThemes": [], "geoFocus": []}});
    let mut other = profile.clone();
    other["name"] = json!("other");
    let key = "used";
    user.post_with_key(paths::BUSINESS_PROFILES, key, &profile).await?;
    let read = user.get_event(paths::CREDITS_BALANCE, &[]);
    let nonsense = stack.aws.create_secret("not a URL").await?;
    let by_itself = async |overrides: &[(&str, &str)]| {
        let mut lambda = Lambda::start(&stack, "get-credit-balance", overrides).await?;
        lambda.invoke(&read).await?.http()
    };
    let too_large = json!({"name": "n".repeat(70_000)});
    let replies = [
        (200, user.get(paths::CREDITS_BALANCE).await?),
        (201, user.post(paths::BUSINESS_PROFILES, &profile).await?),
        (202, first),
        (400, user.post(paths::ANALYZE, &Value::Null).await?),
        (402, user.post(paths::ANALYZE, &user.analysis_of(&user.username("short"))).await?),
        (404, user.get(&paths::result(&user.user_id)).await?),
        (409, user.post(paths::ANALYZE, &user.analysis_of(&username)).await?),
        (413, user.post(paths::BUSINESS_PROFILES, &too_large).await?),
        (422, user.post_with_key(paths::BUSINESS_PROFILES, key, &other).await?),
        (429, by_itself(&[("READS_PER_MINUTE", "0")]).await?),
        (500, by_itself(&[("USER_DATABASE_SECRET", &nonsense)]).await?),
        (503, by_itself(&[("USER_DATABASE_SECRET", "no-such-secret")]).await?),
    ];
    println!("note: CORS and the envelope hold for answers of {} statuses", replies.len());
    for (status, reply) in replies {
        assert_eq!(reply.status, status, "{}", reply.body);
        assert_eq!(reply.header(ALLOWED_ORIGIN), ORIGIN, "{status}");
        assert_eq!(reply.body["success"], status < 400);
        let request_id = reply.body["requestId"].as_str().context("no request id")?;
        assert!(!request_id.is_empty());
        assert_eq!(reply.headers["x-request-id"], request_id);
        let timestamp = reply.body["timestamp"].as_str().context("no timestamp")?;
        assert!(timestamp.parse::<jiff::Timestamp>().is_ok(), "{timestamp}");
        assert_eq!(reply.body["error"].is_string(), status >= 400);
    }
    let elsewhere = user
        .request(Method::GET, paths::CREDITS_BALANCE, &[("origin", "https://evil.example")], None)
        .await?;
    assert_eq!(elsewhere.header(ALLOWED_ORIGIN), ORIGIN);
    // Leave nothing running behind.
    user.finished(&Run { run_id, username }).await?;
    Ok(())
}

#[tokio::test]
async fn api_gateways_own_answers_are_open_to_all_and_in_our_envelope() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let replies = [
        (401, "Unauthorized", stack.request(Method::GET, paths::CREDITS_BALANCE, &[]).await?),
        (
            401,
            "Unauthorized",
            stack.request(Method::GET, paths::CREDITS_BALANCE, &[("authorization", "Bearer x")]).await?,
        ),
        (404, "RouteNotFound", user.get("/api/nothing").await?),
        (404, "RouteNotFound", user.request(Method::DELETE, paths::CREDITS_BALANCE, &[], None).await?),
    ];
    for (status, code, reply) in replies {
        assert_eq!(reply.refusal(), refused(status, code), "{}", reply.body);
        assert_eq!(reply.header(ALLOWED_ORIGIN), "*", "{code}");
        assert_eq!(reply.body["success"], false);
        assert!(reply.body["error"].is_string() && reply.body["requestId"].is_string());
    }
    Ok(())
}

#[tokio::test]
async fn a_token_allowed_on_one_path_is_allowed_on_the_next() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    // The first answer's policy is remembered for the token, and judges the others.
    for path in [paths::CREDITS_BALANCE, paths::AUTH_VERIFY, paths::CREDITS_BALANCE] {
        let reply = user.get(path).await?;
        assert_eq!(reply.status, 200, "{path}: {}", reply.body);
    }
    let reply = user.post(paths::ANALYZE, &Value::Null).await?;
    assert_eq!(reply.status, 400, "{}", reply.body);
    Ok(())
}
