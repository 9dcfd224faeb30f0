//! The run that a request names.

use jiff::Timestamp;
use oslira_api::Route;
use oslira_domain::{Code, Error, Result, RunId};
use oslira_lambda::{Request, note_run};

/// A route about one run of the caller's account, for the API's description.
pub(crate) fn about_a_run(route: Route) -> Route {
    route
        .path::<RunId>("runId", "The run, as the answer to its start named it.")
        .in_account()
        .refuses(&not_found())
}

/// Reads the run's id from the path. A text that is not an id gets the same answer as an unknown run.
pub(crate) fn requested(request: &Request) -> Result<RunId> {
    let run_id = request.path_id("runId", not_found)?;
    note_run(run_id);
    Ok(run_id)
}

/// Another tenant's run looks the same as a run that never existed.
pub(crate) fn not_found() -> Error {
    Error::new(Code::RunNotFound, "There is no such analysis in this account.")
}

/// The path of the run's progress, below the API's base URL.
pub(crate) fn progress_url(run_id: RunId) -> String {
    format!("/api/analysis/{run_id}/progress")
}

/// The path of the run's result, below the API's base URL.
pub(crate) fn result_url(run_id: RunId) -> String {
    format!("/api/analysis/{run_id}/result")
}

/// Milliseconds from `from` to `to`, never below zero.
pub(crate) fn elapsed_ms(from: Timestamp, to: Timestamp) -> i64 {
    i64::try_from(to.duration_since(from).as_millis()).unwrap_or(i64::MAX).max(0)
}
