//! Stage "Upsert Lead": shows the profile on the lead while AI tasks are still running.

use oslira_lambda::{RuntimeError, init, serve_stage};
use oslira_leads::upsert_lead;
use oslira_postgres::SystemDb;
use oslira_stores::ProfileStore;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    let env = &init!().await;
    let profiles = &ProfileStore::new(env)?;
    let db = &SystemDb::connect(env).await?;
    serve_stage(env, |invocation| upsert_lead(db, profiles, invocation)).await
}
