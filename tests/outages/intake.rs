//! When no new analyses are taken in: refused before the charge, with the reason and a time to come back.

use anyhow::{Context, Result};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use oslira_tests::{Lambda, Run, Stack, User, xtask};
use reqwest::Method;
use serde_json::{Value, json};

/// A start is refused for this reason and leaves no trace; the seconds it says to wait.
pub(crate) async fn refused(stack: &Stack, user: &User<'_>, reason: &str) -> Result<u64> {
    let reply = user.post("/api/leads/analyze", &user.analysis_of(&user.username("paused"))).await?;
    assert_eq!((reply.status, reply.code()), (503, "Paused"), "{reason}: {}", reply.body);
    assert_eq!(reply.body["details"], json!({"reason": reason}));
    let sql = "select count(*) as n from public.runs where account_id = $1::text::uuid";
    let runs = &stack.database.row(sql, &[&user.account_id]).await?["n"];
    assert_eq!((runs, user.balance().await?), (&json!(0), 10), "{reason}");
    // A browser reads the header only because it is exposed.
    assert!(reply.headers["access-control-expose-headers"].to_str()?.contains("Retry-After"));
    reply.headers["retry-after"].to_str()?.parse().context("Retry-After is no number")
}

fn milliseconds(time: Timestamp) -> Value {
    json!({"N": time.as_millisecond().to_string()})
}

/// Puts an item into the table of that variable.
async fn put(stack: &Stack, variable: &str, item: Value) -> Result<()> {
    stack.aws.put_item(&stack.functions_env[variable], item).await
}

#[tokio::test]
async fn each_reason_refuses_before_the_charge_and_says_when_to_come_back() -> Result<()> {
    let stack = &Stack::connect_alone().await?;
    let user = &User::sign_up(stack, 10).await?;
    xtask(&["pause"]).await?.map_err(anyhow::Error::msg)?;
    assert_eq!(refused(stack, user, "operator").await?, 300);
    // What is wrong with the body is said first.
    let reply = user.post("/api/leads/analyze", &json!({"username": "nasa"})).await?;
    assert_eq!((reply.status, reply.code()), (400, "ValidationFailed"));
    xtask(&["pause", "--minutes", "60", "--note", "by a test"]).await?.map_err(anyhow::Error::msg)?;
    let wait = refused(stack, user, "operator").await?;
    assert!((3_500..=3_600).contains(&wait), "{wait}");
    xtask(&["unpause"]).await?.map_err(anyhow::Error::msg)?;
    assert!(stack.aws.items(&stack.functions_env["INTAKE_TABLE"]).await?.is_empty());
    // One whose end has come is none.
    let over = milliseconds(Timestamp::now() - SignedDuration::from_secs(1));
    put(stack, "INTAKE_TABLE", json!({"switch": {"S": "pause"}, "until": over})).await?;

    let now = Timestamp::now();
    // The second of these is another day's only just before midnight.
    for time in [now, now + SignedDuration::from_mins(1)] {
        let day = format!("day#{}", time.to_zoned(TimeZone::UTC).date());
        put(stack, "AI_USAGE_TABLE", json!({"period": {"S": day}, "costUsd": {"N": "100.01"}})).await?;
    }
    let wait = refused(stack, user, "dailySpend").await?;
    assert!((1..=86_400).contains(&wait), "{wait}");
    stack.calm().await?;

    // A fifth of that is what one account may use up; another is not concerned.
    for time in [now, now + SignedDuration::from_mins(1)] {
        let day = format!("account#{}#{}", time.to_zoned(TimeZone::UTC).date(), user.account_id);
        put(stack, "AI_USAGE_TABLE", json!({"period": {"S": day}, "costUsd": {"N": "20.01"}})).await?;
    }
    let wait = refused(stack, user, "accountSpend").await?;
    assert!((1..=86_400).contains(&wait), "{wait}");
    let other = User::sign_up(stack, 10).await?;
    let headers = [("x-account-id", user.account_id.as_str())];
    let body = user.analysis_of("nasa").to_string();
    let reply = other.request(Method::POST, "/api/leads/analyze", &headers, Some(body.clone())).await?;
    assert_eq!(
        (reply.status, reply.code()),
        (404, "AccountNotFound"),
        "a stranger is told nothing: {}",
        reply.body
    );
    let reply = user.request(Method::POST, "/api/leads/analyze", &headers, Some(body)).await?;
    assert_eq!((reply.status, reply.code()), (503, "Paused"), "{}", reply.body);
    let (_, progress) = other.analyze(&other.username("unconcerned")).await?;
    assert_eq!(progress["status"], "complete", "{progress}");
    stack.calm().await?;

    // Under way are those that began in this minute and the two before. Should the clock come to the next, the eldest
    // fall out, and as many come in.
    let minute = now.as_second() / 60;
    for (minute, calls) in [(minute - 2, "100"), (minute - 1, "50"), (minute, "50"), (minute + 1, "100")] {
        let item = json!({"period": {"S": format!("calls#{minute}")}, "inFlight": {"N": calls}});
        put(stack, "AI_USAGE_TABLE", item).await?;
    }
    assert_eq!(refused(stack, user, "aiCalls").await?, 5);
    stack.calm().await?;

    let open = |upstream: &str, seconds| {
        let until = milliseconds(Timestamp::now() + SignedDuration::from_secs(seconds));
        json!({"upstream": {"S": upstream}, "openUntil": until, "openForMs": {"N": "60000"}})
    };
    put(stack, "CIRCUIT_BREAKERS_TABLE", open("openai", 60)).await?;
    put(stack, "CIRCUIT_BREAKERS_TABLE", open("anthropic", 50)).await?;
    let wait = refused(stack, user, "aiProviders").await?;
    assert!((30..=50).contains(&wait), "{wait}");
    // Their time is up, and one call each is on its way to see whether they are back.
    for upstream in ["openai", "anthropic"] {
        let mut probed = open(upstream, 0);
        probed["probeUntil"] = milliseconds(Timestamp::now() + SignedDuration::from_secs(90));
        put(stack, "CIRCUIT_BREAKERS_TABLE", probed).await?;
    }
    assert_eq!(refused(stack, user, "aiProviders").await?, 5);
    // One that may be tried is enough: the run that comes now is what tries it.
    put(stack, "CIRCUIT_BREAKERS_TABLE", open("anthropic", 0)).await?;
    let (_, progress) = user.analyze(&user.username("resumed")).await?;
    assert_eq!((&progress["status"], user.balance().await?), (&json!("complete"), 9), "{progress}");
    stack.calm().await
}

#[tokio::test]
async fn a_request_repeated_with_its_key_is_answered_as_ever_while_new_ones_are_refused() -> Result<()> {
    let stack = &Stack::connect_alone().await?;
    let (user, stranger) = (&User::sign_up(stack, 10).await?, &User::sign_up(stack, 10).await?);
    let post = async |user: &User<'_>, key: &str, body: &Value| {
        let headers = [("idempotency-key", key)];
        user.request(Method::POST, "/api/leads/analyze", &headers, Some(body.to_string())).await
    };
    let body = user.analysis_of(&user.username("repeated"));
    let first = post(user, "first", &body).await?;
    assert_eq!(first.status, 202, "{}", first.body);
    xtask(&["pause"]).await?.map_err(anyhow::Error::msg)?;

    let again = post(user, "first", &body).await?;
    assert_eq!((again.status, again.data()), (202, first.data()), "{}", again.body);
    let reused = post(user, "first", &user.analysis_of("nasa")).await?;
    assert_eq!((reused.status, reused.code()), (422, "IdempotencyKeyReused"), "{}", reused.body);
    // Neither the same without the key, nor with another, nor another account's.
    let unkeyed = user.post("/api/leads/analyze", &body).await?;
    let keyed = post(user, "second", &user.analysis_of(&user.username("new"))).await?;
    let strangers = post(stranger, "first", &stranger.analysis_of(&stranger.username("new"))).await?;
    for reply in [unkeyed, keyed, strangers] {
        assert_eq!((reply.status, reply.code()), (503, "Paused"), "{}", reply.body);
        assert_eq!(reply.body["details"], json!({"reason": "operator"}));
    }
    assert_eq!((user.balance().await?, stranger.balance().await?), (9, 10));
    let run_id = first.data()["runId"].as_str().context("no run")?.to_owned();
    user.finished(&Run { run_id, username: String::new() }).await?;
    assert_eq!(post(user, "first", &body).await?.data(), first.data(), "also when the run has ended");
    stack.calm().await
}

#[tokio::test]
async fn a_run_that_no_gate_let_in_is_not_begun_while_new_ones_are_refused() -> Result<()> {
    let stack = &Stack::connect_alone().await?;
    let user = &User::sign_up(stack, 10).await?;
    let run = user.accept(&user.username("smuggled"), "10 minutes").await?;
    let body = user.analysis_of(&run.username).to_string();
    user.plant_key(&run, "own", &body).await?;
    xtask(&["pause"]).await?.map_err(anyhow::Error::msg)?;

    let headers = [("idempotency-key", "own")];
    let post = || user.request(Method::POST, "/api/leads/analyze", &headers, Some(body.clone()));
    let reply = post().await?;
    assert_eq!((reply.status, &reply.data()["runId"]), (202, &json!(run.run_id)), "{}", reply.body);
    let report = stack.fail_stale_runs().await?;
    assert_eq!(report["started"], 0, "{report}");
    let machine = &stack.description.state_machines["analysis"];
    assert!(stack.aws.execution(machine, &run.run_id).await?.is_none(), "it was begun");

    // One that its user gave up is refunded all the same.
    let unwanted = user.accept(&user.username("unwanted"), "10 minutes").await?;
    let path = format!("/api/analysis/{}/cancel", unwanted.run_id);
    assert_eq!(user.request(Method::POST, &path, &[], None).await?.status, 202);
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
        let event = user.event("POST", "/api/leads/analyze", &Value::Null, &user.analysis_of("nasa"));
        let (status, body) = lambda.invoke(&event).await?.http()?;
        assert_eq!((status, &body["details"]), (503, &json!({"reason": reason})), "{body}");
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
