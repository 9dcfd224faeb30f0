//! How often a signed-in user may ask, and an account may start an analysis.

use anyhow::{Context, Result};
use oslira_tests::{DynamoDbProxy, Lambda, Reply, Stack, User, paths, refused};
use reqwest::Method;
use serde_json::json;

const MINUTE: i64 = 60_000;

/// The number that a header gives for a policy's parameter.
fn parameter(reply: &Reply, header: &str, policy: &str, name: &str) -> Result<i64> {
    let text = reply.header(header);
    let item = text.split(", ").find_map(|item| item.strip_prefix(&format!("\"{policy}\";")));
    let item = item.with_context(|| format!("no {policy} in {header}: {text}"))?;
    let value = item.split(';').find_map(|it| it.strip_prefix(&format!("{name}=")));
    value.and_then(|value| value.parse().ok()).with_context(|| format!("no {name} in {text}"))
}

fn analyses_left(reply: &Reply) -> Result<i64> {
    parameter(reply, "ratelimit", "analyses-an-hour", "r")
}

#[tokio::test]
async fn an_accounts_hour_slides_and_its_answers_say_how_much_is_left() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 20).await?;
    user.may_start_an_hour(2).await?;
    let start = async || user.post(paths::ANALYZE, &user.analysis_of(&user.username("hour"))).await;

    let first = start().await?;
    assert_eq!((first.status, analyses_left(&first)?), (202, 1), "{}", first.body);
    assert_eq!(parameter(&first, "ratelimit-policy", "analyses-an-hour", "q")?, 2);
    assert_eq!(parameter(&first, "ratelimit-policy", "analyses-an-hour", "w")?, 3_600);
    let exposed = first.header("access-control-expose-headers");
    for header in ["RateLimit", "RateLimit-Policy", "Retry-After"] {
        assert!(exposed.split(',').any(|name| name == header), "{header} in {exposed}");
    }
    stack.let_time_pass(&user.analyses_key(), 59 * MINUTE).await?;
    assert_eq!(start().await?.status, 202);
    let refusal = start().await?;
    assert_eq!(refusal.refusal(), refused(429, "TooManyRequests"), "{}", refusal.body);
    assert_eq!(refusal.body["details"], json!({"limit": 2, "windowSeconds": 3_600}));
    let wait: i64 = refusal.header("retry-after").parse()?;
    assert!((1..=60).contains(&wait), "the first falls out within a minute: {wait} s");
    assert_eq!(analyses_left(&refusal)?, 0);
    assert_eq!(parameter(&refusal, "ratelimit", "analyses-an-hour", "t")?, wait);

    // One comes back, not two.
    stack.let_time_pass(&user.analyses_key(), wait * 1_000).await?;
    assert_eq!(start().await?.status, 202);
    assert_eq!(start().await?.status, 429);
    assert_eq!(user.balance().await?, 17);
    // What fell out of the window leaves the item.
    let item = stack.turns(&user.analyses_key()).await?.context("no turns")?;
    assert_eq!(item["window3600"]["M"].as_object().map(serde_json::Map::len), Some(2));
    Ok(())
}

#[tokio::test]
async fn what_is_refused_or_repeated_takes_no_turn() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 3).await?;
    user.may_start_an_hour(2).await?;
    let username = user.username("turns");
    let body = user.analysis_of(&username);
    let first = user.post_with_key(paths::ANALYZE, "key", &body).await?;
    assert_eq!((first.status, analyses_left(&first)?), (202, 1), "{}", first.body);

    let elsewhere = json!({"username": "nasa", "analysisType": "light", "businessProfileId": user.user_id});
    let dear = user.analysis_in(oslira_domain::Tier::Xray, &user.username("dear"));
    for (status, reply) in [
        (202, user.post_with_key(paths::ANALYZE, "key", &body).await?),
        (422, user.post_with_key(paths::ANALYZE, "key", &elsewhere).await?),
        (409, user.post(paths::ANALYZE, &body).await?),
        (402, user.post(paths::ANALYZE, &dear).await?),
        (404, user.post(paths::ANALYZE, &elsewhere).await?),
    ] {
        assert_eq!((reply.status, analyses_left(&reply)?), (status, 1), "{}", reply.body);
    }
    let bad = user.post(paths::ANALYZE, &json!({})).await?;
    assert_eq!(bad.status, 400, "{}", bad.body);
    user.start(&user.username("second")).await?;
    assert_eq!(user.post(paths::ANALYZE, &dear).await?.status, 429);
    // Whoever did not get the answer gets it beyond the limit, too.
    let again = user.post_with_key(paths::ANALYZE, "key", &body).await?;
    assert_eq!((again.status, again.run_id()?), (202, first.run_id()?), "{}", again.body);
    Ok(())
}

#[tokio::test]
async fn a_run_that_a_user_has_charged_by_sql_is_counted_once_when_the_api_starts_it() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    user.may_start_an_hour(2).await?;
    let mut bodies = Vec::new();
    for key in ["one", "two"] {
        let run = user.call_start_analysis(oslira_domain::Tier::Light, &user.username(key)).await?;
        let body = user.analysis_of(&run.username);
        user.plant_key(&run, key, &body).await?;
        bodies.push((key, run, body));
    }
    // The second time, the run has its turn.
    for (at, left) in [(0, 1), (0, 1), (1, 0)] {
        let (key, run, body) = &bodies[at];
        let reply = user.post_with_key(paths::ANALYZE, key, body).await?;
        assert_eq!((reply.status, reply.run_id()?), (202, &*run.run_id), "{}", reply.body);
        assert_eq!(analyses_left(&reply)?, left, "{key}");
    }
    let more = user.post(paths::ANALYZE, &user.analysis_of(&user.username("more"))).await?;
    assert_eq!(more.refusal(), refused(429, "TooManyRequests"), "{}", more.body);
    for (_, run, _) in &bodies {
        user.finished(run).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_stranger_takes_no_turn_of_an_account_and_a_member_beside_their_own_account_does() -> Result<()> {
    let stack = Stack::connect().await?;
    let (owner, member) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    owner.may_start_an_hour(1).await?;
    let headers = [("x-account-id", owner.account_id.as_str())];
    let start = async || {
        let body = owner.analysis_of(&owner.username("theirs")).to_string();
        member.request(Method::POST, paths::ANALYZE, &headers, Some(body)).await
    };
    assert_eq!(start().await?.refusal(), refused(404, "AccountNotFound"));
    assert_eq!(stack.turns(&owner.analyses_key()).await?, None);

    // The authorizer's remembered answer does not have the new membership.
    owner.add_member(&member).await?;
    let reply = start().await?;
    assert_eq!((reply.status, analyses_left(&reply)?), (202, 0), "{}", reply.body);
    assert_eq!(start().await?.refusal(), refused(429, "TooManyRequests"));
    assert_eq!(stack.turns(&member.analyses_key()).await?, None, "it is the account's limit");
    Ok(())
}

#[tokio::test]
async fn without_its_table_reads_pass_and_what_spends_is_refused() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let nothing = [("RATE_LIMITS_TABLE", "no-such-table")];
    let mut lambda = Lambda::start(&stack, "get-credit-balance", &nothing).await?;
    let reply = lambda.invoke(&user.get_event(paths::CREDITS_BALANCE, &[])).await?.http()?;
    assert_eq!((reply.status, reply.header("ratelimit")), (200, ""), "{}", reply.body);
    let mut lambda = Lambda::start(&stack, "start-analysis", &nothing).await?;
    let event = user.post_event(paths::ANALYZE, &user.analysis_of(&user.username("nolimit")));
    let reply = lambda.invoke(&event).await?.http()?;
    assert_eq!(reply.refusal(), refused(503, "StoreUnavailable"), "{}", reply.body);
    assert_eq!(user.balance().await?, 10);
    Ok(())
}

#[tokio::test]
async fn a_turn_whose_taking_was_never_answered_is_given_back() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let dynamodb = DynamoDbProxy::start(&stack).await?;
    let elsewhere = [("AWS_ENDPOINT_URL_DYNAMODB", dynamodb.url.as_str())];
    let mut lambda = Lambda::start(&stack, "start-analysis", &elsewhere).await?;
    let start = |name: &str| user.post_event(paths::ANALYZE, &user.analysis_of(&user.username(name)));
    let first = lambda.invoke(&start("answered")).await?.http()?;
    assert_eq!((first.status, analyses_left(&first)?), (202, 99), "{}", first.body);
    // As often as the SDK tries.
    let lost = [(); 3].map(|()| dynamodb.lose_answer("size(#w0)"));
    let reply = lambda.invoke(&start("unanswered")).await?.http()?;
    for mut lost in lost {
        lost.reached().await?;
    }
    assert_eq!(reply.refusal(), refused(503, "StoreUnavailable"), "{}", reply.body);
    let item = stack.turns(&user.analyses_key()).await?.context("no turns")?;
    assert_eq!(item["window3600"]["M"].as_object().map(serde_json::Map::len), Some(1));
    assert_eq!(user.balance().await?, 9);
    Ok(())
}

#[tokio::test]
async fn a_users_reads_and_writes_of_a_minute_are_counted_apart() -> Result<()> {
    let stack = Stack::connect().await?;
    let (user, other) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let few = [("READS_PER_MINUTE", "3"), ("WRITES_PER_MINUTE", "2")];
    let read = user.get_event(paths::CREDITS_BALANCE, &[]);
    let mut balance = Lambda::start(&stack, "get-credit-balance", &few).await?;
    for left in [2, 1, 0] {
        let reply = balance.invoke(&read).await?.http()?;
        assert_eq!(reply.status, 200, "{}", reply.body);
        assert_eq!(parameter(&reply, "ratelimit", "reads-a-minute", "r")?, left);
        assert_eq!(parameter(&reply, "ratelimit-policy", "reads-a-minute", "q")?, 3);
    }
    // The second time the execution environment knows by itself.
    for _ in 0..2 {
        let reply = balance.invoke(&read).await?.http()?;
        assert_eq!(reply.refusal(), refused(429, "TooManyRequests"), "{}", reply.body);
        assert_eq!(reply.body["details"], json!({"limit": 3, "windowSeconds": 60}));
        assert!((1..=120).contains(&reply.header("retry-after").parse::<i64>()?));
        assert_eq!(reply.body.get("data"), None);
    }
    // Another Lambda, another execution environment: the count is one.
    let mut verify = Lambda::start(&stack, "verify-token", &few).await?;
    assert_eq!(verify.invoke(&user.get_event(paths::AUTH_VERIFY, &[])).await?.http()?.status, 429);
    let others = other.get_event(paths::CREDITS_BALANCE, &[]);
    assert_eq!(balance.invoke(&others).await?.http()?.status, 200, "each user has a count of their own");

    let mut create = Lambda::start(&stack, "create-business-profile", &few).await?;
    let body = json!({"name": "n", "description": "d", "icp": {
        "followerRange": {"min": 1, "max": 2}, "engagementMin": 1, "contentThemes": [], "geoFocus": []}});
    let write = user.post_event(paths::BUSINESS_PROFILES, &body);
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(create.invoke(&write).await?.http()?.status);
    }
    assert_eq!(statuses, [201, 201, 429]);
    let sql = "select count(*) as n from public.business_profiles where account_id = $1::text::uuid";
    assert_eq!(stack.database.row(sql, &[&user.account_id]).await?["n"], 3, "with the one from before");
    Ok(())
}

#[tokio::test]
async fn a_larger_plan_makes_room_at_once_when_the_authorizer_names_it() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let mut lambda = Lambda::start(&stack, "start-analysis", &[]).await?;
    let mut start = async |limit: u32| {
        let mut event = user.post_event(paths::ANALYZE, &user.analysis_of(&user.username("larger")));
        let limits = format!("{}={limit}", user.account_id);
        event["requestContext"]["authorizer"]["analysesPerHour"] = json!(limits);
        let reply = lambda.invoke(&event).await?.http()?;
        anyhow::Ok((reply.status, analyses_left(&reply)?))
    };
    assert_eq!([start(1).await?, start(1).await?, start(3).await?], [(202, 0), (429, 0), (202, 1)]);
    Ok(())
}
