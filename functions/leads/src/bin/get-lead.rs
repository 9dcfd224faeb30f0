//! `GET /api/leads/{leadId}`: one lead with its last analysis.

use oslira_lambda::{RuntimeError, init, serve};
use oslira_leads::get_lead;
use oslira_postgres::UserDb;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    let env = &init!().await;
    let db = &UserDb::connect(env).await?;
    serve(env, |request| get_lead(db, request)).await
}
