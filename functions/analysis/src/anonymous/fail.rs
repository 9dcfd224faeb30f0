//! `fail-anonymous-analysis`: shows an anonymous caller that their run failed, and why. Nothing was charged,
//! so nothing is refunded.

use oslira_domain::{Result, RunStatus};
use oslira_lambda::Invocation;
use oslira_runs::{StateError, run_of};
use oslira_stores::{Failure, ProgressStore};
use serde::{Deserialize, Serialize};

/// The state machine's input.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailAnonymousAnalysis {
    /// The run's id.
    execution_name: String,
    error: StateError,
}

/// The output.
#[derive(Debug, Serialize)]
pub struct Failed {
    /// `failed`, or `complete` when the result was there first.
    status: RunStatus,
}

/// Ends the run, unless it has ended already.
pub async fn fail_anonymous_analysis(
    progress: &ProgressStore,
    invocation: Invocation<FailAnonymousAnalysis>,
) -> Result<Failed> {
    let FailAnonymousAnalysis { execution_name, error } = invocation.input;
    let run_id = run_of(&execution_name)?;
    let (code, reason) = error.explain();
    Ok(Failed { status: progress.fail(run_id, &Failure { code, reason }).await? })
}
