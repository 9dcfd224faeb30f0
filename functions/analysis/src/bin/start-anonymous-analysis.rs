//! `POST /api/analyze/anonymous`: start a LIGHT analysis for a caller without an account.

use oslira_analysis::{AddressLimits, StartAnonymousTools, start_anonymous_analysis};
use oslira_lambda::{RuntimeError, init, serve};
use oslira_runs::Executions;
use oslira_stores::{AnonymousStore, Intake, ProgressStore};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    let env = &init!().await;
    let tools = &StartAnonymousTools {
        intake: Intake::new(env)?,
        limits: AddressLimits::new(env)?,
        executions: Executions::anonymous(env)?,
        store: AnonymousStore::new(env)?,
        progress: ProgressStore::new(env)?,
    };
    serve(env, |request| start_anonymous_analysis(tools, request)).await
}
