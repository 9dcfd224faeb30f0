//! `POST /api/leads/analyze`: charge the account and start one analysis.

use oslira_analysis::{StartRunsQueue, start_analysis};
use oslira_lambda::{RuntimeError, init, serve};
use oslira_postgres::UserDb;
use oslira_runs::Executions;
use oslira_stores::{Intake, ProgressStore};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    let env = &init!().await;
    let intake = &Intake::new(env)?;
    let executions = &Executions::new(env)?;
    let queue = &StartRunsQueue::new(env)?;
    let progress = &ProgressStore::new(env)?;
    let db = &UserDb::connect(env).await?;
    serve(env, |request| start_analysis(intake, db, executions, queue, progress, request)).await
}
