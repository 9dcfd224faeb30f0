//! `GET /api/leads/{leadId}/refresh-check`: how the lead's latest check stands.

use oslira_lambda::{RuntimeError, init, serve};
use oslira_postgres::UserDb;
use oslira_refresh::get_refresh_check;
use oslira_stores::{ProgressStore, RefreshChecks};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    let env = &init!().await;
    let db = &UserDb::connect(env).await?;
    let checks = &RefreshChecks::new(env)?;
    let progress = &ProgressStore::new(env)?;
    serve(env, |request| get_refresh_check(db, checks, progress, request)).await
}
