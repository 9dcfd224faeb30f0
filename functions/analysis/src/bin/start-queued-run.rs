//! Queue `start-runs`: starts the execution of a run that could not be started at once.

use oslira_analysis::start_queued_run;
use oslira_lambda::{RuntimeError, init, serve_queue};
use oslira_postgres::SystemDb;
use oslira_runs::Executions;
use oslira_stores::ProgressStore;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    let env = &init!().await;
    let executions = &Executions::new(env)?;
    let progress = &ProgressStore::new(env)?;
    let db = &SystemDb::connect(env).await?;
    serve_queue(env, |message| start_queued_run(db, executions, progress, message)).await
}
