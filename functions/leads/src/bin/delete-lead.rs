//! `DELETE /api/leads/{leadId}`: deletes a lead.

use oslira_lambda::{RuntimeError, init, serve};
use oslira_leads::delete_lead;
use oslira_postgres::UserDb;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    let env = &init!().await;
    let db = &UserDb::connect(env).await?;
    serve(env, |request| delete_lead(db, request)).await
}
