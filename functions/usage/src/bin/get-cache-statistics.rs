//! `GET /api/cache/statistics`: what the profile cache did for the account.

use oslira_lambda::{RuntimeError, init, serve};
use oslira_postgres::UserDb;
use oslira_usage::get_cache_statistics;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    let env = &init!().await;
    let db = &UserDb::connect(env).await?;
    serve(env, |request| get_cache_statistics(db, request)).await
}
