//! Stage "Refund Credits": settles a run that went wrong and refunds it, once.

use oslira_analysis::refund_run;
use oslira_lambda::{RuntimeError, init, serve_stage};
use oslira_postgres::SystemDb;
use oslira_stores::ProgressStore;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    let env = &init!().await;
    let progress = &ProgressStore::new(env)?;
    let db = &SystemDb::connect(env).await?;
    serve_stage(env, |invocation| refund_run(db, progress, invocation)).await
}
