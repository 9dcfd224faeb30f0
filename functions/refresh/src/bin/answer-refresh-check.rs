//! Stage "Answer Check": compares the profile that was scraped with what the lead's last analysis saw.

use oslira_lambda::{RuntimeError, init, serve_stage};
use oslira_postgres::SystemDb;
use oslira_refresh::{AnswerTools, answer_refresh_check};
use oslira_stores::{ProfileStore, RefreshChecks};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    let env = &init!().await;
    let tools = &AnswerTools {
        db: SystemDb::connect(env).await?,
        profiles: ProfileStore::new(env)?,
        checks: RefreshChecks::new(env)?,
    };
    serve_stage(env, |invocation| answer_refresh_check(tools, invocation)).await
}
