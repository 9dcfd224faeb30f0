//! Stage "Check Profile Cache": finds out whether there is a fresh copy of the profile.

use oslira_lambda::{RuntimeError, init, serve_stage};
use oslira_scraping::check_profile_cache;
use oslira_stores::{ProfileStore, ProgressStore};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    let env = &init!().await;
    let profiles = &ProfileStore::new(env)?;
    let progress = &ProgressStore::new(env)?;
    serve_stage(env, |invocation| check_profile_cache(profiles, progress, invocation)).await
}
