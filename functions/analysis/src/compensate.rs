//! Ends a run that went wrong, and gives its credits back, once.
//!
//! `compensate-run` is the state machine's last step after any failure. `settle-stopped-run` comes for every execution
//! that failed, ran out of time or was stopped in the console, whether it settled its run or not. Both may come for one
//! run, in any order and more than once.

use crate::run;
use oslira_domain::{AccountId, Code, Error, Result, RunId, RunStatus, execution_run_id};
use oslira_lambda::{Invocation, Message, note_account, note_run};
use oslira_postgres::{RowExt, SystemDb, Type};
use oslira_stores::ProgressStore;
use serde::{Deserialize, Serialize};

/// What the state machine passes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CompensateRun {
    /// The run's id, and perhaps a suffix.
    execution_name: String,
    error: StateError,
}

/// A state's error, as Step Functions words it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StateError {
    error: String,
    #[serde(default)]
    cause: String,
}

/// How the run ended.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Compensated {
    /// `failed` or `cancelled`; `complete` when the result was committed first.
    status: RunStatus,
    /// This call gave the credits back.
    refunded_now: bool,
}

/// A message of the queue of ended executions.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoppedRun {
    execution_name: String,
}

/// Settles the run of an execution that ended, unless it is settled already.
pub async fn settle_stopped_run(
    db: &SystemDb,
    progress: &ProgressStore,
    message: Message<StoppedRun>,
) -> Result<()> {
    let run_id = run_of(&message.body.execution_name)?;
    let reason = "The analysis was stopped before it was finished.";
    refund(db, progress, run_id, RunStatus::Failed, Code::ExecutionStopped, reason).await.map(drop)
}

/// Settles the run unless it is settled already.
pub async fn compensate_run(
    db: &SystemDb,
    progress: &ProgressStore,
    invocation: Invocation<CompensateRun>,
) -> Result<Compensated> {
    let CompensateRun { execution_name, error } = invocation.input;
    let run_id = run_of(&execution_name)?;
    let (code, reason) = explain(&error);
    let status = if code == Code::RunCancelled { RunStatus::Cancelled } else { RunStatus::Failed };
    refund(db, progress, run_id, status, code, &reason).await
}

fn run_of(execution_name: &str) -> Result<RunId> {
    let run_id = execution_run_id(execution_name)
        .ok_or_else(|| Error::new(Code::ValidationFailed, "The execution is not named by a run's id."))?;
    note_run(run_id);
    Ok(run_id)
}

/// Marks a run failed or cancelled, refunds it and shows it; nothing but the showing when it is settled already.
pub(crate) async fn refund(
    db: &SystemDb,
    progress: &ProgressStore,
    run_id: RunId,
    status: RunStatus,
    code: Code,
    reason: &str,
) -> Result<Compensated> {
    let sql = "select status, settled_now, account_id from oslira.refund_run($1, $2, $3, $4)";
    let rows = db
        .query(
            sql,
            &[
                (&run_id.0, Type::UUID),
                (&status.as_str(), Type::TEXT),
                (&code.as_str(), Type::TEXT),
                (&reason, Type::TEXT),
            ],
        )
        .await?;
    let row = rows.first().ok_or_else(|| Error::new(Code::RunNotFound, "There is no such run."))?;
    let account_id = AccountId(row.read("account_id")?);
    note_account(account_id);
    let status = run::settled(row)?.ok_or_else(|| Error::internal("the run was not settled"))?;
    // The money is safe; a bar that is not updated expires.
    if let Err(error) = progress.finish(run_id, account_id, status).await {
        tracing::warn!(runId = %run_id, cause = error.chain(), "end not shown");
    }
    Ok(Compensated { status, refunded_now: row.read("settled_now")? })
}

/// The code and sentence to show. A stage of ours names its code as the error and its sentence in the cause;
/// anything else is the platform's, whose words are not for users.
fn explain(error: &StateError) -> (Code, String) {
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
