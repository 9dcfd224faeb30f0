//! `DELETE /api/account/invitations/{invitationId}`: takes an open invitation back.

use oslira_accounts::delete_invitation;
use oslira_lambda::{RuntimeError, init, serve};
use oslira_postgres::UserDb;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    let env = &init!().await;
    let db = &UserDb::connect(env).await?;
    serve(env, |request| delete_invitation(db, request)).await
}
