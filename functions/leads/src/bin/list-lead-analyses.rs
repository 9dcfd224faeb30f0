//! `GET /api/leads/{leadId}/analyses`: a lead's analyses.

use oslira_lambda::{RuntimeError, init, serve};
use oslira_leads::list_lead_analyses;
use oslira_postgres::UserDb;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    let env = &init!().await;
    let db = &UserDb::connect(env).await?;
    serve(env, |request| list_lead_analyses(db, request)).await
}
