//! `POST /api/leads/{leadId}/refresh-check`: does the lead need a refresh?

use oslira_lambda::{RuntimeError, init, serve};
use oslira_postgres::UserDb;
use oslira_refresh::{StartCheckTools, start_refresh_check};
use oslira_runs::Executions;
use oslira_stores::{IntakeSwitch, ProfileStore, ProgressStore, RateLimits, RefreshChecks};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    let env = &init!().await;
    let tools = &StartCheckTools {
        switch: IntakeSwitch::new(env)?,
        db: UserDb::connect(env).await?,
        profiles: ProfileStore::new(env)?,
        limits: RateLimits::new(env)?,
        checks: RefreshChecks::new(env)?,
        progress: ProgressStore::new(env)?,
        executions: Executions::refresh_checks(env)?,
    };
    serve(env, |request| start_refresh_check(tools, request)).await
}
