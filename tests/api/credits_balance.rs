//! `GET /api/credits/balance`

use anyhow::Result;
use oslira_tests::{Stack, User, paths, refused};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn a_new_user_has_the_free_plan_and_its_credits() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let reply = user.get(paths::CREDITS_BALANCE).await?;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(*reply.data(), json!({"balance": 10, "plan": "free", "periodEnd": null, "status": "active"}));
    Ok(())
}

#[tokio::test]
async fn another_tenants_account_does_not_exist() -> Result<()> {
    let stack = Stack::connect().await?;
    let (user, stranger) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 77).await?);
    for account in [stranger.account_id.as_str(), "00000000-0000-4000-8000-000000000000", "mine", ""] {
        let reply =
            user.request(Method::GET, paths::CREDITS_BALANCE, &[("x-account-id", account)], None).await?;
        assert_eq!(reply.refusal(), refused(404, "AccountNotFound"), "{account:?}: {}", reply.body);
    }
    let own = user
        .request(Method::GET, paths::CREDITS_BALANCE, &[("x-account-id", &user.account_id)], None)
        .await?;
    assert_eq!(own.data()["balance"], 10);
    Ok(())
}

#[tokio::test]
async fn a_member_of_two_accounts_picks_one_and_has_the_older_by_default() -> Result<()> {
    let stack = Stack::connect().await?;
    let (user, host) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 33).await?);
    host.add_member(&user).await?;
    assert_eq!(user.get(paths::CREDITS_BALANCE).await?.data()["balance"], 10);
    let other = user
        .request(Method::GET, paths::CREDITS_BALANCE, &[("x-account-id", &host.account_id)], None)
        .await?;
    assert_eq!(other.data()["balance"], 33, "{}", other.body);
    Ok(())
}
