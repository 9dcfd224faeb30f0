//! Ends a run that went wrong and gives its credits back, once.
//!
//! `refund-run` is the state machine's last step after any failure. `refund-stopped-run` is called for every
//! execution that failed, ran out of time or was stopped in the console, whether the execution settled its
//! run or not. Both may be called for the same run, in any order and more than once.

use oslira_domain::{Code, Error, Result, RunId, execution_of};
use oslira_lambda::{Invocation, Message, note_run};
use oslira_postgres::SystemDb;
use oslira_runs::{AfterEnd, Executions, Refunded, is_cancelled, refund};
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

/// A state's error, as Step Functions reports it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct StateError {
    error: String,
    #[serde(default)]
    cause: String,
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
    let (code, reason) = explain(&error);
    let is_cancelled = code == Code::RunCancelled || is_cancelled(progress, run_id).await;
    refund(db, progress, run_id, is_cancelled, code, &reason).await
}

pub(crate) fn run_of(execution_name: &str) -> Result<RunId> {
    let run_id = execution_of(execution_name)
        .map(|(run_id, _)| run_id)
        .ok_or_else(|| Error::new(Code::ValidationFailed, "The execution is not named by a run's id."))?;
    note_run(run_id);
    Ok(run_id)
}

/// The code and the sentence to show. Our own stages give their code as the error and their sentence in the
/// cause. Any other error is the platform's, and its words are not meant for users.
pub(crate) fn explain(error: &StateError) -> (Code, String) {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct LambdaCause {
        error_message: String,
    }
    match (Code::named(&error.error), serde_json::from_str::<LambdaCause>(&error.cause)) {
        (Some(code), Ok(cause)) => (code, cause.error_message),
        _ => (Code::InternalError, "Something went wrong on our side.".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(error: &str, cause: &str) -> (Code, String) {
        explain(&StateError { error: error.to_owned(), cause: cause.to_owned() })
    }

    #[test]
    fn our_errors_speak_for_themselves_and_the_platforms_do_not() {
        let cause = r#"{"errorType":"ProfilePrivate","errorMessage":"The account is private."}"#;
        assert_eq!(
            explained("ProfilePrivate", cause),
            (Code::ProfilePrivate, "The account is private.".to_owned())
        );
        assert_eq!(explained("Runtime.ExitError", "RequestId: 1 exited").0, Code::InternalError);
        assert_eq!(explained("States.Timeout", "").0, Code::InternalError);
    }
}
