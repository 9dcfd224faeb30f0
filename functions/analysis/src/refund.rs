//! Ends a run that went wrong and gives its credits back, once.
//!
//! `refund-run` is the state machine's last step after any failure. `refund-stopped-run` is called for every
//! execution that failed, ran out of time or was stopped in the console, whether the execution settled its
//! run or not. Both may be called for the same run, in any order and more than once.

use oslira_domain::{Code, Error, Result};
use oslira_lambda::{Invocation, Message};
use oslira_postgres::SystemDb;
use oslira_runs::{AfterEnd, Executions, Refunded, StateError, is_cancelled, refund, run_of};
use oslira_stores::ProgressStore;
use serde::Deserialize;

/// The state machine's input.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefundRun {
    /// The run's id, with a suffix when the run was resumed.
    execution_name: String,
    error: StateError,
}

/// A message of the queue `stopped-runs`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoppedRun {
    execution_name: String,
}

/// Settles the run of an execution that ended. It does nothing when the run is settled already, or was
/// resumed: then the execution that resumed it is in charge.
///
/// # Errors
/// `NotReady` while the execution is at work again. The message comes back later and finds out how that
/// ended.
pub async fn refund_stopped_run(
    db: &SystemDb,
    executions: &Executions,
    progress: &ProgressStore,
    message: Message<StoppedRun>,
) -> Result<()> {
    let name = &message.body.execution_name;
    let run_id = run_of(name)?;
    match executions.after_end(name).await? {
        AfterEnd::Nothing => {}
        AfterEnd::AtWorkAgain => return Err(Error::new(Code::NotReady, "The execution is at work again.")),
        AfterEnd::Resumed => return Ok(()),
    }
    let is_cancelled = is_cancelled(progress, run_id).await;
    let reason = "The analysis was stopped before it was finished.";
    refund(db, progress, run_id, is_cancelled, Code::ExecutionStopped, reason).await.map(drop)
}

/// Settles the run unless it is settled already.
pub async fn refund_run(
    db: &SystemDb,
    progress: &ProgressStore,
    invocation: Invocation<RefundRun>,
) -> Result<Refunded> {
    let RefundRun { execution_name, error } = invocation.input;
    let run_id = run_of(&execution_name)?;
    let (code, reason) = error.explain();
    let is_cancelled = code == Code::RunCancelled || is_cancelled(progress, run_id).await;
    refund(db, progress, run_id, is_cancelled, code, &reason).await
}
