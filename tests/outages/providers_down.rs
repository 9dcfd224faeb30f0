//! A provider is down for everyone: what its circuit breaker saves, and what users see of it.

use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use oslira_domain::Tier;
use oslira_tests::{Ending, Fault, Run, Stack, Upstream, User, eventually};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Nobody gets anything but this status from a service.
async fn down(stack: &Stack, upstream: Upstream, status: u16) -> Result<()> {
    stack.stand_ins.fault(Fault::status(upstream, status)).await
}

/// What the table says about a service.
async fn breaker(stack: &Stack, upstream: Upstream) -> Result<Value> {
    let table = &stack.description.tables["circuit-breakers"];
    let item = stack.aws.item(table, json!({"upstream": {"S": upstream.name()}})).await?;
    item.with_context(|| format!("nothing is known of {upstream}"))
}

async fn set_open_until(stack: &Stack, upstream: Upstream, time: Timestamp) -> Result<()> {
    let table = &stack.description.tables["circuit-breakers"];
    let key = json!({"upstream": {"S": upstream.name()}});
    stack.aws.set_number(table, key, "openUntil", time.as_millisecond()).await
}

/// Sees that a breaker has opened for so long, and keeps it open for as long as a test may take.
async fn opened(stack: &Stack, upstream: Upstream, time: Duration) -> Result<()> {
    let item = breaker(stack, upstream).await?;
    ensure!(item["openUntil"].is_object(), "{upstream} is not open: {item}");
    ensure!(item["openForMs"]["N"] == time.as_millis().to_string(), "{upstream}, {time:?}: {item}");
    set_open_until(stack, upstream, Timestamp::now() + SignedDuration::from_mins(10)).await
}

/// Lets the time pass for which a breaker is open.
async fn pass(stack: &Stack, upstream: Upstream) -> Result<()> {
    set_open_until(stack, upstream, Timestamp::now() - SignedDuration::from_millis(1)).await
}

async fn closed(stack: &Stack, upstream: Upstream) -> Result<()> {
    let item = breaker(stack, upstream).await?;
    ensure!(item["openUntil"].is_null() && item["closedAt"].is_object(), "{upstream}: {item}");
    Ok(())
}

/// Who answered a run, to compare.
#[derive(Debug, PartialEq, Eq)]
struct Answered {
    /// The provider of each task's answer.
    by: Vec<String>,
    /// How often OpenAI was asked.
    openai_asked: u64,
}

/// So many answers of this provider, with so many questions to OpenAI.
fn answered(tasks: usize, by: Upstream, openai_asked: u64) -> Answered {
    Answered { by: vec![by.to_string(); tasks], openai_asked }
}

/// A run that completes: who answered it.
async fn complete(user: &User<'_>, stack: &Stack, tier: Tier) -> Result<Answered> {
    let username = user.username(tier.as_str());
    let (run, progress) = user.analyze_tier(tier, &username).await?;
    ensure!(progress["status"] == "complete", "{tier}: {progress}");
    let calls = stack.calls(&run).await?;
    let answered = calls.iter().filter(|call| call["outcome"] == "answered");
    let by = answered.filter_map(|call| Some(call["provider"].as_str()?.to_owned())).collect();
    Ok(Answered { by, openai_asked: stack.stand_ins.requests(Upstream::OpenAi, &username).await? })
}

/// Sees that a run has failed for want of a model, and was paid back once.
async fn refunded(stack: &Stack, run: &Run, progress: &Value) -> Result<()> {
    assert_eq!(Ending::of(progress), Ending::failed("AiUnavailable"));
    assert_eq!(stack.ledger(run).await?, [-1, 1]);
    Ok(())
}

#[tokio::test]
async fn with_openai_down_claude_answers_every_tier_and_openai_is_left_alone() -> Result<()> {
    let stack = &Stack::connect_alone().await?;
    // A LIGHT, a DEEP, two X-Rays and another LIGHT, to the last credit.
    let user = &User::sign_up(stack, 1 + 5 + 2 * 6 + 1).await?;
    down(stack, Upstream::OpenAi, 503).await?;

    for (tier, tasks) in [(Tier::Light, 1), (Tier::Deep, 3)] {
        let answered = complete(user, stack, tier).await?;
        assert_eq!(answered.by, vec!["anthropic"; tasks], "{tier}");
        assert!(answered.openai_asked > 0, "{tier}: nobody tried OpenAI");
    }
    opened(stack, Upstream::OpenAi, Duration::from_secs(30)).await?;
    assert_eq!(complete(user, stack, Tier::Xray).await?, answered(4, Upstream::Anthropic, 0), "open");

    // Four tasks at once: one is the probe, and finds OpenAI still down.
    pass(stack, Upstream::OpenAi).await?;
    assert_eq!(complete(user, stack, Tier::Xray).await?, answered(4, Upstream::Anthropic, 1), "half-open");
    opened(stack, Upstream::OpenAi, Duration::from_secs(60)).await?;

    stack.stand_ins.clear_faults().await?;
    pass(stack, Upstream::OpenAi).await?;
    assert_eq!(complete(user, stack, Tier::Light).await?, answered(1, Upstream::OpenAi, 1), "OpenAI is back");
    closed(stack, Upstream::OpenAi).await?;
    assert_eq!(user.balance().await?, 0);
    stack.calm().await
}

#[tokio::test]
async fn with_both_providers_down_requests_are_refused_until_a_probe_succeeds() -> Result<()> {
    let stack = &Stack::connect_alone().await?;
    let user = &User::sign_up(stack, 10).await?;
    // Accepted while all is well, and at its scraper when the providers go down.
    let accepted = user.username("accepted");
    let slow = Fault::slow_actor(Duration::from_secs(60)).of(&accepted);
    stack.stand_ins.fault(slow).await?;
    let run = user.start(&accepted).await?;
    stack.actors_started(&accepted, 1).await?;

    down(stack, Upstream::OpenAi, 503).await?;
    down(stack, Upstream::Anthropic, 529).await?;
    let (dark, progress) = user.analyze(&user.username("dark")).await?;
    refunded(stack, &dark, &progress).await?;
    let sql =
        "select count(*) as n from public.ai_usage_logs where run_id = $1::text::uuid and task = 'scoring'";
    // Each of the state's three tries asks each provider twice, but for the sixth call: the fifth failure opens the breaker.
    assert_eq!(stack.database.row(sql, &[&dark.run_id]).await?["n"], 10, "every call is on record");
    // The lead was upserted in parallel with AI: the user keeps the profile.
    let sql = "select score from public.leads where username = $1";
    assert_eq!(stack.database.rows(sql, &[&dark.username]).await?, [json!({"score": null})]);
    for provider in Upstream::AI {
        opened(stack, provider, Duration::from_secs(30)).await?;
    }

    // One of three in under a second: the machine may be busy with other things.
    let newcomer = &User::sign_up(stack, 10).await?;
    let mut fastest = Duration::MAX;
    for _ in 0..3 {
        let asked = Instant::now();
        let wait = newcomer.refused_because("aiProviders").await?;
        fastest = fastest.min(asked.elapsed());
        assert!((1..=600).contains(&wait), "{wait}");
    }
    assert!(fastest < Duration::from_secs(1), "refused after {fastest:?} at best");

    stack.stand_ins.release(&accepted).await?;
    refunded(stack, &run, &user.finished(&run).await?).await?;
    for provider in Upstream::AI {
        assert_eq!(stack.stand_ins.requests(provider, &accepted).await?, 0, "{provider} was called");
    }
    assert_eq!(user.balance().await?, 10);

    stack.stand_ins.clear_faults().await?;
    for provider in Upstream::AI {
        pass(stack, provider).await?;
    }
    let openai_once = answered(1, Upstream::OpenAi, 1);
    assert_eq!(complete(newcomer, stack, Tier::Light).await?, openai_once, "the run is the probe");
    closed(stack, Upstream::OpenAi).await?;
    assert_eq!(complete(newcomer, stack, Tier::Light).await?, openai_once, "all is well");
    assert_eq!(newcomer.balance().await?, 8);
    stack.calm().await
}

#[tokio::test]
async fn with_apify_down_its_breaker_opens_and_no_actor_is_started_meanwhile() -> Result<()> {
    let stack = &Stack::connect_alone().await?;
    let user = User::sign_up(stack, 10).await?;
    down(stack, Upstream::Apify, 503).await?;
    // With the state machine's retries a run asks four times.
    let username = user.username("down");
    let (_, progress) = user.analyze(&username).await?;
    assert_eq!(progress["code"], "ApifyUnavailable", "{progress}");
    assert_eq!(stack.stand_ins.requests(Upstream::Apify, &username).await?, 4);

    // The fifth failure opens the breaker. The run waits for that as for a slot; here, in vain.
    let run = user.start(&user.username("unlucky")).await?;
    eventually("the breaker to open", || async {
        Ok(breaker(stack, Upstream::Apify).await?["openUntil"].is_object().then_some(()))
    })
    .await?;
    opened(stack, Upstream::Apify, Duration::from_secs(30)).await?;
    let progress = user.finished(&run).await?;
    assert_eq!(Ending::of(&progress), Ending::failed("ApifyBusy"), "{progress}");
    let asked = stack.stand_ins.requests(Upstream::Apify, &run.username).await?;
    assert_eq!(asked, 1, "requests to Apify");
    assert_eq!(stack.ledger(&run).await?, [-1, 1], "the ledger");
    assert_eq!(user.balance().await?, 10, "the balance");
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
    assert_eq!(stack.stand_ins.requests(Upstream::Apify, &run.username).await?, 0);
    pass(stack, Upstream::Apify).await?;
    let progress = user.finished(&run).await?;
    assert_eq!(progress["status"], "complete", "the run was the probe: {progress}");
    closed(stack, Upstream::Apify).await?;
    let (_, progress) = user.analyze(&user.username("again")).await?;
    assert_eq!(progress["status"], "complete", "{progress}");
    stack.calm().await
}
