//! What the faults of Apify, OpenAI and Anthropic do to a run: a retry, the other provider, or a refund.

use anyhow::{Context, Result};
use futures::future::try_join_all;
use oslira_tests::{Stack, User};
use serde_json::{Value, json};
use std::collections::BTreeMap;

async fn user_with<'a>(stack: &'a Stack, word: &str, faults: &[Value]) -> Result<(User<'a>, String)> {
    let user = User::sign_up(stack, 10).await?;
    let username = user.username(word);
    for fault in faults {
        let mut fault = fault.clone();
        fault["match"] = json!(username);
        stack.stand_ins.fault(fault).await?;
    }
    Ok((user, username))
}

#[tokio::test]
async fn apify_down_for_a_while_is_survived() -> Result<()> {
    let stack = Stack::connect_alone().await?;
    let faults = [
        json!({"upstream": "apify", "kind": "status", "status": 503, "times": 2}),
        json!({"upstream": "apify", "kind": "status", "status": 429, "times": 1}),
        json!({"upstream": "apify", "kind": "reset", "times": 1}),
        json!({"upstream": "apify", "kind": "runFailed", "times": 1}),
    ];
    let survive = async |fault: Value| -> Result<()> {
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
    let (user, username) =
        user_with(&stack, "down", &[json!({"upstream": "apify", "kind": "status", "status": 429})]).await?;
    let (_, progress) = user.analyze(&username).await?;
    assert_eq!(
        (&progress["status"], &progress["code"]),
        (&json!("failed"), &json!("ApifyUnavailable")),
        "{progress}"
    );
    assert_eq!((user.balance().await?, stack.stand_ins.requests("apify", &username).await?), (10, 4));
    Ok(())
}

#[tokio::test]
async fn instagram_blocking_the_scraper_is_retried_and_then_refunded() -> Result<()> {
    let stack = Stack::connect_alone().await?;
    let (user, username) = user_with(&stack, "blocked", &[]).await?;
    let (_, progress) = user.analyze(&username).await?;
    assert_eq!(progress["code"], "ApifyUnavailable", "{progress}");
    assert_eq!((user.balance().await?, stack.stand_ins.actor_runs(&username).await?), (10, 4));
    Ok(())
}

#[tokio::test]
async fn apify_refusing_us_is_not_retried() -> Result<()> {
    let stack = Stack::connect_alone().await?;
    let (user, username) =
        user_with(&stack, "refused", &[json!({"upstream": "apify", "kind": "status", "status": 401})])
            .await?;
    let (_, progress) = user.analyze(&username).await?;
    assert_eq!(progress["code"], "ApifyRejected", "{progress}");
    assert_eq!((user.balance().await?, stack.stand_ins.requests("apify", &username).await?), (10, 1));
    Ok(())
}

#[tokio::test]
async fn claude_answers_when_openai_does_not() -> Result<()> {
    let stack = Stack::connect_alone().await?;
    let faults = [
        json!({"upstream": "openai", "kind": "status", "status": 503}),
        json!({"upstream": "openai", "kind": "status", "status": 429, "code": "insufficient_quota"}),
        json!({"upstream": "openai", "kind": "refusal"}),
        json!({"upstream": "openai", "kind": "invalidAnswer"}),
    ];
    let fall_back = async |fault: Value| -> Result<()> {
        let (user, username) = user_with(&stack, "fallback", std::slice::from_ref(&fault)).await?;
        let (run, progress) = user.analyze(&username).await?;
        assert_eq!(progress["status"], "complete", "{fault}: {progress}");
        let calls = stack.calls(&run).await?;
        let last = calls.last().context("no call")?;
        assert_eq!((&last["provider"], &last["is_fallback"]), (&json!("anthropic"), &json!(true)), "{fault}");
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
    stack
        .stand_ins
        .fault(json!({"upstream": "openai", "match": task, "kind": "status", "status": 503}))
        .await?;
    let (run, progress) = user.analyze_tier("xray", &user.username("fallback")).await?;
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
        ("deep", ["core_strategy", "outreach"].as_slice()),
        ("xray", &["commercial", "outreach", "psychographic"]),
    ] {
        // The other tier's failures opened circuit breakers.
        stack.calm().await?;
        let user = User::sign_up(&stack, 10).await?;
        let username = user.username("onetask");
        let task = format!("{}:personality", user.business_profile_id);
        for fault in [
            json!({"upstream": "openai", "match": task, "kind": "status", "status": 500}),
            json!({"upstream": "anthropic", "match": username, "kind": "status", "status": 529}),
        ] {
            stack.stand_ins.fault(fault).await?;
        }
        let (run, progress) = user.analyze_tier(tier, &username).await?;
        assert_eq!(
            (&progress["status"], &progress["code"]),
            (&json!("failed"), &json!("AiUnavailable")),
            "{tier}: {progress}"
        );
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
