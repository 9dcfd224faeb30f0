//! What the faults of Apify, OpenAI and Anthropic do to a run: a retry, the other provider, or a refund.

use anyhow::{Context, Result};
use oslira_tests::{Stack, User};
use serde_json::{Value, json};

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
    let stack = Stack::connect().await?;
    for fault in [
        json!({"upstream": "apify", "kind": "status", "status": 503, "times": 2}),
        json!({"upstream": "apify", "kind": "status", "status": 429, "times": 1}),
        json!({"upstream": "apify", "kind": "reset", "times": 1}),
        json!({"upstream": "apify", "kind": "runFailed", "times": 1}),
    ] {
        let (user, username) = user_with(&stack, "flaky", std::slice::from_ref(&fault)).await?;
        let (_, progress) = user.analyze(&username).await?;
        assert_eq!(progress["status"], "complete", "{fault}: {progress}");
        assert_eq!(user.balance().await?, 9, "{fault}");
    }
    Ok(())
}

#[tokio::test]
async fn apify_down_for_good_fails_and_refunds_after_three_retries() -> Result<()> {
    let stack = Stack::connect().await?;
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
    let stack = Stack::connect().await?;
    let (user, username) = user_with(&stack, "blocked", &[]).await?;
    let (_, progress) = user.analyze(&username).await?;
    assert_eq!(progress["code"], "ApifyUnavailable", "{progress}");
    assert_eq!((user.balance().await?, stack.stand_ins.actor_runs(&username).await?), (10, 4));
    Ok(())
}

#[tokio::test]
async fn apify_refusing_us_is_not_retried() -> Result<()> {
    let stack = Stack::connect().await?;
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
    let stack = Stack::connect().await?;
    for fault in [
        json!({"upstream": "openai", "kind": "status", "status": 503}),
        json!({"upstream": "openai", "kind": "status", "status": 429, "code": "insufficient_quota"}),
        json!({"upstream": "openai", "kind": "refusal"}),
        json!({"upstream": "openai", "kind": "invalidAnswer"}),
    ] {
        let (user, username) = user_with(&stack, "fallback", std::slice::from_ref(&fault)).await?;
        let (run, progress) = user.analyze(&username).await?;
        assert_eq!(progress["status"], "complete", "{fault}: {progress}");
        let result = user.result(&run).await?;
        let calls = result.data()["cost"]["calls"].as_array().context("calls")?.clone();
        let last = calls.last().context("no call")?;
        assert_eq!((&last["provider"], &last["isFallback"]), (&json!("anthropic"), &json!(true)), "{fault}");
        assert_eq!(user.balance().await?, 9);
    }
    Ok(())
}

#[tokio::test]
async fn both_providers_down_fails_and_refunds() -> Result<()> {
    let stack = Stack::connect().await?;
    let faults = [
        json!({"upstream": "openai", "kind": "status", "status": 500}),
        json!({"upstream": "anthropic", "kind": "status", "status": 529}),
    ];
    let (user, username) = user_with(&stack, "dark", &faults).await?;
    let (run, progress) = user.analyze(&username).await?;
    assert_eq!(
        (&progress["status"], &progress["code"]),
        (&json!("failed"), &json!("AiUnavailable")),
        "{progress}"
    );
    assert_eq!(user.balance().await?, 10);
    let sql =
        "select count(*) as n from public.ai_usage_logs where run_id = $1::text::uuid and task = 'scoring'";
    let calls = stack.database.row(sql, &[&run.run_id]).await?["n"].as_i64().context("n")?;
    // Each of the state's three tries asks each provider twice.
    assert_eq!(calls, 12, "every call is on record, also those of a failed run");
    // The lead was upserted in parallel with AI: the user keeps the profile.
    let leads =
        stack.database.rows("select score from public.leads where username = $1", &[&username]).await?;
    assert_eq!(leads, [json!({"score": null})]);
    Ok(())
}
