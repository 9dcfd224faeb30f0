//! Stage "Save Analysis": scores, stores, and marks the run complete.

use oslira_analysis::save_analysis;
use oslira_lambda::{RuntimeError, init, serve_stage};
use oslira_postgres::SystemDb;
use oslira_stores::{ProfileStore, ProgressStore};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    let env = &init!().await;
    let profiles = &ProfileStore::new(env)?;
    let progress = &ProgressStore::new(env)?;
    let db = &SystemDb::connect(env).await?;
    serve_stage(env, |invocation| save_analysis(db, profiles, progress, invocation)).await
}
