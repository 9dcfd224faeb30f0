//! An AI gateway in front of the vendors, which may want a token of its own.

use anyhow::{Context, Result};
use oslira_domain::Tier;
use oslira_tests::{Fault, Lambda, Stack, Upstream, User};
use serde_json::json;

#[tokio::test]
async fn a_gateway_is_shown_its_token_by_whoever_asks_a_model_and_none_where_there_is_none() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 20).await?;
    let username = user.username("gateway");
    let (run, _) = user.analyze(&username).await?;
    assert_eq!(
        stack.stand_ins.gateway_tokens(Upstream::OpenAi, &username).await?,
        [None],
        "the stack's secret says none"
    );

    // A run on which nothing works, of the same profile.
    let idle = user.call_start_analysis(Tier::Xray, &username).await?;
    let snapshot_key = stack.snapshot_key(&run).await?;
    let input = |task: &str| {
        json!({"runId": idle.run_id, "accountId": user.account_id, "tier": "xray", "task": task, "snapshotKey": snapshot_key,
            "cacheHit": true})
    };
    let personality = format!("{}:personality", user.business_profile_id);
    stack.stand_ins.fault(Fault::refusal(Upstream::OpenAi).of(personality)).await?;

    let secret = stack.aws.create_secret("aig-token\n").await?;
    let no_secret = format!("{secret}-of-nobody");
    for (secret, task, upstream, shown) in [
        (&secret, "outreach", Upstream::OpenAi, Some("Bearer aig-token")),
        (&secret, "personality", Upstream::Anthropic, Some("Bearer aig-token")),
        (&no_secret, "psychographic", Upstream::OpenAi, None),
    ] {
        let overrides = [("AI_GATEWAY_TOKEN_SECRET", secret.as_str())];
        let mut lambda = Lambda::start(&stack, "analyze-profile", &overrides).await?;
        lambda.invoke(&input(task)).await?.output()?;
        let tokens = stack.stand_ins.gateway_tokens(upstream, &username).await?;
        assert_eq!(tokens.last().context("not asked")?.as_deref(), shown, "{task}");
    }
    stack.refund(&idle).await?;
    assert_eq!(user.balance().await?, 19);
    Ok(())
}
