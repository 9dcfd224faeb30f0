//! Brings the database up to date. Every deploy runs it.

use oslira_lambda::{RuntimeError, init, serve_stage};
use oslira_platform::{MigrationSecrets, migrate_database};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    let env = &init!().await;
    let secrets = &MigrationSecrets::new(env)?;
    serve_stage(env, |invocation| migrate_database(secrets, invocation)).await
}
