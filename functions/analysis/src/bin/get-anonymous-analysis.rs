//! `GET /api/analyze/anonymous/{runToken}`: where an anonymous run is, and its result.

use oslira_analysis::get_anonymous_analysis;
use oslira_lambda::{RuntimeError, init, serve};
use oslira_stores::{AnonymousStore, ProgressStore};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    let env = &init!().await;
    let store = &AnonymousStore::new(env)?;
    let progress = &ProgressStore::new(env)?;
    serve(env, |request| get_anonymous_analysis(store, progress, request)).await
}
