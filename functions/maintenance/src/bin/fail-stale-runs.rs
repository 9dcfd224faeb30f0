//! Every hour: starts, or refunds, runs on which nothing works.

use oslira_lambda::{RuntimeError, init, serve_stage};
use oslira_maintenance::fail_stale_runs;
use oslira_postgres::SystemDb;
use oslira_runs::Executions;
use oslira_stores::{Intake, ProgressStore};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    let env = &init!().await;
    let executions = &Executions::new(env)?;
    let progress = &ProgressStore::new(env)?;
    let intake = &Intake::new(env)?;
    let db = &SystemDb::connect(env).await?;
    serve_stage(env, |invocation| fail_stale_runs(db, executions, progress, intake, invocation)).await
}
