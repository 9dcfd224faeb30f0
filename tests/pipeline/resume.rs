//! `cargo xtask resume`: an execution that ended without settling its run is gone on with, and nothing is paid twice.

use anyhow::{Context, Result};
use oslira_tests::{Lambda, Message, Stack, Upstream, User, eventually, xtask};
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
    stack.stop_execution(&run).await?;
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
    let mut consumer = Lambda::start(&stack, "refund-stopped-run", &[]).await?;
    let body = json!({"executionName": run.run_id}).to_string();
    let failed = consumer.work_off(&[Message { id: "late", body, receive_count: 1 }]).await?;
    assert_eq!(failed, [""; 0]);

    assert_eq!(user.finished(&run).await?["status"], "complete");
    assert_eq!(stack.stand_ins.actor_runs(&username).await?, 1, "actors");
    assert_eq!(stack.stand_ins.requests(Upstream::OpenAi, &username).await?, 1, "questions");
    assert_eq!(user.balance().await?, 9, "the balance");

    let shown = xtask(&["run", &run.run_id]).await?.map_err(anyhow::Error::msg)?;
    for execution in [" of analysis: ABORTED", "-2 of analysis: SUCCEEDED"] {
        assert!(shown.contains(execution), "{execution:?} is not in\n{shown}");
    }

    let refused = xtask(&["resume", &run.run_id]).await?.err().context("resumed a settled run")?;
    assert!(refused.contains("the run is complete"), "{refused}");
    let never = user.accept(&user.username("never")).await?;
    let refused = xtask(&["resume", &never.run_id]).await?.err().context("resumed what never was")?;
    assert!(refused.contains("has no execution"), "{refused}");
    stack.refund(&never).await?;
    Ok(())
}
