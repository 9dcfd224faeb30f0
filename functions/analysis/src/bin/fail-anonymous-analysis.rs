//! Stage "Show Failure": tells an anonymous caller that their run failed, and why.

use oslira_analysis::fail_anonymous_analysis;
use oslira_lambda::{RuntimeError, init, serve_stage};
use oslira_stores::ProgressStore;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    let env = &init!().await;
    let progress = &ProgressStore::new(env)?;
    serve_stage(env, |invocation| fail_anonymous_analysis(progress, invocation)).await
}
