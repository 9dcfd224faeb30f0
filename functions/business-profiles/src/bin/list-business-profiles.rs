//! `GET /api/business-profiles`: the account's business profiles, newest first.

use oslira_business_profiles::list_business_profiles;
use oslira_lambda::{RuntimeError, init, serve};
use oslira_postgres::UserDb;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    let env = &init!().await;
    let db = &UserDb::connect(env).await?;
    serve(env, |request| list_business_profiles(db, request)).await
}
