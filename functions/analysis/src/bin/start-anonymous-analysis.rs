//! `POST /api/analyze/anonymous`: start a LIGHT analysis for a visitor without an account.

use oslira_analysis::{Gate, start_anonymous_analysis};
use oslira_lambda::{RuntimeError, init, serve};
use oslira_runs::Executions;
use oslira_stores::{AnonymousStore, ProgressStore};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    let env = &init!().await;
    let gate = &Gate::new(env)?;
    let executions = &Executions::anonymous(env)?;
    let store = &AnonymousStore::new(env)?;
    let progress = &ProgressStore::new(env)?;
    serve(env, |request| start_anonymous_analysis(gate, executions, store, progress, request)).await
}
