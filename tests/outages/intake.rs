//! When no new analyses are taken in: refused before the charge, with the reason and a time to come back.

use anyhow::Result;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use oslira_tests::{Lambda, Run, Stack, Upstream, User, paths, refused, xtask};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

fn milliseconds(time: Timestamp) -> Value {
    json!({"N": time.as_millisecond().to_string()})
}

async fn put(stack: &Stack, table: &str, item: Value) -> Result<()> {
    stack.aws.put_item(&stack.description.tables[table], item).await
}

#[tokio::test]
async fn each_reason_refuses_before_the_charge_and_says_when_to_come_back() -> Result<()> {
    let stack = &Stack::connect_alone().await?;
    let user = &User::sign_up(stack, 10).await?;
    xtask(&["pause"]).await?.map_err(anyhow::Error::msg)?;
    assert_eq!(user.refused_because("operator").await?, 300);
    // What is wrong with the body is said first.
    let reply = user.post(paths::ANALYZE, &json!({"username": "nasa"})).await?;
    assert_eq!(reply.refusal(), refused(400, "ValidationFailed"));
    xtask(&["pause", "--minutes", "60", "--note", "by a test"]).await?.map_err(anyhow::Error::msg)?;
    let wait = user.refused_because("operator").await?;
    assert!((3_500..=3_600).contains(&wait), "{wait}");
    xtask(&["unpause"]).await?.map_err(anyhow::Error::msg)?;
    assert!(stack.aws.items(&stack.description.tables["intake"]).await?.is_empty());
    // One whose end has come is none.
    let over = milliseconds(Timestamp::now() - SignedDuration::from_secs(1));
    put(stack, "intake", json!({"switch": {"S": "pause"}, "until": over})).await?;

    let now = Timestamp::now();
    // The second of these is another day's only just before midnight.
    for time in [now, now + SignedDuration::from_mins(1)] {
        let day = format!("day#{}", time.to_zoned(TimeZone::UTC).date());
        put(stack, "ai-usage", json!({"period": {"S": day}, "costUsd": {"N": "100.01"}})).await?;
    }
    let wait = user.refused_because("dailySpend").await?;
    assert!((1..=86_400).contains(&wait), "{wait}");
    stack.calm().await?;

    // A fifth of that is what one account may use up; another is not concerned.
    for time in [now, now + SignedDuration::from_mins(1)] {
        let day = format!("account#{}#{}", time.to_zoned(TimeZone::UTC).date(), user.account_id);
        put(stack, "ai-usage", json!({"period": {"S": day}, "costUsd": {"N": "20.01"}})).await?;
    }
    let wait = user.refused_because("accountSpend").await?;
    assert!((1..=86_400).contains(&wait), "{wait}");
    let other = User::sign_up(stack, 10).await?;
    let headers = [("x-account-id", user.account_id.as_str())];
    let body = user.analysis_of("nasa").to_string();
    let reply = other.request(Method::POST, paths::ANALYZE, &headers, Some(body.clone())).await?;
    assert_eq!(
        reply.refusal(),
        refused(404, "AccountNotFound"),
        "a stranger is told nothing: {}",
        reply.body
    );
    let reply = user.request(Method::POST, paths::ANALYZE, &headers, Some(body)).await?;
    assert_eq!(reply.refusal(), refused(503, "Paused"), "{}", reply.body);
    let (_, progress) = other.analyze(&other.username("unconcerned")).await?;
    assert_eq!(progress["status"], "complete", "{progress}");
    stack.calm().await?;

    // Under way are those that began in this minute and the two before. Should the clock come to the next, the eldest
    // fall out, and as many come in.
    let minute = now.as_second() / 60;
    for (minute, calls) in [(minute - 2, "100"), (minute - 1, "50"), (minute, "50"), (minute + 1, "100")] {
        let item = json!({"period": {"S": format!("calls#{minute}")}, "inFlight": {"N": calls}});
        put(stack, "ai-usage", item).await?;
    }
    assert_eq!(user.refused_because("aiCalls").await?, 5);
    stack.calm().await?;

    let open = |upstream: Upstream, seconds| {
        let until = milliseconds(Timestamp::now() + SignedDuration::from_secs(seconds));
        json!({"upstream": {"S": upstream.name()}, "openUntil": until, "openForMs": {"N": "60000"}})
    };
    put(stack, "circuit-breakers", open(Upstream::OpenAi, 60)).await?;
    put(stack, "circuit-breakers", open(Upstream::Anthropic, 50)).await?;
    let wait = user.refused_because("aiProviders").await?;
    assert!((30..=50).contains(&wait), "{wait}");
    // Their time is up, and one call each is on its way to see whether they are back.
    for upstream in Upstream::AI {
        let mut probed = open(upstream, 0);
        probed["probeUntil"] = milliseconds(Timestamp::now() + SignedDuration::from_secs(90));
        put(stack, "circuit-breakers", probed).await?;
    }
    assert_eq!(user.refused_because("aiProviders").await?, 5);
    // One that may be tried is enough: the run that comes now is what tries it.
    put(stack, "circuit-breakers", open(Upstream::Anthropic, 0)).await?;
    let (_, progress) = user.analyze(&user.username("resumed")).await?;
    assert_eq!(progress["status"], "complete", "{progress}");
    assert_eq!(user.balance().await?, 9, "the balance");
    stack.calm().await
}

#[tokio::test]
async fn a_request_repeated_with_its_key_is_answered_as_ever_while_new_ones_are_refused() -> Result<()> {
    let stack = &Stack::connect_alone().await?;
    let (user, stranger) = (&User::sign_up(stack, 10).await?, &User::sign_up(stack, 10).await?);
    let body = user.analysis_of(&user.username("repeated"));
    let first = user.post_with_key(paths::ANALYZE, "first", &body).await?;
    assert_eq!(first.status, 202, "{}", first.body);
    xtask(&["pause"]).await?.map_err(anyhow::Error::msg)?;

    let again = user.post_with_key(paths::ANALYZE, "first", &body).await?;
    assert_eq!(again.status, 202, "{}", again.body);
    assert_eq!(again.data(), first.data(), "the first answer");
    let reused = user.post_with_key(paths::ANALYZE, "first", &user.analysis_of("nasa")).await?;
    assert_eq!(reused.refusal(), refused(422, "IdempotencyKeyReused"), "{}", reused.body);
    // Neither the same without the key, nor with another, nor another account's.
    let unkeyed = user.post(paths::ANALYZE, &body).await?;
    let keyed =
        user.post_with_key(paths::ANALYZE, "second", &user.analysis_of(&user.username("new"))).await?;
    let strangers = stranger
        .post_with_key(paths::ANALYZE, "first", &stranger.analysis_of(&stranger.username("new")))
        .await?;
    for reply in [unkeyed, keyed, strangers] {
        assert_eq!(reply.refusal(), refused(503, "Paused"), "{}", reply.body);
        assert_eq!(reply.body["details"], json!({"reason": "operator"}));
    }
    assert_eq!(user.balance().await?, 9, "the balance");
    assert_eq!(stranger.balance().await?, 10, "the stranger's balance");
    let run_id = first.run_id()?.to_owned();
    user.finished(&Run { run_id, username: String::new() }).await?;
    assert_eq!(
        user.post_with_key(paths::ANALYZE, "first", &body).await?.data(),
        first.data(),
        "also when the run has ended"
    );
    stack.calm().await
}

#[tokio::test]
async fn a_quote_tells_that_new_analyses_are_paused_beside_all_else() -> Result<()> {
    let stack = &Stack::connect_alone().await?;
    let (user, stranger) = (&User::sign_up(stack, 0).await?, &User::sign_up(stack, 10).await?);
    xtask(&["pause"]).await?.map_err(anyhow::Error::msg)?;
    let body = user.analysis_of(&user.username("quoted"));
    let reply = user.post(paths::QUOTE, &body).await?;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let refusals = &reply.data()["refusals"];
    assert_eq!(refusals[0]["code"], "Paused", "{refusals}");
    assert_eq!(refusals[0]["retryAfterSeconds"], 300);
    assert_eq!(refusals[0]["reason"], "operator");
    assert_eq!(refusals[1]["code"], "InsufficientCredits", "{refusals}");
    assert_eq!(refusals[2], Value::Null, "{refusals}");

    // Strangers are told nothing, and what is wrong with the request is said first.
    let headers = [("x-account-id", user.account_id.as_str())];
    let reply = stranger.request(Method::POST, paths::QUOTE, &headers, Some(body.to_string())).await?;
    assert_eq!(reply.refusal(), refused(404, "AccountNotFound"), "{}", reply.body);
    let reply = stranger.post(paths::QUOTE, &body).await?;
    assert_eq!(reply.refusal(), refused(404, "BusinessProfileNotFound"), "{}", reply.body);
    stack.calm().await
}

#[tokio::test]
async fn an_operators_pause_refuses_refresh_checks_before_they_take_a_turn() -> Result<()> {
    let stack = &Stack::connect_alone().await?;
    let user = &User::sign_up(stack, 10).await?;
    let lead_id = user.lead(&user.username("unchecked")).await?;
    xtask(&["pause"]).await?.map_err(anyhow::Error::msg)?;
    let reply = user.check_refresh(&lead_id).await?;
    assert_eq!(reply.refusal(), refused(503, "Paused"), "{}", reply.body);
    assert_eq!(reply.body["details"], json!({"reason": "operator"}));
    assert_eq!(stack.turns(&format!("refresh-check#{}", user.account_id)).await?, None, "a turn");
    stack.calm().await?;
    let reply = user.check_refresh(&lead_id).await?;
    assert_eq!(reply.status, 200, "{}", reply.body);
    Ok(())
}

#[tokio::test]
async fn a_run_that_no_gate_let_in_is_not_begun_while_new_ones_are_refused() -> Result<()> {
    let stack = &Stack::connect_alone().await?;
    let user = &User::sign_up(stack, 10).await?;
    let run = user.accept_earlier(&user.username("smuggled"), Duration::from_mins(10)).await?;
    let body = user.analysis_of(&run.username);
    user.plant_key(&run, "own", &body).await?;
    xtask(&["pause"]).await?.map_err(anyhow::Error::msg)?;

    let post = || user.post_with_key(paths::ANALYZE, "own", &body);
    let reply = post().await?;
    assert_eq!(reply.status, 202, "{}", reply.body);
    assert_eq!(reply.data()["runId"], run.run_id.as_str(), "{}", reply.body);
    let report = stack.fail_stale_runs().await?;
    assert_eq!(report["started"], 0, "{report}");
    let machine = &stack.description.state_machines["analysis"];
    assert!(stack.aws.execution(machine, &run.run_id).await?.is_none(), "it was begun");

    // One that its user gave up is refunded all the same.
    let unwanted = user.accept_earlier(&user.username("unwanted"), Duration::from_mins(10)).await?;
    assert_eq!(user.cancel(&unwanted).await?.status, 202);
    stack.quieten(&unwanted).await?;
    stack.fail_stale_runs().await?;
    assert_eq!(user.finished(&unwanted).await?["status"], "cancelled");

    xtask(&["unpause"]).await?.map_err(anyhow::Error::msg)?;
    assert_eq!(post().await?.data()["runId"], run.run_id.as_str());
    assert_eq!(user.finished(&run).await?["status"], "complete");
    stack.calm().await
}

#[tokio::test]
async fn limits_of_0_take_nothing_in() -> Result<()> {
    let stack = &Stack::connect_alone().await?;
    let user = &User::sign_up(stack, 10).await?;
    for (variable, reason) in
        [("DAILY_AI_SPEND_LIMIT_USD", "dailySpend"), ("MAX_CONCURRENT_AI_CALLS", "aiCalls")]
    {
        let mut lambda = Lambda::start(stack, "start-analysis", &[(variable, "0")]).await?;
        let event = user.post_event(paths::ANALYZE, &user.analysis_of("nasa"));
        let reply = lambda.invoke(&event).await?.http()?;
        assert_eq!(reply.status, 503, "{}", reply.body);
        assert_eq!(reply.body["details"], json!({"reason": reason}));
    }
    Ok(())
}

#[tokio::test]
async fn limits_that_are_no_numbers_stop_the_lambda_at_its_start() -> Result<()> {
    let stack = &Stack::connect_alone().await?;
    for (variable, value) in [
        ("DAILY_AI_SPEND_LIMIT_USD", "plenty"),
        ("DAILY_AI_SPEND_LIMIT_USD", "-1"),
        ("MAX_CONCURRENT_AI_CALLS", "-1"),
    ] {
        let started = Lambda::start(stack, "start-analysis", &[(variable, value)]).await;
        assert!(started.is_err(), "{variable}={value}");
    }
    Ok(())
}
