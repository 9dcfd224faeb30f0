//! `GET /api/analysis/{runId}/progress`: where a run is.

use oslira_analysis::get_analysis_progress;
use oslira_lambda::{RuntimeError, init, serve};
use oslira_postgres::UserDb;
use oslira_stores::ProgressStore;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    let env = &init!().await;
    let progress = &ProgressStore::new(env)?;
    let db = &UserDb::connect(env).await?;
    serve(env, |request| get_analysis_progress(db, progress, request)).await
}
