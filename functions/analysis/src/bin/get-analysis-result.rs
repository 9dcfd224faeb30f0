//! `GET /api/analysis/{runId}/result`: the explained result of a run.

use oslira_analysis::get_analysis_result;
use oslira_lambda::{RuntimeError, init, serve};
use oslira_postgres::UserDb;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    let env = &init!().await;
    let db = &UserDb::connect(env).await?;
    serve(env, |request| get_analysis_result(db, request)).await
}
