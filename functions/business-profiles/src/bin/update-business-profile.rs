//! `PUT /api/business-profiles/{businessProfileId}`: replace a business profile's content.

use oslira_business_profiles::update_business_profile;
use oslira_lambda::{RuntimeError, init, serve};
use oslira_postgres::UserDb;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    let env = &init!().await;
    let db = &UserDb::connect(env).await?;
    serve(env, |request| update_business_profile(db, request)).await
}
