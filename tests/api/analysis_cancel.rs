//! `POST /api/analysis/{runId}/cancel`

use anyhow::{Context, Result};
use oslira_tests::{Lambda, Reply, Run, Stack, User, eventually};
use serde_json::{Value, json};

async fn cancel(user: &User<'_>, run: &Run) -> Result<Reply> {
    user.request(reqwest::Method::POST, &format!("/api/analysis/{}/cancel", run.run_id), &[], None).await
}

/// The run is cancelled, told so, and its credit is back, once.
async fn assert_cancelled(stack: &Stack, user: &User<'_>, run: &Run) -> Result<()> {
    let progress = user.finished(run).await?;
    assert_eq!(
        (&progress["status"], &progress["code"], &progress["currentStep"]),
        (&json!("cancelled"), &json!("RunCancelled"), &json!("Cancelled and refunded")),
        "{progress}"
    );
    let result = user.result(run).await?;
    assert_eq!((result.status, result.code()), (410, "RunCancelled"), "{}", result.body);
    assert_eq!(result.body["details"], json!({"reason": "RunCancelled", "creditsRefunded": 1}));
    let sql = "select kind, amount from public.credit_transactions where run_id = $1::text::uuid order by created_at";
    let moves = stack.database.rows(sql, &[&run.run_id]).await?;
    assert_eq!(json!(moves), json!([{"kind": "charge", "amount": -1}, {"kind": "refund", "amount": 1}]));
    assert_eq!(user.balance().await?, 10);
    let again = cancel(user, run).await?;
    assert_eq!((again.status, again.code()), (409, "AlreadyFinished"), "{}", again.body);
    assert_eq!(again.body["details"], json!({"status": "cancelled"}));
    Ok(())
}

/// How the tries of a run's tasks failed, in order of time.
async fn failures(stack: &Stack, run: &Run) -> Result<Vec<String>> {
    let history = stack.aws.history(&stack.description.state_machines["analysis"], &run.run_id).await?;
    let events = history["events"].as_array().context("no events")?;
    let failures = events.iter().filter(|event| event["type"] == "TaskFailed");
    let error = |event: &Value| event["taskFailedEventDetails"]["error"].as_str().map(str::to_owned);
    Ok(failures.filter_map(error).collect())
}

#[tokio::test]
async fn cancelling_while_the_scraper_is_at_work_aborts_it() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("cancelled");
    // Longer than any test waits: the run can only end by the abort.
    stack
        .stand_ins
        .fault(json!({"upstream": "apify", "match": username, "kind": "runSlow", "delayMs": 600_000}))
        .await?;
    let run = user.start(&username).await?;
    eventually("the actor", || async {
        Ok((stack.stand_ins.actor_runs(&username).await? == 1).then_some(()))
    })
    .await?;

    let reply = cancel(&user, &run).await?;
    assert_eq!(reply.status, 202, "{}", reply.body);
    let run_id = &run.run_id;
    assert_eq!(
        *reply.data(),
        json!({
            "runId": run_id,
            "status": "cancelling",
            "progressUrl": format!("/api/analysis/{run_id}/progress"),
            "resultUrl": format!("/api/analysis/{run_id}/result"),
        })
    );
    let progress = user.get(&format!("/api/analysis/{run_id}/progress")).await?;
    let step = progress.data()["currentStep"].as_str().context("no step")?;
    assert!(["Cancelling", "Cancelled and refunded"].contains(&step), "{step}");

    assert_cancelled(&stack, &user, &run).await?;
    let stand_ins = &stack.stand_ins;
    assert_eq!((stand_ins.actor_runs(&username).await?, stand_ins.aborted(&username).await?), (1, 1));
    assert_eq!(stand_ins.requests("openai", &username).await?, 0);
    // The very try that waited aborted it, not one that came after it had run out of time.
    assert_eq!(failures(&stack, &run).await?, ["RunCancelled"]);
    let slots = stack.slots().await?;
    assert!(!slots.iter().any(|slot| slot["holder"]["S"] == username.as_str()), "the slot is free again");
    let sql =
        "select outcome, cost_usd > 0 as is_paid from public.ai_usage_logs where run_id = $1::text::uuid";
    let calls = stack.database.rows(sql, &[&run.run_id]).await?;
    assert_eq!(json!(calls), json!([{"outcome": "aborted", "is_paid": true}]), "what it cost is on record");
    Ok(())
}

#[tokio::test]
async fn cancelling_while_a_model_thinks_lets_nothing_follow() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("thinking");
    let run = user.start_with_slow_model(&username).await?;
    for _ in 0..2 {
        let reply = cancel(&user, &run).await?;
        assert_eq!(reply.status, 202, "asking again changes nothing: {}", reply.body);
    }
    assert_cancelled(&stack, &user, &run).await?;
    let stand_ins = &stack.stand_ins;
    let asked =
        (stand_ins.requests("openai", &username).await?, stand_ins.requests("anthropic", &username).await?);
    assert_eq!(asked, (1, 0), "no model was asked after that");
    Ok(())
}

#[tokio::test]
async fn a_run_that_is_complete_stays_complete_and_charged() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let (run, _) = user.analyze(&user.username("done")).await?;
    // With its progress item and, once that has expired, without.
    for _ in 0..2 {
        let reply = cancel(&user, &run).await?;
        assert_eq!((reply.status, reply.code()), (409, "AlreadyFinished"), "{}", reply.body);
        assert_eq!(reply.body["details"], json!({"status": "complete"}));
        stack
            .aws
            .delete_item(&stack.description.tables["run-progress"], json!({"runId": {"S": run.run_id}}))
            .await?;
    }
    assert_eq!((user.result(&run).await?.status, user.balance().await?), (200, 9));
    Ok(())
}

#[tokio::test]
async fn another_tenants_run_cannot_be_cancelled() -> Result<()> {
    let stack = Stack::connect().await?;
    let (user, stranger) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let run = user.start(&user.username("mine")).await?;
    let path = format!("/api/analysis/{}/cancel", run.run_id);
    for headers in [vec![], vec![("x-account-id", user.account_id.as_str())]] {
        let reply = stranger.request(reqwest::Method::POST, &path, &headers, None).await?;
        assert_eq!((reply.status, reply.code()), (404, "RunNotFound"), "{}", reply.body);
    }
    for id in ["1", "00000000-0000-7000-8000-000000000000"] {
        let run = Run { run_id: id.to_owned(), username: String::new() };
        assert_eq!(cancel(&user, &run).await?.code(), "RunNotFound", "{id}");
    }
    assert_eq!(user.finished(&run).await?["status"], "complete", "nobody stopped it");
    Ok(())
}

#[tokio::test]
async fn a_wish_that_comes_before_the_run_has_begun_is_not_lost() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    // Charged, with neither an execution nor a progress item yet.
    let run = user.accept(&user.username("early"), "0 minutes").await?;
    assert_eq!(cancel(&user, &run).await?.status, 202);
    stack.start_execution(&user, &run).await?;
    assert_cancelled(&stack, &user, &run).await?;
    assert_eq!(stack.stand_ins.actor_runs(&run.username).await?, 0);
    Ok(())
}

#[tokio::test]
async fn cancelling_a_deep_run_aborts_both_its_actors() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("deepcancel");
    let slow = json!({"upstream": "apify", "match": username, "kind": "runSlow", "delayMs": 600_000});
    stack.stand_ins.fault(slow).await?;
    let run = user.start_tier("deep", &username).await?;
    eventually("both actors", || async {
        Ok((stack.stand_ins.actor_runs(&username).await? == 2).then_some(()))
    })
    .await?;
    assert_eq!(cancel(&user, &run).await?.status, 202);
    assert_eq!(user.finished(&run).await?["status"], "cancelled");
    assert_eq!(user.balance().await?, 10);
    let stand_ins = &stack.stand_ins;
    assert_eq!((stand_ins.actor_runs(&username).await?, stand_ins.aborted(&username).await?), (2, 2));
    let slots = stack.slots().await?;
    let is_its = |holder: &str| holder == username || holder == format!("{username}:posts");
    assert!(
        !slots.iter().any(|slot| slot["holder"]["S"].as_str().is_some_and(is_its)),
        "both slots are free"
    );
    assert_eq!(failures(&stack, &run).await?, ["RunCancelled", "RunCancelled"], "by the tries that waited");
    Ok(())
}

/// A message that an execution has ended, to `refund-stopped-run`: the failures it reports.
async fn stopped(stack: &Stack, run: &Run) -> Result<Value> {
    let body = json!({"executionName": run.run_id}).to_string();
    let record = json!({"messageId": "m-1", "body": body, "attributes": {}, "eventSource": "aws:sqs"});
    let mut consumer = Lambda::start(stack, "refund-stopped-run", &[]).await?;
    let answer = consumer.invoke(&json!({"Records": [record]})).await?.outcome.map_err(anyhow::Error::msg)?;
    Ok(answer["batchItemFailures"].clone())
}

#[tokio::test]
async fn a_cancelled_run_is_shown_as_that_whatever_else_ends_it() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let failed = user.accept(&user.username("failed"), "0 minutes").await?;
    assert_eq!(cancel(&user, &failed).await?.status, 202);
    assert_eq!(stack.refund(&failed).await?, json!({"status": "cancelled", "refundedNow": true}));
    assert_cancelled(&stack, &user, &failed).await?;

    let halted = user.accept(&user.username("halted"), "0 minutes").await?;
    assert_eq!(cancel(&user, &halted).await?.status, 202);
    assert_eq!(stopped(&stack, &halted).await?, json!([]));
    assert_cancelled(&stack, &user, &halted).await?;

    // The refund waits for nobody who knows of the wish.
    let unknown = user.accept(&user.username("unknown"), "0 minutes").await?;
    assert_eq!(cancel(&user, &unknown).await?.status, 202);
    let nowhere = [("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:9")];
    let mut lambda = Lambda::start(&stack, "refund-run", &nowhere).await?;
    let error = json!({"executionName": unknown.run_id, "error": {"Error": "States.Timeout", "Cause": ""}});
    let refunded = lambda.invoke(&error).await?.outcome.map_err(anyhow::Error::msg)?;
    assert_eq!((refunded, user.balance().await?), (json!({"status": "failed", "refundedNow": true}), 10));
    Ok(())
}

#[tokio::test]
async fn a_message_that_an_execution_ended_is_put_off_while_it_is_at_work_again() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("redriven");
    let slow = json!({"upstream": "apify", "match": username, "kind": "runSlow", "delayMs": 600_000});
    stack.stand_ins.fault(slow).await?;
    let run = user.start(&username).await?;
    eventually("the actor", || async {
        Ok((stack.stand_ins.actor_runs(&username).await? == 1).then_some(()))
    })
    .await?;
    assert_eq!(stopped(&stack, &run).await?, json!([{"itemIdentifier": "m-1"}]));
    stack.stand_ins.release(&username).await?;
    assert_eq!(user.finished(&run).await?["status"], "complete");
    assert_eq!((stopped(&stack, &run).await?, user.balance().await?), (json!([]), 9));
    Ok(())
}
