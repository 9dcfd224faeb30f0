//! `POST /api/leads/{leadId}/force-refresh`: the lead's analyses from now on read nothing older.

use oslira_lambda::{RuntimeError, init, serve};
use oslira_postgres::UserDb;
use oslira_refresh::force_refresh;
use oslira_stores::RateLimits;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    let env = &init!().await;
    let db = &UserDb::connect(env).await?;
    let limits = &RateLimits::new(env)?;
    serve(env, |request| force_refresh(db, limits, request)).await
}
