//! `GET /api/credits/balance`: credits left, and the plan.

use oslira_credits::get_credit_balance;
use oslira_lambda::{RuntimeError, init, serve};
use oslira_postgres::UserDb;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    let env = &init!().await;
    let db = &UserDb::connect(env).await?;
    serve(env, |request| get_credit_balance(db, request)).await
}
