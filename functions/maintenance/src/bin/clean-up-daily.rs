//! Every night: deletes what nobody needs any more.

use oslira_lambda::{RuntimeError, init, serve_stage};
use oslira_maintenance::clean_up_daily;
use oslira_postgres::SystemDb;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    let env = &init!().await;
    let db = &SystemDb::connect(env).await?;
    serve_stage(env, |invocation| clean_up_daily(db, invocation)).await
}
