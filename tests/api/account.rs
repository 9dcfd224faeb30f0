//! `/api/account`, and users of several accounts.

use anyhow::Result;
use oslira_tests::{Reply, Stack, User, paths, refused};
use reqwest::Method;
use serde_json::{Value, json};

async fn rename(user: &User<'_>, account_id: &str, body: &Value) -> Result<Reply> {
    let headers = [("x-account-id", account_id)];
    user.request(Method::PUT, paths::ACCOUNT, &headers, Some(body.to_string())).await
}

async fn read(user: &User<'_>, account_id: &str) -> Result<Reply> {
    user.request(Method::GET, paths::ACCOUNT, &[("x-account-id", account_id)], None).await
}

#[tokio::test]
async fn an_owner_renames_the_account_and_members_see_it() -> Result<()> {
    let stack = Stack::connect().await?;
    let (owner, member) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    owner.add_member(&member).await?;
    let before = owner.get(paths::ACCOUNT).await?;
    assert_eq!(before.status, 200, "{}", before.body);
    assert_eq!(before.data()["id"], owner.account_id.as_str());
    assert_eq!((&before.data()["name"], &before.data()["role"]), (&json!("My account"), &json!("owner")));

    let renamed = rename(&owner, &owner.account_id, &json!({"name": " Café & Co\n"})).await?;
    assert_eq!(renamed.status, 200, "{}", renamed.body);
    assert_eq!(renamed.data()["name"], "Café & Co");
    assert_eq!(renamed.data()["createdAt"], before.data()["createdAt"]);
    let again = rename(&owner, &owner.account_id, &json!({"name": "Café & Co"})).await?;
    assert_eq!(again.data(), renamed.data(), "renamed twice");

    let seen = read(&member, &owner.account_id).await?;
    assert_eq!((&seen.data()["name"], &seen.data()["role"]), (&json!("Café & Co"), &json!("member")));
    // Only that one account.
    assert_eq!(member.get(paths::ACCOUNT).await?.data()["name"], "My account");
    Ok(())
}

#[tokio::test]
async fn a_member_does_not_rename_the_account_and_to_a_stranger_there_is_none() -> Result<()> {
    let stack = Stack::connect().await?;
    let (owner, member) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let stranger = User::sign_up(&stack, 10).await?;
    owner.add_member(&member).await?;
    let reply = rename(&member, &owner.account_id, &json!({"name": "Mine"})).await?;
    assert_eq!(reply.refusal(), refused(403, "OwnerRequired"), "{}", reply.body);
    for account_id in [owner.account_id.as_str(), "mine", &stranger.user_id] {
        let reply = rename(&stranger, account_id, &json!({"name": "Mine"})).await?;
        assert_eq!(reply.refusal(), refused(404, "AccountNotFound"), "{}", reply.body);
        let reply = read(&stranger, account_id).await?;
        assert_eq!(reply.refusal(), refused(404, "AccountNotFound"), "{}", reply.body);
    }
    assert_eq!(owner.get(paths::ACCOUNT).await?.data()["name"], "My account");
    Ok(())
}

#[tokio::test]
async fn every_bad_field_is_named() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    for name in [
        json!(""),
        json!(" \n"),
        json!("two\nlines"),
        json!("a\u{1}b"),
        json!("x".repeat(201)),
        json!(7),
        Value::Null,
    ] {
        let body = json!({"name": name, "plan": "growth"});
        let reply = rename(&user, &user.account_id, &body).await?;
        assert_eq!(reply.refusal(), refused(400, "ValidationFailed"), "{name}: {}", reply.body);
        let details = &reply.body["details"];
        assert!(details["name"].is_string() && details["plan"].is_string(), "{name}: {details}");
    }
    let longest = rename(&user, &user.account_id, &json!({"name": "é".repeat(200)})).await?;
    assert_eq!(longest.status, 200, "{}", longest.body);
    Ok(())
}

#[tokio::test]
async fn a_user_of_several_accounts_says_in_which_one_each_request_acts() -> Result<()> {
    let stack = Stack::connect().await?;
    let (user, other) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 70).await?);
    other.add_member(&user).await?;
    rename(&other, &other.account_id, &json!({"name": "The other one"})).await?;

    let verified = user.get(paths::AUTH_VERIFY).await?;
    assert_eq!(
        verified.data()["accounts"],
        json!([
            {"accountId": user.account_id, "name": "My account", "role": "owner"},
            {"accountId": other.account_id, "name": "The other one", "role": "member"},
        ])
    );
    for (account, balance) in [(None, 10), (Some(&user.account_id), 10), (Some(&other.account_id), 70)] {
        let headers: Vec<_> = account.iter().map(|id| ("x-account-id", id.as_str())).collect();
        let reply = user.request(Method::GET, paths::CREDITS_BALANCE, &headers, None).await?;
        assert_eq!(reply.data()["balance"], balance, "{account:?}: {}", reply.body);
    }

    // What a member starts is the account's: it pays, and its owner sees the run.
    let mut body = user.analysis_of(&user.username("private"));
    body["businessProfileId"] = json!(other.business_profile_id);
    let headers = [("x-account-id", other.account_id.as_str())];
    let started = user.request(Method::POST, paths::ANALYZE, &headers, Some(body.to_string())).await?;
    assert_eq!(started.status, 202, "{}", started.body);
    let run_id = started.run_id()?;
    assert_eq!(other.get(&paths::progress(run_id)).await?.status, 200);
    let elsewhere = user.get(&paths::progress(run_id)).await?;
    assert_eq!(elsewhere.refusal(), refused(404, "RunNotFound"), "{}", elsewhere.body);
    assert_eq!(user.balance().await?, 10);
    // A business profile of one account is none of the other's.
    let refusal = user.post(paths::ANALYZE, &body).await?;
    assert_eq!(refusal.refusal(), refused(404, "BusinessProfileNotFound"), "{}", refusal.body);
    Ok(())
}
