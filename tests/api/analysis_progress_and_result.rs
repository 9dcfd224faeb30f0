//! `GET /api/analysis/{runId}/progress` and `…/result`

use anyhow::Result;
use oslira_domain::Tier;
use oslira_tests::{DynamoDbProxy, Fault, Lambda, Stack, Upstream, User, paths, refused};
use serde_json::Value;
use std::time::Duration;

#[tokio::test]
async fn another_tenants_run_does_not_exist() -> Result<()> {
    let stack = Stack::connect().await?;
    let (user, stranger) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let run = user.start(&user.username("mine")).await?;
    let account = [("x-account-id", user.account_id.as_str())];
    for path in [paths::progress(&run.run_id), paths::result(&run.run_id)] {
        let reply = stranger.get(&path).await?;
        assert_eq!(reply.refusal(), refused(404, "RunNotFound"), "{}", reply.body);
        // Naming the owner's account does not help: the database knows who is in it.
        let reply = stranger.request(reqwest::Method::GET, &path, &account, None).await?;
        assert_eq!(reply.refusal(), refused(404, "RunNotFound"), "{}", reply.body);
    }
    for id in ["1", "00000000-0000-7000-8000-000000000000", "%27%3B--"] {
        let reply = user.get(&paths::progress(id)).await?;
        assert_eq!(reply.refusal(), refused(404, "RunNotFound"), "{id}: {}", reply.body);
    }
    user.finished(&run).await?;
    Ok(())
}

#[tokio::test]
async fn a_result_is_not_ready_before_the_run_is_complete() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("slow");
    stack
        .stand_ins
        .fault(Fault::slow(Upstream::Apify, Duration::from_secs(2)).of(&username).times(1))
        .await?;
    let run = user.start(&username).await?;
    let early = user.result(&run).await?;
    assert_eq!(early.refusal(), refused(409, "NotReady"), "{}", early.body);
    assert_eq!(user.finished(&run).await?["status"], "complete");
    assert_eq!(user.result(&run).await?.status, 200);
    Ok(())
}

/// The names of all fields in a document, at any depth.
fn fields(document: &Value) -> Vec<&str> {
    match document {
        Value::Object(fields_here) => fields_here
            .iter()
            .flat_map(|(name, value)| std::iter::once(name.as_str()).chain(fields(value)))
            .collect(),
        Value::Array(items) => items.iter().flat_map(fields).collect(),
        _ => Vec::new(),
    }
}

#[tokio::test]
async fn a_result_does_not_tell_what_it_cost_us() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let (run, _) = user.analyze_tier(Tier::Deep, &user.username("costly")).await?;
    assert!(stack.calls(&run).await?.len() >= 5, "what it cost is kept");
    let reply = user.result(&run).await?;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let ours = ["cost", "calls", "margin", "usd", "token", "provider", "model"];
    for field in fields(reply.data()) {
        let is_ours = ours.iter().any(|word| field.to_lowercase().contains(word));
        assert!(!is_ours, "{field} is our business: {}", reply.body);
    }
    Ok(())
}

#[tokio::test]
async fn progress_outlives_its_item() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let (run, last) = user.analyze(&user.username("expired")).await?;
    assert_eq!(last["status"], "complete", "status");
    assert_eq!(last["progress"], 100, "progress");
    stack.forget_progress(&run).await?;
    let after = user.finished(&run).await?;
    assert_eq!(after, last, "Postgres answers when the item is gone");
    Ok(())
}

#[tokio::test]
async fn a_run_that_ends_while_it_is_asked_about_is_shown_as_ended() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let run = user.accept(&user.username("ending")).await?;
    let dynamodb = DynamoDbProxy::start(&stack).await?;
    let url = [("AWS_ENDPOINT_URL_DYNAMODB", dynamodb.url.as_str())];
    let mut lambda = Lambda::start(&stack, "get-analysis-progress", &url).await?;
    let mut item = dynamodb.hold("GetItem");
    lambda.send(&user.get_event(paths::PROGRESS, &[("runId", &run.run_id)]))?;
    item.reached().await?;
    // Postgres was asked at the same time, and said that the run is pending.
    stack.refund(&run).await?;
    item.let_go();
    let reply = lambda.answered().await?.http()?;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.data()["status"], "failed", "{}", reply.body);
    Ok(())
}

#[tokio::test]
async fn progress_never_goes_back() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let run = user.start(&user.username("forward")).await?;
    let mut seen = Vec::new();
    loop {
        let reply = user.get(&paths::progress(&run.run_id)).await?;
        let (status, percent) = (reply.data()["status"].clone(), reply.data()["progress"].as_u64());
        seen.push(percent);
        if status == "complete" {
            break;
        }
        assert_ne!(status, "failed", "{}", reply.body);
    }
    assert!(seen.is_sorted(), "{seen:?}");
    assert_eq!(seen.last(), Some(&Some(100)));
    Ok(())
}
