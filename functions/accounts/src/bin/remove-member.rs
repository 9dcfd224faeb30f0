//! `DELETE /api/account/members/{userId}`: removes a member, or leaves the account.

use oslira_accounts::remove_member;
use oslira_lambda::{RuntimeError, init, serve};
use oslira_postgres::UserDb;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    let env = &init!().await;
    let db = &UserDb::connect(env).await?;
    serve(env, |request| remove_member(db, request)).await
}
