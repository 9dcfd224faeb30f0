//! When no new analyses are taken in: refused before the charge, with the reason and a time to come back.

use anyhow::{Context, Result};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use oslira_tests::{Lambda, Stack, User, xtask};
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

    // Under way are those that began in this minute and the two before. Should the clock come to the next, the eldest
    // fall out, and as many come in.
    let minute = now.as_second() / 60;
    for (minute, calls) in [(minute - 2, "100"), (minute - 1, "50"), (minute, "50"), (minute + 1, "100")] {
        let item = json!({"period": {"S": format!("steps#{minute}")}, "inFlight": {"N": calls}});
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
    // One that may be tried is enough: the run that comes now is what tries it.
    put(stack, "CIRCUIT_BREAKERS_TABLE", open("anthropic", 0)).await?;
    let (_, progress) = user.analyze(&user.username("resumed")).await?;
    assert_eq!((&progress["status"], user.balance().await?), (&json!("complete"), 9), "{progress}");
    stack.calm().await
}

#[tokio::test]
async fn limits_that_are_no_numbers_stop_the_lambda_at_its_start() -> Result<()> {
    let stack = &Stack::connect_alone().await?;
    for (variable, value) in [
        ("DAILY_AI_SPEND_LIMIT_USD", "plenty"),
        ("DAILY_AI_SPEND_LIMIT_USD", "0"),
        ("MAX_CONCURRENT_AI_CALLS", "-1"),
    ] {
        let started = Lambda::start(stack, "start-analysis", &[(variable, value)]).await;
        assert!(started.is_err(), "{variable}={value}");
    }
    Ok(())
}
