//! `GET /api/credits/pricing`: what credits cost.

use oslira_credits::get_credit_pricing;
use oslira_lambda::{RuntimeError, init, serve};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    let env = &init!().await;
    serve(env, get_credit_pricing).await
}
