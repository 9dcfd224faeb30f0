//! `GET /health`: whether every dependency works.

use oslira_lambda::{RuntimeError, init, serve};
use oslira_platform::{Dependencies, check_health};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    let env = &init!().await;
    let dependencies = &Dependencies::new(env).await?;
    serve(env, |request| check_health(dependencies, request)).await
}
