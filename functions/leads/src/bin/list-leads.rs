//! `GET /api/leads`: the account's leads.

use oslira_lambda::{RuntimeError, init, serve};
use oslira_leads::list_leads;
use oslira_postgres::UserDb;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    let env = &init!().await;
    let db = &UserDb::connect(env).await?;
    serve(env, |request| list_leads(db, request)).await
}
