//! Whatever is killed, and wherever: the run ends settled, and its ledger is right.

use anyhow::{Context, Result};
use oslira_tests::{Lambda, Run, Stack, Upstream, User, eventually};
use serde_json::{Value, json};

/// Waits until the run is settled; it is charged when complete, and else refunded, once.
async fn assert_settled(stack: &Stack, user: &User<'_>, run: &Run) -> Result<String> {
    let status = eventually("the run to be settled", || async {
        Ok(Some(stack.status(run).await?).filter(|status| status != "pending"))
    })
    .await?;
    let (wanted, balance) = match status.as_str() {
        "complete" => (vec![-1], 9),
        _ => (vec![-1, 1], 10),
    };
    assert_eq!(stack.ledger(run).await?, wanted, "the ledger: {status}");
    assert_eq!(user.balance().await?, balance, "the balance: {status}");
    let result = user.result(run).await?;
    assert_eq!(result.status, if status == "complete" { 200 } else { 410 }, "{}", result.body);
    Ok(status)
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "the spread shows that stops came everywhere")]
async fn an_execution_stopped_at_any_event_leaves_a_settled_run() -> Result<()> {
    let stack = Stack::connect().await?;
    let machine = &stack.description.state_machines["analysis"];
    let (mut complete, mut refunded) = (0, 0);
    for events in (1..=41).step_by(4) {
        let user = User::sign_up(&stack, 10).await?;
        let run = user.start(&user.username("stop")).await?;
        eventually("so many events", || async {
            let history = stack.aws.history(machine, &run.run_id).await?;
            let seen = history["events"].as_array().map_or(0, Vec::len);
            let has_ended = stack.status(&run).await? != "pending";
            Ok((seen >= events || has_ended).then_some(()))
        })
        .await?;
        // One that has ended by itself cannot be stopped, and need not.
        let _too_late = stack.aws.stop_execution(machine, &run.run_id).await;
        match assert_settled(&stack, &user, &run).await?.as_str() {
            "complete" => complete += 1,
            _ => refunded += 1,
        }
    }
    assert!(refunded > 0, "no stop came in time");
    println!(
        "note: of {} executions stopped on their way, {refunded} were refunded and {complete} had their result",
        complete + refunded
    );
    Ok(())
}

/// The stages of a LIGHT analysis, in order.
const STAGES: [&str; 5] =
    ["check-profile-cache", "scrape-profiles", "analyze-profile", "upsert-lead", "save-analysis"];

/// Runs one stage to its end, and adds to the input what the later ones need of its answer.
async fn pass(stack: &Stack, stage: &str, input: &mut Value) -> Result<()> {
    let answer = stack.invoke(stage, input).await?.output()?;
    let username = input["username"].as_str().context("username")?.to_owned();
    match stage {
        "scrape-profiles" => input["snapshotKey"] = answer["found"][&username]["snapshotKey"].clone(),
        "upsert-lead" => input["leadId"] = answer["leadId"].clone(),
        _ => {}
    }
    Ok(())
}

/// Every stage's process is killed, at several points of its work; then the execution goes over the whole way, as a retry
/// or a resumed execution would.
#[tokio::test]
async fn a_stage_killed_midway_is_repeated_without_harm() -> Result<()> {
    let stack = Stack::connect().await?;
    for (index, stage) in STAGES.into_iter().enumerate() {
        for looks in [0, 3, 12] {
            let user = User::sign_up(&stack, 10).await?;
            let run = user.accept(&user.username("killed")).await?;
            let mut input = user.scrape_of(&run);
            input["task"] = json!("scoring");
            input["cacheHit"] = json!(false);
            for earlier in STAGES.iter().take(index) {
                pass(&stack, earlier, &mut input).await?;
            }
            let mut lambda = Lambda::start(&stack, stage, &[]).await?;
            lambda.send(&input)?;
            for _ in 0..looks {
                stack.status(&run).await?;
            }
            lambda.kill().await?;

            // It may have been the last one, and done.
            stack.start_execution(&user, &run).await?;
            assert_eq!(assert_settled(&stack, &user, &run).await?, "complete", "{stage} after {looks} looks");
            // What a stage had paid for and not written down is all that may be paid again.
            let actors = stack.stand_ins.actor_runs(&run.username).await?;
            let most = if stage == "scrape-profiles" { 2 } else { 1 };
            assert!(actors <= most, "{stage} after {looks} looks: {actors} actors");
            let questions = stack.stand_ins.requests(Upstream::OpenAi, &run.username).await?;
            let most = if stage == "analyze-profile" { 2 } else { 1 };
            assert!(questions <= most, "{stage} after {looks} looks: {questions} questions");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_refund_killed_midway_is_repeated_without_harm() -> Result<()> {
    let stack = Stack::connect().await?;
    for looks in [0, 1, 2, 4, 8] {
        let user = User::sign_up(&stack, 10).await?;
        let run = user.accept(&user.username("undone")).await?;
        let mut lambda = Lambda::start(&stack, "refund-run", &[]).await?;
        lambda.send(&run.failure())?;
        for _ in 0..looks {
            stack.status(&run).await?;
        }
        lambda.kill().await?;
        stack.refund(&run).await?;
        assert_eq!(assert_settled(&stack, &user, &run).await?, "failed");
    }
    Ok(())
}
