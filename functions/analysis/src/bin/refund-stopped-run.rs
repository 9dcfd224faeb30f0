//! Queue `stopped-runs`: settles a run whose execution ended without doing so.

use oslira_analysis::refund_stopped_run;
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
    serve_queue(env, |message| refund_stopped_run(db, executions, progress, message)).await
}
