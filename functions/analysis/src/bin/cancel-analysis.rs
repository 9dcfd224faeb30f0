//! `POST /api/analysis/{runId}/cancel`: ask for a run to stop.

use oslira_analysis::cancel_analysis;
use oslira_lambda::{RuntimeError, init, serve};
use oslira_postgres::UserDb;
use oslira_stores::ProgressStore;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    let env = &init!().await;
    let progress = &ProgressStore::new(env)?;
    let db = &UserDb::connect(env).await?;
    serve(env, |request| cancel_analysis(db, progress, request)).await
}
