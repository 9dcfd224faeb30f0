//! Stage "Score Profile" of an anonymous run: asks a model, keeps the result, and ends the run.

use oslira_analysis::{Asking, ScoreAnonymousTools, score_anonymous_analysis};
use oslira_lambda::{RuntimeError, init, serve_stage};
use oslira_stores::{AnonymousStore, ProfileStore, ProgressStore};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    let env = &init!().await;
    let tools = &ScoreAnonymousTools {
        asking: Asking::new(env)?,
        profiles: ProfileStore::new(env)?,
        progress: ProgressStore::new(env)?,
        store: AnonymousStore::new(env)?,
    };
    serve_stage(env, |invocation| score_anonymous_analysis(tools, invocation)).await
}
