//! `POST /api/analysis/{runId}/cancel`

use anyhow::{Context, Result};
use oslira_domain::Tier;
use oslira_tests::{Ending, Fault, Lambda, Message, NOWHERE, Run, Stack, Upstream, User, paths, refused};
use serde_json::{Value, json};

/// The run is cancelled, told so, and its credit is back, once.
async fn assert_cancelled(stack: &Stack, user: &User<'_>, run: &Run) -> Result<()> {
    let progress = user.finished(run).await?;
    assert_eq!(Ending::of(&progress), Ending::cancelled(), "{progress}");
    assert_eq!(progress["currentStep"], "Cancelled and refunded", "{progress}");
    let result = user.result(run).await?;
    assert_eq!(result.refusal(), refused(410, "RunCancelled"), "{}", result.body);
    assert_eq!(result.body["details"], json!({"reason": "RunCancelled", "creditsRefunded": 1}));
    assert_eq!(
        stack.moves(run).await?,
        [json!({"kind": "charge", "amount": -1}), json!({"kind": "refund", "amount": 1})]
    );
    assert_eq!(user.balance().await?, 10);
    let again = user.cancel(run).await?;
    assert_eq!(again.refusal(), refused(409, "AlreadyFinished"), "{}", again.body);
    assert_eq!(again.body["details"], json!({"status": "cancelled"}));
    Ok(())
}

/// How the tries of a run's tasks failed, in order of time.
async fn failures(stack: &Stack, run: &Run) -> Result<Vec<String>> {
    let history = stack.history(run).await?;
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
    stack.stand_ins.fault(Fault::held_actor().of(&username)).await?;
    let run = user.start(&username).await?;
    stack.actors_started(&username, 1).await?;

    let reply = user.cancel(&run).await?;
    assert_eq!(reply.status, 202, "{}", reply.body);
    let run_id = &run.run_id;
    assert_eq!(
        *reply.data(),
        json!({
            "runId": run_id,
            "status": "cancelling",
            "progressUrl": paths::progress(run_id),
            "resultUrl": paths::result(run_id),
        })
    );
    let progress = user.get(&paths::progress(run_id)).await?;
    let step = progress.data()["currentStep"].as_str().context("no step")?;
    assert!(["Cancelling", "Cancelled and refunded"].contains(&step), "{step}");

    assert_cancelled(&stack, &user, &run).await?;
    let stand_ins = &stack.stand_ins;
    assert_eq!(stand_ins.actor_runs(&username).await?, 1, "actors");
    assert_eq!(stand_ins.aborted(&username).await?, 1, "aborted actors");
    assert_eq!(stand_ins.requests(Upstream::OpenAi, &username).await?, 0);
    // The very try that waited aborted it, not one that came after it had run out of time.
    assert_eq!(failures(&stack, &run).await?, ["RunCancelled"]);
    assert_eq!(stack.slots_of(&username).await?, 0, "the slot is free again");
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
        let reply = user.cancel(&run).await?;
        assert_eq!(reply.status, 202, "asking again changes nothing: {}", reply.body);
    }
    assert_cancelled(&stack, &user, &run).await?;
    let stand_ins = &stack.stand_ins;
    let asked = stand_ins.requests(Upstream::OpenAi, &username).await?;
    assert_eq!(asked, 1, "OpenAI was asked after that");
    let asked = stand_ins.requests(Upstream::Anthropic, &username).await?;
    assert_eq!(asked, 0, "Anthropic was asked after that");
    Ok(())
}

#[tokio::test]
async fn a_run_that_is_complete_stays_complete_and_charged() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let (run, _) = user.analyze(&user.username("done")).await?;
    // With its progress item and, once that has expired, without.
    for _ in 0..2 {
        let reply = user.cancel(&run).await?;
        assert_eq!(reply.refusal(), refused(409, "AlreadyFinished"), "{}", reply.body);
        assert_eq!(reply.body["details"], json!({"status": "complete"}));
        stack.forget_progress(&run).await?;
    }
    assert_eq!(user.result(&run).await?.status, 200, "the status");
    assert_eq!(user.balance().await?, 9, "the balance");
    Ok(())
}

#[tokio::test]
async fn another_tenants_run_cannot_be_cancelled() -> Result<()> {
    let stack = Stack::connect().await?;
    let (user, stranger) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let run = user.start(&user.username("mine")).await?;
    let path = paths::cancel(&run.run_id);
    for headers in [vec![], vec![("x-account-id", user.account_id.as_str())]] {
        let reply = stranger.request(reqwest::Method::POST, &path, &headers, None).await?;
        assert_eq!(reply.refusal(), refused(404, "RunNotFound"), "{}", reply.body);
    }
    for id in ["1", "00000000-0000-7000-8000-000000000000"] {
        let run = Run { run_id: id.to_owned(), username: String::new() };
        assert_eq!(user.cancel(&run).await?.code(), "RunNotFound", "{id}");
    }
    assert_eq!(user.finished(&run).await?["status"], "complete", "nobody stopped it");
    Ok(())
}

#[tokio::test]
async fn a_wish_that_comes_before_the_run_has_begun_is_not_lost() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    // Charged, with neither an execution nor a progress item yet.
    let run = user.accept(&user.username("early")).await?;
    assert_eq!(user.cancel(&run).await?.status, 202);
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
    let slow = Fault::held_actor().of(&username);
    stack.stand_ins.fault(slow).await?;
    let run = user.start_tier(Tier::Deep, &username).await?;
    stack.actors_started(&username, 2).await?;
    assert_eq!(user.cancel(&run).await?.status, 202);
    assert_eq!(user.finished(&run).await?["status"], "cancelled");
    assert_eq!(user.balance().await?, 10);
    assert_eq!(stack.stand_ins.actor_runs(&username).await?, 2, "actors");
    assert_eq!(stack.stand_ins.aborted(&username).await?, 2, "aborted actors");
    for wanted in [username.clone(), format!("{username}:posts")] {
        assert_eq!(stack.slots_of(&wanted).await?, 0, "the slot of {wanted} is free");
    }
    assert_eq!(failures(&stack, &run).await?, ["RunCancelled", "RunCancelled"], "by the tries that waited");
    Ok(())
}

/// A message that an execution has ended, to `refund-stopped-run`: the ids of those that it reports as failed.
async fn stopped(stack: &Stack, run: &Run) -> Result<Vec<String>> {
    let body = json!({"executionName": run.run_id}).to_string();
    let mut consumer = Lambda::start(stack, "refund-stopped-run", &[]).await?;
    consumer.work_off(&[Message { id: "m-1", body, receive_count: 1 }]).await
}

#[tokio::test]
async fn a_cancelled_run_is_shown_as_that_whatever_else_ends_it() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let failed = user.accept(&user.username("failed")).await?;
    assert_eq!(user.cancel(&failed).await?.status, 202);
    assert_eq!(stack.refund(&failed).await?, json!({"status": "cancelled", "refundedNow": true}));
    assert_cancelled(&stack, &user, &failed).await?;

    let halted = user.accept(&user.username("halted")).await?;
    assert_eq!(user.cancel(&halted).await?.status, 202);
    assert_eq!(stopped(&stack, &halted).await?, [""; 0]);
    assert_cancelled(&stack, &user, &halted).await?;

    // The refund waits for nobody who knows of the wish.
    let unknown = user.accept(&user.username("unknown")).await?;
    assert_eq!(user.cancel(&unknown).await?.status, 202);
    let nowhere = [("AWS_ENDPOINT_URL_DYNAMODB", NOWHERE)];
    let mut lambda = Lambda::start(&stack, "refund-run", &nowhere).await?;
    let error = unknown.failure();
    let refunded = lambda.invoke(&error).await?.output()?;
    assert_eq!(refunded, json!({"status": "failed", "refundedNow": true}), "refunded");
    assert_eq!(user.balance().await?, 10, "the balance");
    Ok(())
}

#[tokio::test]
async fn a_message_that_an_execution_ended_is_put_off_while_it_is_at_work_again() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("redriven");
    let slow = Fault::held_actor().of(&username);
    stack.stand_ins.fault(slow).await?;
    let run = user.start(&username).await?;
    stack.actors_started(&username, 1).await?;
    assert_eq!(stopped(&stack, &run).await?, ["m-1"]);
    stack.stand_ins.release(&username).await?;
    assert_eq!(user.finished(&run).await?["status"], "complete");
    assert_eq!(stopped(&stack, &run).await?, [""; 0]);
    assert_eq!(user.balance().await?, 9, "the balance");
    Ok(())
}
