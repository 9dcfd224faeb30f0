//! `POST /api/leads/{leadId}/restore`: brings a deleted lead back.

use oslira_lambda::{RuntimeError, init, serve};
use oslira_leads::restore_lead;
use oslira_postgres::UserDb;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    let env = &init!().await;
    let db = &UserDb::connect(env).await?;
    serve(env, |request| restore_lead(db, request)).await
}
