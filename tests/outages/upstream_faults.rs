//! What the faults of Apify, OpenAI and Anthropic do to a run: a retry, the other provider, or a refund.

use anyhow::{Context, Result};
use futures::future::try_join_all;
use oslira_domain::Tier;
use oslira_tests::{Ending, Fault, Stack, Upstream, User};
use std::collections::BTreeMap;

async fn user_with<'a>(stack: &'a Stack, word: &str, faults: &[Fault]) -> Result<(User<'a>, String)> {
    let user = User::sign_up(stack, 10).await?;
    let username = user.username(word);
    for fault in faults {
        stack.stand_ins.fault(fault.clone().of(&username)).await?;
    }
    Ok((user, username))
}

#[tokio::test]
async fn apify_down_for_a_while_is_survived() -> Result<()> {
    let stack = Stack::connect_alone().await?;
    let faults = [
        Fault::status(Upstream::Apify, 503).times(2),
        Fault::status(Upstream::Apify, 429).times(1),
        Fault::reset(Upstream::Apify).times(1),
        Fault::failed_actor().times(1),
    ];
    let survive = async |fault: Fault| -> Result<()> {
        let (user, username) = user_with(&stack, "flaky", std::slice::from_ref(&fault)).await?;
        let (_, progress) = user.analyze(&username).await?;
        assert_eq!(progress["status"], "complete", "{fault}: {progress}");
        assert_eq!(user.balance().await?, 9, "{fault}");
        Ok(())
    };
    try_join_all(faults.map(survive)).await.map(drop)
}

#[tokio::test]
async fn apify_down_for_good_fails_and_refunds_after_three_retries() -> Result<()> {
    let stack = Stack::connect_alone().await?;
    let (user, username) = user_with(&stack, "down", &[Fault::status(Upstream::Apify, 429)]).await?;
    let (_, progress) = user.analyze(&username).await?;
    assert_eq!(Ending::of(&progress), Ending::failed("ApifyUnavailable"), "{progress}");
    assert_eq!(user.balance().await?, 10, "the balance");
    assert_eq!(stack.stand_ins.requests(Upstream::Apify, &username).await?, 4, "requests to Apify");
    Ok(())
}

#[tokio::test]
async fn instagram_blocking_the_scraper_is_retried_and_then_refunded() -> Result<()> {
    let stack = Stack::connect_alone().await?;
    let (user, username) = user_with(&stack, "blocked", &[]).await?;
    let (_, progress) = user.analyze(&username).await?;
    assert_eq!(progress["code"], "ApifyUnavailable", "{progress}");
    assert_eq!(user.balance().await?, 10, "the balance");
    assert_eq!(stack.stand_ins.actor_runs(&username).await?, 4, "actors");
    Ok(())
}

#[tokio::test]
async fn apify_refusing_us_is_not_retried() -> Result<()> {
    let stack = Stack::connect_alone().await?;
    let (user, username) = user_with(&stack, "refused", &[Fault::status(Upstream::Apify, 401)]).await?;
    let (_, progress) = user.analyze(&username).await?;
    assert_eq!(progress["code"], "ApifyRejected", "{progress}");
    assert_eq!(user.balance().await?, 10, "the balance");
    assert_eq!(stack.stand_ins.requests(Upstream::Apify, &username).await?, 1, "requests to Apify");
    Ok(())
}

#[tokio::test]
async fn claude_answers_when_openai_does_not() -> Result<()> {
    let stack = Stack::connect_alone().await?;
    let faults = [
        Fault::status(Upstream::OpenAi, 503),
        Fault::status(Upstream::OpenAi, 429).with_code("insufficient_quota"),
        Fault::refusal(Upstream::OpenAi),
        Fault::invalid_answer(Upstream::OpenAi),
    ];
    let fall_back = async |fault: Fault| -> Result<()> {
        let (user, username) = user_with(&stack, "fallback", std::slice::from_ref(&fault)).await?;
        let (run, progress) = user.analyze(&username).await?;
        assert_eq!(progress["status"], "complete", "{fault}: {progress}");
        let calls = stack.calls(&run).await?;
        let last = calls.last().context("no call")?;
        assert_eq!(last["provider"], "anthropic", "{fault}");
        assert_eq!(last["is_fallback"], true, "{fault}");
        assert_eq!(user.balance().await?, 9);
        Ok(())
    };
    try_join_all(faults.map(fall_back)).await.map(drop)
}

#[tokio::test]
async fn a_task_whose_provider_fails_is_answered_by_the_other() -> Result<()> {
    let stack = Stack::connect_alone().await?;
    let user = User::sign_up(&stack, 10).await?;
    // OpenAI's cache key names business and task, so that this strikes no other call.
    let task = format!("{}:outreach", user.business_profile_id);
    stack.stand_ins.fault(Fault::status(Upstream::OpenAi, 503).of(&task)).await?;
    let (run, progress) = user.analyze_tier(Tier::Xray, &user.username("fallback")).await?;
    assert_eq!(progress["status"], "complete", "{progress}");
    let calls = stack.calls(&run).await?;
    let answered: BTreeMap<&str, &str> = calls
        .iter()
        .filter(|call| call["outcome"] == "answered")
        .filter_map(|call| Some((call["task"].as_str()?, call["provider"].as_str()?)))
        .collect();
    let wanted = [
        ("commercial", "openai"),
        ("outreach", "anthropic"),
        ("personality", "openai"),
        ("psychographic", "openai"),
    ];
    assert_eq!(answered, BTreeMap::from(wanted));
    Ok(())
}

#[tokio::test]
async fn one_task_that_fails_for_good_fails_and_refunds_the_run() -> Result<()> {
    let stack = Stack::connect_alone().await?;
    for (tier, tasks) in [
        (Tier::Deep, ["core_strategy", "outreach"].as_slice()),
        (Tier::Xray, &["commercial", "outreach", "psychographic"]),
    ] {
        // The other tier's failures opened circuit breakers.
        stack.calm().await?;
        let user = User::sign_up(&stack, 10).await?;
        let username = user.username("onetask");
        let task = format!("{}:personality", user.business_profile_id);
        for fault in [
            Fault::status(Upstream::OpenAi, 500).of(&task),
            Fault::status(Upstream::Anthropic, 529).of(&username),
        ] {
            stack.stand_ins.fault(fault).await?;
        }
        let (run, progress) = user.analyze_tier(tier, &username).await?;
        assert_eq!(Ending::of(&progress), Ending::failed("AiUnavailable"), "{tier}: {progress}");
        assert_eq!(user.balance().await?, 10, "{tier}");
        assert_eq!(stack.ledger(&run).await?.len(), 2, "{tier}: one charge, one refund");
        // The other tasks were paid for, and are on record.
        let sql = "select task from public.ai_usage_logs where run_id = $1::text::uuid and outcome = 'answered' order by task";
        let answered = stack.database.rows(sql, &[&run.run_id]).await?;
        let answered: Vec<&str> = answered.iter().filter_map(|row| row["task"].as_str()).collect();
        assert_eq!(answered, tasks, "{tier}");
    }
    Ok(())
}
