//! Stage "Score Lead" and the other AI tasks: puts one task to a model, and keeps the answer.

use oslira_analysis::{AnalyzeTools, Asking, analyze_profile};
use oslira_lambda::{RuntimeError, init, serve_stage};
use oslira_postgres::SystemDb;
use oslira_stores::{ProfileStore, ProgressStore};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    let env = &init!().await;
    let tools = &AnalyzeTools {
        asking: Asking::new(env)?,
        profiles: ProfileStore::new(env)?,
        progress: ProgressStore::new(env)?,
        db: SystemDb::connect(env).await?,
    };
    serve_stage(env, |invocation| analyze_profile(tools, invocation)).await
}
