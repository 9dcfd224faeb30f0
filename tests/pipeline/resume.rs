//! `cargo xtask resume`: an execution that ended without settling its run is gone on with, and nothing is paid twice.

use anyhow::{Context, Result};
use oslira_tests::{Stack, User, eventually, xtask};
use serde_json::json;

#[tokio::test]
async fn a_resumed_run_finds_what_was_paid_for() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("resumed");
    let run = user.start_with_slow_model(&username).await?;
    let refused = xtask(&["resume", &run.run_id]).await?.err().context("resumed a run that is at work")?;
    assert!(refused.contains("at work"), "{refused}");

    // An operator stops it while a model thinks, and the database cannot be reached when it should be settled.
    let unsettleable = stack.refuse_failure_of(&run).await?;
    stack.aws.stop_execution(&stack.description.state_machines["analysis"], &run.run_id).await?;
    unsettleable.tried().await?;
    // The Lambda outlives its execution, and keeps the answer that was paid for.
    eventually("the answer", || async {
        let sql = "select task from oslira.task_answers where run_id = $1::text::uuid";
        Ok(stack.database.rows(sql, &[&run.run_id]).await?.pop())
    })
    .await?;

    let started = xtask(&["resume", &run.run_id]).await?.map_err(anyhow::Error::msg)?;
    assert_eq!(started.trim(), format!("started the execution {}-2", run.run_id));
    unsettleable.allow().await?;
    // The message about the first one comes again: the second is in charge now.
    let mut consumer = oslira_tests::Lambda::start(&stack, "refund-stopped-run", &[]).await?;
    let body = json!({"executionName": run.run_id}).to_string();
    let record = json!({"messageId": "late", "body": body, "attributes": {}, "eventSource": "aws:sqs"});
    let answer = consumer.invoke(&json!({"Records": [record]})).await?.outcome.map_err(anyhow::Error::msg)?;
    assert_eq!(answer["batchItemFailures"], json!([]));

    assert_eq!(user.finished(&run).await?["status"], "complete");
    let stand_ins = &stack.stand_ins;
    let paid = (stand_ins.actor_runs(&username).await?, stand_ins.requests("openai", &username).await?);
    assert_eq!((paid, user.balance().await?), ((1, 1), 9));

    let shown = xtask(&["run", &run.run_id]).await?.map_err(anyhow::Error::msg)?;
    for execution in [" of analysis: ABORTED", "-2 of analysis: SUCCEEDED"] {
        assert!(shown.contains(execution), "{execution:?} is not in\n{shown}");
    }

    let refused = xtask(&["resume", &run.run_id]).await?.err().context("resumed a settled run")?;
    assert!(refused.contains("the run is complete"), "{refused}");
    let never = user.accept(&user.username("never"), "0 minutes").await?;
    let refused = xtask(&["resume", &never.run_id]).await?.err().context("resumed what never was")?;
    assert!(refused.contains("has no execution"), "{refused}");
    stack.refund(&never).await?;
    Ok(())
}
