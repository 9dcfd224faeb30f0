//! Every hour: starts or refunds the runs that nothing works on.

use oslira_lambda::{RuntimeError, init, serve_stage};
use oslira_maintenance::{FailStaleTools, fail_stale_runs};
use oslira_postgres::SystemDb;
use oslira_runs::Executions;
use oslira_stores::{Intake, ProgressStore};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    let env = &init!().await;
    let tools = &FailStaleTools {
        executions: Executions::new(env)?,
        progress: ProgressStore::new(env)?,
        intake: Intake::new(env)?,
        db: SystemDb::connect(env).await?,
    };
    serve_stage(env, |invocation| fail_stale_runs(tools, invocation)).await
}
