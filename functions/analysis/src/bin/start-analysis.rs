//! `POST /api/leads/analyze`: charge the account and start one analysis.

use oslira_analysis::{AnalysisLimits, StartRunsQueue, StartTools, start_analysis};
use oslira_lambda::{RuntimeError, init, serve_with_quotes};
use oslira_postgres::UserDb;
use oslira_runs::Executions;
use oslira_stores::{Intake, ProgressStore};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    let env = &init!().await;
    let tools = &StartTools {
        intake: Intake::new(env)?,
        limits: AnalysisLimits::new(env)?,
        executions: Executions::new(env)?,
        queue: StartRunsQueue::new(env)?,
        progress: ProgressStore::new(env)?,
        db: UserDb::connect(env).await?,
    };
    serve_with_quotes(env, |request| start_analysis(tools, request)).await
}
