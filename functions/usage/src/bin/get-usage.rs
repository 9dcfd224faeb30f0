//! `GET /api/usage`: what the account used, by day and tier.

use oslira_lambda::{RuntimeError, init, serve};
use oslira_postgres::UserDb;
use oslira_usage::get_usage;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    let env = &init!().await;
    let db = &UserDb::connect(env).await?;
    serve(env, |request| get_usage(db, request)).await
}
