//! What users see when a store of ours is out of reach: 503 with `Retry-After`, and nothing lost.

use anyhow::Result;
use oslira_tests::{Lambda, Stack, User, eventually};
use serde_json::{Value, json};

const NOWHERE: &str = "http://127.0.0.1:9";

#[tokio::test]
async fn without_secrets_a_read_is_503() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let mut lambda = Lambda::start(&stack, "get-credit-balance", &[("AWS_ENDPOINT_URL", NOWHERE)]).await?;
    let answer =
        lambda.invoke(&user.event("GET", "/api/credits/balance", &Value::Null, &Value::Null)).await?;
    let (status, body) = answer.http()?;
    assert_eq!((status, &body["code"]), (503, &json!("StoreUnavailable")), "{body}");
    let response = answer.outcome.map_err(anyhow::Error::msg)?;
    assert_eq!(response["multiValueHeaders"]["retry-after"], json!(["5"]), "{response}");
    Ok(())
}

/// The ARN of a secret of the test's own: a database that refuses connections.
async fn closed_database(stack: &Stack) -> Result<String> {
    stack.aws.create_secret("postgresql://oslira_user:x@127.0.0.1:9/postgres?sslmode=require").await
}

#[tokio::test]
async fn without_postgres_every_signed_in_route_is_503_and_a_start_costs_nothing() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let secret = closed_database(&stack).await?;
    let closed = [("USER_DATABASE_SECRET", secret.as_str())];
    let run = json!({"runId": user.account_id});
    let body = user.analysis_of("nasa");
    for (name, method, path, parameters, body) in [
        ("get-credit-balance", "GET", "/api/credits/balance", &Value::Null, &Value::Null),
        ("verify-token", "GET", "/api/auth/verify", &Value::Null, &Value::Null),
        ("get-analysis-progress", "GET", "/api/analysis/x/progress", &run, &Value::Null),
        ("get-analysis-result", "GET", "/api/analysis/x/result", &run, &Value::Null),
        ("start-analysis", "POST", "/api/leads/analyze", &Value::Null, &body),
    ] {
        let mut lambda = Lambda::start(&stack, name, &closed).await?;
        let (status, body) = lambda.invoke(&user.event(method, path, parameters, body)).await?.http()?;
        assert_eq!((status, &body["code"]), (503, &json!("StoreUnavailable")), "{name}: {body}");
    }
    let mut lambda = Lambda::start(&stack, "check-health", &closed).await?;
    let (status, body) =
        lambda.invoke(&user.event("GET", "/health", &Value::Null, &Value::Null)).await?.http()?;
    assert_eq!((status, &body["data"]["dependencies"]["postgres"]), (503, &json!("down")), "{body}");
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
    let good = stack.secret("USER_DATABASE_SECRET").await?;
    let (head, tail) = good.split_once('@').unwrap_or_default();
    let (scheme, _) = head.rsplit_once(':').unwrap_or_default();
    let secret = stack.aws.create_secret(&format!("{scheme}:wrong@{tail}")).await?;
    let mut lambda =
        Lambda::start(&stack, "get-credit-balance", &[("USER_DATABASE_SECRET", &secret)]).await?;
    let event = user.event("GET", "/api/credits/balance", &Value::Null, &Value::Null);
    assert_eq!(lambda.invoke(&event).await?.http()?.0, 503);
    stack.aws.put_secret(&secret, &good).await?;
    assert_eq!(lambda.invoke(&event).await?.http()?.0, 200);
    Ok(())
}

#[tokio::test]
async fn the_end_of_a_run_is_known_without_dynamodb_and_its_middle_is_not_guessed() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let (run, _) = user.analyze(&user.username("nodynamo")).await?;
    let mut lambda =
        Lambda::start(&stack, "get-analysis-progress", &[("AWS_ENDPOINT_URL_DYNAMODB", NOWHERE)]).await?;
    let event = user.event("GET", "/api/analysis/x/progress", &json!({"runId": run.run_id}), &Value::Null);
    let (status, body) = lambda.invoke(&event).await?.http()?;
    assert_eq!((status, &body["data"]["status"]), (200, &json!("complete")), "{body}");

    let username = user.username("slownodynamo");
    let fault = json!({"upstream": "apify", "match": username, "kind": "slow", "delayMs": 1_500, "times": 1});
    stack.stand_ins.fault(fault).await?;
    let run = user.start(&username).await?;
    let event = user.event("GET", "/api/analysis/x/progress", &json!({"runId": run.run_id}), &Value::Null);
    let (status, body) = lambda.invoke(&event).await?.http()?;
    assert_eq!(status, 503, "a bar that fell back to the start would be a lie: {body}");
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
    let answer = lambda.invoke(&user.event("POST", "/api/leads/analyze", &Value::Null, &body)).await?;
    let (status, body) = answer.http()?;
    assert_eq!((status, &body["code"]), (503, &json!("StoreUnavailable")), "{body}");
    let sql = "select count(*) as n from public.runs where account_id = $1::text::uuid";
    assert_eq!(stack.database.row(sql, &[&user.account_id]).await?["n"], 0);
    assert_eq!(user.balance().await?, 10);
    Ok(())
}

#[tokio::test]
async fn a_run_whose_execution_cannot_be_started_is_started_by_the_queue() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("queued");
    let mut lambda = Lambda::start(&stack, "start-analysis", &[("AWS_ENDPOINT_URL_SFN", NOWHERE)]).await?;
    let event = user.event("POST", "/api/leads/analyze", &Value::Null, &user.analysis_of(&username));
    let (status, body) = lambda.invoke(&event).await?.http()?;
    assert_eq!(status, 202, "{body}");
    let run =
        oslira_tests::Run { run_id: body["data"]["runId"].as_str().unwrap_or_default().to_owned(), username };
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
    let event = user.event("POST", "/api/leads/analyze", &Value::Null, &body);
    let (status, body) = lambda.invoke(&event).await?.http()?;
    assert_eq!((status, user.balance().await?), (202, 9), "{body}");
    let run_id = body["data"]["runId"].as_str().unwrap_or_default().to_owned();

    let mut consumer = Lambda::start(&stack, "start-queued-run", &nowhere).await?;
    for receive_count in 1..=5 {
        let record = json!({
            "messageId": "m-1",
            "body": json!({"runId": run_id}).to_string(),
            "attributes": {"ApproximateReceiveCount": receive_count.to_string()},
            "eventSource": "aws:sqs",
        });
        let answer =
            consumer.invoke(&json!({"Records": [record]})).await?.outcome.map_err(anyhow::Error::msg)?;
        let failed = answer["batchItemFailures"].as_array().map_or(0, Vec::len);
        assert_eq!(failed, usize::from(receive_count < 5), "try {receive_count}: {answer}");
    }
    let progress = eventually("the refund", || async {
        let reply = user.get(&format!("/api/analysis/{run_id}/progress")).await?;
        Ok((reply.data()["status"] == "failed").then(|| reply.data().clone()))
    })
    .await?;
    assert_eq!(progress["code"], "StartFailed");
    assert_eq!(user.balance().await?, 10);
    Ok(())
}
