//! `fail-refresh-check`: shows that a check failed, and why.

use oslira_domain::{LeadId, Result};
use oslira_lambda::Invocation;
use oslira_runs::{StateError, run_of};
use oslira_stores::{Failure, RefreshChecks};
use serde::{Deserialize, Serialize};

/// The state machine's input.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailRefreshCheck {
    /// The check's id.
    execution_name: String,
    error: StateError,
    lead_id: LeadId,
}

/// The output.
#[derive(Debug, Serialize)]
pub struct FailedCheck {
    /// Why it failed.
    code: String,
}

/// Ends the check, unless it has ended already or another one has taken its place.
pub async fn fail_refresh_check(
    checks: &RefreshChecks,
    invocation: Invocation<FailRefreshCheck>,
) -> Result<FailedCheck> {
    let FailRefreshCheck { execution_name, error, lead_id } = invocation.input;
    let check_id = run_of(&execution_name)?;
    let (code, reason) = error.explain();
    checks.fail(lead_id, check_id, &Failure { code, reason }).await?;
    Ok(FailedCheck { code: code.to_string() })
}
