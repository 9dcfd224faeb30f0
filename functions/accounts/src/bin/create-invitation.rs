//! `POST /api/account/invitations`: invites somebody into the account.

use oslira_accounts::create_invitation;
use oslira_lambda::{RuntimeError, init, serve};
use oslira_postgres::UserDb;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    let env = &init!().await;
    let db = &UserDb::connect(env).await?;
    serve(env, |request| create_invitation(db, request)).await
}
