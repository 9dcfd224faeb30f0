//! What users see when a store of ours is out of reach: 503 with `Retry-After`, and nothing lost.

use anyhow::Result;
use oslira_lambda::Secret;
use oslira_tests::{Fault, Lambda, Message, NOWHERE, Run, Stack, Upstream, User, eventually, paths, refused};
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn without_secrets_a_read_is_503() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let mut lambda = Lambda::start(&stack, "get-credit-balance", &[("AWS_ENDPOINT_URL", NOWHERE)]).await?;
    let reply = lambda.invoke(&user.get_event(paths::CREDITS_BALANCE, &[])).await?.http()?;
    assert_eq!(reply.refusal(), refused(503, "StoreUnavailable"), "{}", reply.body);
    assert_eq!(reply.header("retry-after"), "5");
    Ok(())
}

#[tokio::test]
async fn without_postgres_every_signed_in_route_is_503_and_a_start_costs_nothing() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let secret = stack.closed_database().await?;
    let closed = [("USER_DATABASE_SECRET", secret.as_str())];
    let run = [("runId", user.account_id.as_str())];
    let lead = [("leadId", user.account_id.as_str())];
    for (name, event) in [
        ("get-credit-balance", user.get_event(paths::CREDITS_BALANCE, &[])),
        ("verify-token", user.get_event(paths::AUTH_VERIFY, &[])),
        ("get-analysis-progress", user.get_event(paths::PROGRESS, &run)),
        ("get-analysis-result", user.get_event(paths::RESULT, &run)),
        ("get-refresh-check", user.get_event(paths::REFRESH_CHECK, &lead)),
        ("start-refresh-check", user.event("POST", paths::REFRESH_CHECK, &lead, None)),
        ("force-refresh", user.event("POST", paths::FORCE_REFRESH, &lead, None)),
        ("start-analysis", user.post_event(paths::ANALYZE, &user.analysis_of("nasa"))),
    ] {
        let mut lambda = Lambda::start(&stack, name, &closed).await?;
        let reply = lambda.invoke(&event).await?.http()?;
        assert_eq!(reply.refusal(), refused(503, "StoreUnavailable"), "{name}: {}", reply.body);
    }
    let mut lambda = Lambda::start(&stack, "check-health", &closed).await?;
    let reply = lambda.invoke(&user.get_event(paths::HEALTH, &[])).await?.http()?;
    assert_eq!(reply.status, 503, "{}", reply.body);
    assert_eq!(reply.data()["dependencies"]["postgres"], "down", "{}", reply.body);
    let mut lambda = Lambda::start(&stack, "authorize-request", &closed).await?;
    let token = format!("Bearer {}", user.token);
    let event = json!({"type": "TOKEN", "authorizationToken": token, "methodArn": "arn:aws:execute-api:r:1:a/v1/GET/api/x"});
    let error = lambda.invoke(&event).await?.outcome.unwrap_err();
    // Not the one word that API Gateway takes for 401: the template makes a 503 of any other.
    assert_eq!(error["errorType"], "StoreUnavailable");
    assert_eq!(user.balance().await?, 10);
    Ok(())
}

#[tokio::test]
async fn a_changed_database_password_is_taken_up_at_once() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let good = stack.secret(Secret::UserDatabase).await?;
    let (head, tail) = good.split_once('@').unwrap_or_default();
    let (scheme, _) = head.rsplit_once(':').unwrap_or_default();
    let secret = stack.aws.create_secret(&format!("{scheme}:wrong@{tail}")).await?;
    let mut lambda =
        Lambda::start(&stack, "get-credit-balance", &[("USER_DATABASE_SECRET", &secret)]).await?;
    let event = user.get_event(paths::CREDITS_BALANCE, &[]);
    assert_eq!(lambda.invoke(&event).await?.http()?.status, 503);
    stack.aws.put_secret(&secret, &good).await?;
    assert_eq!(lambda.invoke(&event).await?.http()?.status, 200);
    Ok(())
}

#[tokio::test]
async fn the_end_of_a_run_is_known_without_dynamodb_and_its_middle_is_not_guessed() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let (run, _) = user.analyze(&user.username("nodynamo")).await?;
    let mut lambda =
        Lambda::start(&stack, "get-analysis-progress", &[("AWS_ENDPOINT_URL_DYNAMODB", NOWHERE)]).await?;
    let event = user.get_event(paths::PROGRESS, &[("runId", &run.run_id)]);
    let reply = lambda.invoke(&event).await?.http()?;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.data()["status"], "complete", "{}", reply.body);

    let username = user.username("slownodynamo");
    let fault = Fault::slow(Upstream::Apify, Duration::from_millis(1_500)).of(&username).times(1);
    stack.stand_ins.fault(fault).await?;
    let run = user.start(&username).await?;
    let event = user.get_event(paths::PROGRESS, &[("runId", &run.run_id)]);
    let reply = lambda.invoke(&event).await?.http()?;
    assert_eq!(reply.status, 503, "a bar that fell back to the start would be a lie: {}", reply.body);
    user.finished(&run).await?;
    Ok(())
}

#[tokio::test]
async fn without_dynamodb_a_start_is_refused_before_it_costs_anything() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let mut lambda =
        Lambda::start(&stack, "start-analysis", &[("AWS_ENDPOINT_URL_DYNAMODB", NOWHERE)]).await?;
    let body = user.analysis_of(&user.username("nodynamo"));
    let reply = lambda.invoke(&user.post_event(paths::ANALYZE, &body)).await?.http()?;
    assert_eq!(reply.refusal(), refused(503, "StoreUnavailable"), "{}", reply.body);
    assert_eq!(stack.run_count(&user.account_id).await?, 0);
    assert_eq!(user.balance().await?, 10);
    Ok(())
}

#[tokio::test]
async fn a_run_whose_execution_cannot_be_started_is_started_by_the_queue() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("queued");
    let mut lambda = Lambda::start(&stack, "start-analysis", &[("AWS_ENDPOINT_URL_SFN", NOWHERE)]).await?;
    let event = user.post_event(paths::ANALYZE, &user.analysis_of(&username));
    let reply = lambda.invoke(&event).await?.http()?;
    assert_eq!(reply.status, 202, "{}", reply.body);
    let run = Run { run_id: reply.run_id()?.to_owned(), username };
    assert_eq!(user.finished(&run).await?["status"], "complete");
    assert_eq!(user.balance().await?, 9);
    Ok(())
}

#[tokio::test]
async fn a_run_that_can_never_be_started_is_refunded_at_the_fifth_try() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    // Neither the state machine nor the queue can be reached: the charge stands, the answer is still 202.
    let nowhere = [("AWS_ENDPOINT_URL_SFN", NOWHERE), ("AWS_ENDPOINT_URL_SQS", NOWHERE)];
    let mut lambda = Lambda::start(&stack, "start-analysis", &nowhere).await?;
    let body = user.analysis_of(&user.username("never"));
    let event = user.post_event(paths::ANALYZE, &body);
    let reply = lambda.invoke(&event).await?.http()?;
    assert_eq!(reply.status, 202, "{}", reply.body);
    assert_eq!(user.balance().await?, 9, "the charge stands");
    let run_id = reply.run_id()?;

    let mut consumer = Lambda::start(&stack, "start-queued-run", &nowhere).await?;
    for receive_count in 1..=5 {
        let body = json!({"runId": run_id}).to_string();
        let failed = consumer.work_off(&[Message { id: "m-1", body, receive_count }]).await?;
        assert_eq!(failed.len(), usize::from(receive_count < 5), "try {receive_count}");
    }
    let progress = eventually("the refund", || async {
        let reply = user.get(&paths::progress(run_id)).await?;
        Ok((reply.data()["status"] == "failed").then(|| reply.data().clone()))
    })
    .await?;
    assert_eq!(progress["code"], "StartFailed");
    assert_eq!(user.balance().await?, 10);
    Ok(())
}
