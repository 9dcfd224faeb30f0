//! `fail-stale-runs`: the last net.
//!
//! The job looks at every old pending run there is, so these tests take turns.

use anyhow::Result;
use oslira_maintenance::PENDING_RUNS;
use oslira_tests::{Ending, Fault, Run, Stack, Upstream, User};
use std::time::Duration;
use tokio::sync::Mutex;

/// Whose turn it is.
static TURN: Mutex<()> = Mutex::const_new(());

async fn assert_refunded(user: &User<'_>, run: &Run, code: &str) -> Result<()> {
    let progress = user.finished(run).await?;
    assert_eq!(Ending::of(&progress), Ending::failed(code), "{progress}");
    assert_eq!(user.balance().await?, 10);
    Ok(())
}

#[tokio::test]
async fn a_run_whose_start_was_lost_is_started_once_however_often_the_job_runs() -> Result<()> {
    let _turn = TURN.lock().await;
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let run = user.accept_earlier(&user.username("lost"), Duration::from_mins(10)).await?;
    tokio::try_join!(stack.fail_stale_runs(), stack.fail_stale_runs(), stack.fail_stale_runs())?;
    assert_eq!(user.finished(&run).await?["status"], "complete");
    assert_eq!(user.balance().await?, 9, "the balance");
    assert_eq!(stack.stand_ins.actor_runs(&run.username).await?, 1, "actors");
    Ok(())
}

#[tokio::test]
async fn a_run_that_nobody_waits_for_any_more_is_refunded_once() -> Result<()> {
    let _turn = TURN.lock().await;
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let run = user.accept_earlier(&user.username("forgotten"), Duration::from_hours(2)).await?;
    tokio::try_join!(stack.fail_stale_runs(), stack.fail_stale_runs(), stack.fail_stale_runs())?;
    assert_refunded(&user, &run, "StartFailed").await?;
    assert_eq!(stack.stand_ins.actor_runs(&run.username).await?, 0);

    // One that was cancelled is shown as that.
    let run = user.accept_earlier(&user.username("unwanted"), Duration::from_hours(2)).await?;
    assert_eq!(user.cancel(&run).await?.status, 202);
    // The wish itself is a fresh progress item; a job that comes later than that finds the run quiet.
    stack.quieten(&run).await?;
    stack.fail_stale_runs().await?;
    assert_eq!(user.finished(&run).await?["status"], "cancelled");
    assert_eq!(user.balance().await?, 10);
    Ok(())
}

#[tokio::test]
async fn a_run_whose_execution_is_at_work_is_left_to_it() -> Result<()> {
    let _turn = TURN.lock().await;
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("healthy");
    stack.stand_ins.fault(Fault::slow_actor(Duration::from_secs(4)).of(&username)).await?;
    let run = user.accept_earlier(&username, Duration::from_mins(90)).await?;
    stack.start_execution(&user, &run).await?;
    stack.actors_started(&username, 1).await?;
    stack.quieten(&run).await?;
    let report = stack.fail_stale_runs().await?;
    assert!(report["healthy"].as_u64() >= Some(1) && report["isComplete"] == true, "{report}");
    assert_eq!(user.finished(&run).await?["status"], "complete");
    assert_eq!(user.balance().await?, 9);
    Ok(())
}

#[tokio::test]
async fn a_run_that_could_not_be_settled_when_its_execution_ended_is_refunded() -> Result<()> {
    let _turn = TURN.lock().await;
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("unsettled");
    stack.stand_ins.fault(Fault::slow(Upstream::Apify, Duration::from_secs(3)).of(&username)).await?;
    let run = user.accept_earlier(&username, Duration::from_mins(10)).await?;
    let unsettleable = stack.refuse_failure_of(&run).await?;
    stack.start_execution(&user, &run).await?;
    stack.stop_execution(&run).await?;
    unsettleable.tried().await?;
    stack.quieten(&run).await?;
    let report = stack.fail_stale_runs().await?;
    assert!(report["undecided"].as_u64() >= Some(1), "the job goes on past a run it cannot settle: {report}");
    assert_eq!(stack.status(&run).await?, "pending");
    unsettleable.allow().await?;
    stack.fail_stale_runs().await?;
    assert_refunded(&user, &run, "ExecutionStopped").await
}

#[tokio::test]
async fn a_run_that_a_restored_database_has_forgotten_the_end_of_is_refunded() -> Result<()> {
    let _turn = TURN.lock().await;
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let (run, _) = user.analyze(&user.username("restored")).await?;
    stack
        .database
        .run(&format!(
            "alter table public.runs disable trigger runs_settled_for_good;
             delete from public.analyses where run_id = '{0}';
             update public.runs set status = 'pending', finished_at = null, created_at = now() - interval '10 minutes'
               where run_id = '{0}';
             alter table public.runs enable trigger runs_settled_for_good;",
            run.run_id
        ))
        .await?;
    stack.quieten(&run).await?;
    stack.fail_stale_runs().await?;
    assert_refunded(&user, &run, "InternalError").await
}

#[tokio::test]
async fn the_jobs_query_is_answered_by_its_index() -> Result<()> {
    let stack = Stack::connect().await?;
    let values = [("$1", "'-infinity'"), ("$2", "'00000000-0000-0000-0000-000000000000'"), ("$3", "100")];
    let query =
        values.iter().fold(PENDING_RUNS.to_owned(), |query, (name, value)| query.replace(name, value));
    let plan = stack.database.plan(&query).await?;
    assert!(plan.contains("runs_pending"), "the index of V0012 must fit the query:\n{plan}");
    assert!(!plan.contains("Sort"), "the index must have the query's order:\n{plan}");
    Ok(())
}
