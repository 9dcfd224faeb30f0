//! Stage "Show Failure" of a refresh check: shows that the check failed, and why.

use oslira_lambda::{RuntimeError, init, serve_stage};
use oslira_refresh::fail_refresh_check;
use oslira_stores::RefreshChecks;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    let env = &init!().await;
    let checks = &RefreshChecks::new(env)?;
    serve_stage(env, |invocation| fail_refresh_check(checks, invocation)).await
}
