//! `POST /api/invitations/{token}/accept`: becomes a member of the account that invited.

use oslira_accounts::accept_invitation;
use oslira_lambda::{RuntimeError, init, serve};
use oslira_postgres::UserDb;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    let env = &init!().await;
    let db = &UserDb::connect(env).await?;
    serve(env, |request| accept_invitation(db, request)).await
}
