//! `POST /api/business-profiles`: describe what the account sells, and to whom.

use oslira_business_profiles::create_business_profile;
use oslira_lambda::{RuntimeError, init, serve};
use oslira_postgres::UserDb;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    let env = &init!().await;
    let db = &UserDb::connect(env).await?;
    serve(env, |request| create_business_profile(db, request)).await
}
