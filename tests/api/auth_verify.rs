//! `GET /api/auth/verify`

use anyhow::Result;
use oslira_tests::{Stack, User, paths};
use serde_json::json;

#[tokio::test]
async fn the_caller_learns_who_they_are_and_where() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let reply = user.get(paths::AUTH_VERIFY).await?;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(
        *reply.data(),
        json!({
            "userId": user.user_id,
            "email": user.email,
            "accounts": [{"accountId": user.account_id, "name": "My account", "role": "owner"}],
        })
    );
    Ok(())
}
