//! A provider is down for everyone: what its circuit breaker saves, and what users see of it.

use crate::intake::refused;
use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use oslira_tests::{Run, Stack, User, eventually};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const PROVIDERS: [&str; 2] = ["openai", "anthropic"];

/// Nobody gets anything but this status from a service.
async fn down(stack: &Stack, upstream: &str, status: u16) -> Result<()> {
    stack.stand_ins.fault(json!({"upstream": upstream, "kind": "status", "status": status})).await
}

/// What the table says about a service.
async fn breaker(stack: &Stack, upstream: &str) -> Result<Value> {
    let table = &stack.functions_env["CIRCUIT_BREAKERS_TABLE"];
    let item = stack.aws.item(table, json!({"upstream": {"S": upstream}})).await?;
    item.with_context(|| format!("nothing is known of {upstream}"))
}

async fn set_open_until(stack: &Stack, upstream: &str, time: Timestamp) -> Result<()> {
    let table = &stack.functions_env["CIRCUIT_BREAKERS_TABLE"];
    let key = json!({"upstream": {"S": upstream}});
    stack.aws.set_number(table, key, "openUntil", time.as_millisecond()).await
}

/// Sees that a breaker has opened for so long, and keeps it open for as long as a test may take.
async fn opened(stack: &Stack, upstream: &str, milliseconds: &str) -> Result<()> {
    let item = breaker(stack, upstream).await?;
    ensure!(item["openUntil"].is_object() && item["openForMs"]["N"] == milliseconds, "{upstream}: {item}");
    set_open_until(stack, upstream, Timestamp::now() + SignedDuration::from_mins(10)).await
}

/// Lets the time pass for which a breaker is open.
async fn pass(stack: &Stack, upstream: &str) -> Result<()> {
    set_open_until(stack, upstream, Timestamp::now() - SignedDuration::from_millis(1)).await
}

async fn closed(stack: &Stack, upstream: &str) -> Result<()> {
    let item = breaker(stack, upstream).await?;
    ensure!(item["openUntil"].is_null() && item["closedAt"].is_object(), "{upstream}: {item}");
    Ok(())
}

/// A run that completes: who answered each of its tasks, and how often OpenAI was asked.
async fn complete(user: &User<'_>, stack: &Stack, tier: &str) -> Result<(Vec<String>, u64)> {
    let username = user.username(tier);
    let (run, progress) = user.analyze_tier(tier, &username).await?;
    ensure!(progress["status"] == "complete", "{tier}: {progress}");
    let calls = stack.calls(&run).await?;
    let answered = calls.iter().filter(|call| call["outcome"] == "answered");
    let providers = answered.filter_map(|call| Some(call["provider"].as_str()?.to_owned())).collect();
    Ok((providers, stack.stand_ins.requests("openai", &username).await?))
}

/// Sees that a run has failed for want of a model, and was paid back once.
async fn refunded(stack: &Stack, run: &Run, progress: &Value) -> Result<()> {
    assert_eq!((&progress["status"], &progress["code"]), (&json!("failed"), &json!("AiUnavailable")));
    assert_eq!(stack.ledger(run).await?, [-1, 1]);
    Ok(())
}

#[tokio::test]
async fn with_openai_down_claude_answers_every_tier_and_openai_is_left_alone() -> Result<()> {
    let stack = &Stack::connect_alone().await?;
    // A LIGHT, a DEEP, two X-Rays and another LIGHT, to the last credit.
    let user = &User::sign_up(stack, 1 + 5 + 2 * 6 + 1).await?;
    down(stack, "openai", 503).await?;

    for (tier, tasks) in [("light", 1), ("deep", 3)] {
        let (answered_by, asked) = complete(user, stack, tier).await?;
        assert_eq!(answered_by, vec!["anthropic"; tasks], "{tier}");
        assert!(asked > 0, "{tier}: nobody tried OpenAI");
    }
    opened(stack, "openai", "30000").await?;
    assert_eq!(complete(user, stack, "xray").await?, (vec!["anthropic".to_owned(); 4], 0), "open");

    // Four tasks at once: one is the probe, and finds OpenAI still down.
    pass(stack, "openai").await?;
    assert_eq!(complete(user, stack, "xray").await?, (vec!["anthropic".to_owned(); 4], 1), "half-open");
    opened(stack, "openai", "60000").await?;

    stack.stand_ins.clear_faults().await?;
    pass(stack, "openai").await?;
    assert_eq!(complete(user, stack, "light").await?, (vec!["openai".to_owned()], 1), "OpenAI is back");
    closed(stack, "openai").await?;
    assert_eq!(user.balance().await?, 0);
    stack.calm().await
}

#[tokio::test]
async fn with_both_providers_down_requests_are_refused_until_a_probe_succeeds() -> Result<()> {
    let stack = &Stack::connect_alone().await?;
    let user = &User::sign_up(stack, 10).await?;
    // Accepted while all is well, and at its scraper when the providers go down.
    let accepted = user.username("accepted");
    let slow = json!({"upstream": "apify", "match": accepted, "kind": "runSlow", "delayMs": 60_000});
    stack.stand_ins.fault(slow).await?;
    let run = user.start(&accepted).await?;
    eventually("the actor to start", || async {
        Ok((stack.stand_ins.actor_runs(&accepted).await? == 1).then_some(()))
    })
    .await?;

    down(stack, "openai", 503).await?;
    down(stack, "anthropic", 529).await?;
    let (dark, progress) = user.analyze(&user.username("dark")).await?;
    refunded(stack, &dark, &progress).await?;
    let sql =
        "select count(*) as n from public.ai_usage_logs where run_id = $1::text::uuid and task = 'scoring'";
    // Each of the state's three tries asks each provider twice, but for the sixth call: the fifth failure opens the breaker.
    assert_eq!(stack.database.row(sql, &[&dark.run_id]).await?["n"], 10, "every call is on record");
    // The lead was upserted in parallel with AI: the user keeps the profile.
    let sql = "select score from public.leads where username = $1";
    assert_eq!(stack.database.rows(sql, &[&dark.username]).await?, [json!({"score": null})]);
    for provider in PROVIDERS {
        opened(stack, provider, "30000").await?;
    }

    // One of three in under a second: the machine may be busy with other things.
    let newcomer = &User::sign_up(stack, 10).await?;
    let mut fastest = Duration::MAX;
    for _ in 0..3 {
        let asked = Instant::now();
        let wait = refused(stack, newcomer, "aiProviders").await?;
        fastest = fastest.min(asked.elapsed());
        assert!((1..=600).contains(&wait), "{wait}");
    }
    assert!(fastest < Duration::from_secs(1), "refused after {fastest:?} at best");

    stack.stand_ins.release(&accepted).await?;
    refunded(stack, &run, &user.finished(&run).await?).await?;
    for provider in PROVIDERS {
        assert_eq!(stack.stand_ins.requests(provider, &accepted).await?, 0, "{provider} was called");
    }
    assert_eq!(user.balance().await?, 10);

    stack.stand_ins.clear_faults().await?;
    for provider in PROVIDERS {
        pass(stack, provider).await?;
    }
    let openai_once = (vec!["openai".to_owned()], 1);
    assert_eq!(complete(newcomer, stack, "light").await?, openai_once, "the run is the probe");
    closed(stack, "openai").await?;
    assert_eq!(complete(newcomer, stack, "light").await?, openai_once, "all is well");
    assert_eq!(newcomer.balance().await?, 8);
    stack.calm().await
}

#[tokio::test]
async fn with_apify_down_its_breaker_opens_and_no_actor_is_started_meanwhile() -> Result<()> {
    let stack = &Stack::connect_alone().await?;
    let user = User::sign_up(stack, 10).await?;
    down(stack, "apify", 503).await?;
    // With the state machine's retries a run asks four times.
    let username = user.username("down");
    let (_, progress) = user.analyze(&username).await?;
    assert_eq!(progress["code"], "ApifyUnavailable", "{progress}");
    assert_eq!(stack.stand_ins.requests("apify", &username).await?, 4);

    // The fifth failure opens the breaker. The run waits for that as for a slot; here, in vain.
    let run = user.start(&user.username("unlucky")).await?;
    eventually("the breaker to open", || async {
        Ok(breaker(stack, "apify").await?["openUntil"].is_object().then_some(()))
    })
    .await?;
    opened(stack, "apify", "30000").await?;
    let progress = user.finished(&run).await?;
    assert_eq!(
        (&progress["status"], &progress["code"]),
        (&json!("failed"), &json!("ApifyBusy")),
        "{progress}"
    );
    let asked = stack.stand_ins.requests("apify", &run.username).await?;
    assert_eq!((asked, stack.ledger(&run).await?, user.balance().await?), (1, vec![-1, 1], 10));
    let slots = stack.slots().await?;
    let is_ours = |slot: &Value| [&run.run_id, &run.username].iter().any(|id| slot.to_string().contains(*id));
    assert!(!slots.iter().any(is_ours), "it keeps a slot: {slots:?}");

    stack.stand_ins.clear_faults().await?;
    let run = user.start(&user.username("fine")).await?;
    let machine = &stack.description.state_machines["analysis"];
    eventually("the run to wait", || async {
        let history = stack.aws.history(machine, &run.run_id).await?.to_string();
        Ok(history.contains("ApifyBusy").then_some(()))
    })
    .await?;
    assert_eq!(stack.stand_ins.requests("apify", &run.username).await?, 0);
    pass(stack, "apify").await?;
    let progress = user.finished(&run).await?;
    assert_eq!(progress["status"], "complete", "the run was the probe: {progress}");
    closed(stack, "apify").await?;
    let (_, progress) = user.analyze(&user.username("again")).await?;
    assert_eq!(progress["status"], "complete", "{progress}");
    stack.calm().await
}
