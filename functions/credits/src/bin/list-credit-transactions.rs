//! `GET /api/credits/transactions`: every change of the balance.

use oslira_credits::list_credit_transactions;
use oslira_lambda::{RuntimeError, init, serve};
use oslira_postgres::UserDb;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    let env = &init!().await;
    let db = &UserDb::connect(env).await?;
    serve(env, |request| list_credit_transactions(db, request)).await
}
