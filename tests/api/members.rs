//! `/api/account/members`

use anyhow::Result;
use oslira_tests::{Reply, Stack, User, paths, refused};
use reqwest::Method;
use serde_json::{Value, json};

/// A request of a user in the account of another.
async fn within(
    account: &User<'_>,
    user: &User<'_>,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> Result<Reply> {
    let headers = [("x-account-id", account.account_id.as_str())];
    user.request(method, path, &headers, body.map(|body| body.to_string())).await
}

async fn set_role(account: &User<'_>, caller: &User<'_>, user_id: &str, role: &str) -> Result<Reply> {
    within(account, caller, Method::PUT, &paths::member(user_id), Some(json!({"role": role}))).await
}

async fn remove(account: &User<'_>, caller: &User<'_>, user_id: &str) -> Result<Reply> {
    within(account, caller, Method::DELETE, &paths::member(user_id), None).await
}

/// Who is in the account, as its members see it: user and role.
async fn members(account: &User<'_>, caller: &User<'_>) -> Result<Vec<(Value, Value)>> {
    let reply = within(account, caller, Method::GET, paths::MEMBERS, None).await?;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let entries = reply.data()["data"].as_array().into_iter().flatten();
    Ok(entries.map(|entry| (entry["userId"].clone(), entry["role"].clone())).collect())
}

#[tokio::test]
async fn members_see_each_other_with_their_addresses_the_longest_ones_first() -> Result<()> {
    let stack = Stack::connect().await?;
    let (owner, member) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    owner.add_member(&member).await?;
    for caller in [&owner, &member] {
        let reply = within(&owner, caller, Method::GET, paths::MEMBERS, None).await?;
        let page = reply.data();
        assert_eq!((&page["total"], &page["data"][2]), (&json!(2), &Value::Null), "{}", reply.body);
        for (at, user, role) in [(0, &owner, "owner"), (1, &member, "member")] {
            let entry = &page["data"][at];
            assert_eq!((&entry["userId"], &entry["email"]), (&json!(user.user_id), &json!(user.email)));
            assert_eq!(entry["role"], role);
        }
    }
    let second = format!("{}?pageSize=1&page=2", paths::MEMBERS);
    let second = within(&owner, &owner, Method::GET, &second, None).await?;
    assert_eq!(second.data()["data"][0]["userId"], member.user_id.as_str());
    // Nobody of the member's own account is shown, and the other way round.
    assert_eq!(members(&member, &member).await?, [(json!(member.user_id), json!("owner"))]);
    let reply = within(&member, &owner, Method::GET, paths::MEMBERS, None).await?;
    assert_eq!(reply.refusal(), refused(404, "AccountNotFound"), "{}", reply.body);
    Ok(())
}

#[tokio::test]
async fn an_owner_makes_owners_who_then_do_what_owners_do() -> Result<()> {
    let stack = Stack::connect().await?;
    let (owner, member) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    owner.add_member(&member).await?;
    let promoted = set_role(&owner, &owner, &member.user_id, "owner").await?;
    assert_eq!(promoted.status, 200, "{}", promoted.body);
    assert_eq!(promoted.data()["email"], member.email.as_str());
    let again = set_role(&owner, &owner, &member.user_id, "owner").await?;
    assert_eq!(again.data(), promoted.data(), "promoted twice");

    // The first owner is now one of two, and the other one makes a member of them.
    let demoted = set_role(&owner, &member, &owner.user_id, "member").await?;
    assert_eq!((demoted.status, &demoted.data()["role"]), (200, &json!("member")), "{}", demoted.body);
    let refusal = set_role(&owner, &owner, &member.user_id, "member").await?;
    assert_eq!(refusal.refusal(), refused(403, "OwnerRequired"), "{}", refusal.body);
    let path = paths::business_profile(&owner.business_profile_id);
    let refusal = owner.request(Method::DELETE, &path, &[], None).await?;
    assert_eq!(refusal.refusal(), refused(403, "OwnerRequired"), "{}", refusal.body);
    assert_eq!(
        members(&owner, &owner).await?,
        [(json!(owner.user_id), json!("member")), (json!(member.user_id), json!("owner"))]
    );
    Ok(())
}

#[tokio::test]
async fn the_last_owner_neither_goes_nor_becomes_a_member() -> Result<()> {
    let stack = Stack::connect().await?;
    let (owner, member) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    for alone in [true, false] {
        if !alone {
            owner.add_member(&member).await?;
        }
        let reply = remove(&owner, &owner, &owner.user_id).await?;
        assert_eq!(reply.refusal(), refused(409, "LastOwner"), "{alone}: {}", reply.body);
        let reply = set_role(&owner, &owner, &owner.user_id, "member").await?;
        assert_eq!(reply.refusal(), refused(409, "LastOwner"), "{alone}: {}", reply.body);
    }
    assert_eq!(set_role(&owner, &owner, &member.user_id, "owner").await?.status, 200);
    assert_eq!(remove(&owner, &owner, &owner.user_id).await?.status, 200);
    let reply = remove(&owner, &member, &member.user_id).await?;
    assert_eq!(reply.refusal(), refused(409, "LastOwner"), "{}", reply.body);
    Ok(())
}

#[tokio::test]
async fn who_is_removed_or_leaves_sees_nothing_of_the_account_any_more() -> Result<()> {
    let stack = Stack::connect().await?;
    let owner = User::sign_up(&stack, 10).await?;
    for removed_by_owner in [true, false] {
        let member = User::sign_up(&stack, 10).await?;
        owner.add_member(&member).await?;
        let caller = if removed_by_owner { &owner } else { &member };
        let reply = remove(&owner, caller, &member.user_id).await?;
        assert_eq!((reply.status, reply.data()), (200, &json!({"userId": member.user_id})), "{}", reply.body);
        for path in [paths::ACCOUNT, paths::MEMBERS, paths::CREDITS_BALANCE, paths::BUSINESS_PROFILES] {
            let reply = within(&owner, &member, Method::GET, path, None).await?;
            assert_eq!(reply.refusal(), refused(404, "AccountNotFound"), "{path}: {}", reply.body);
        }
        assert_eq!(members(&owner, &owner).await?.len(), 1);
        let again = remove(&owner, &owner, &member.user_id).await?;
        assert_eq!(again.refusal(), refused(404, "MemberNotFound"), "{}", again.body);
    }
    Ok(())
}

#[tokio::test]
async fn a_member_changes_nobody_but_by_leaving() -> Result<()> {
    let stack = Stack::connect().await?;
    let (owner, member) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    owner.add_member(&member).await?;
    // Whoever is named: a member learns nothing of who is not there.
    for user_id in [&owner.user_id, &member.user_id, &owner.account_id] {
        let reply = set_role(&owner, &member, user_id, "owner").await?;
        assert_eq!(reply.refusal(), refused(403, "OwnerRequired"), "{}", reply.body);
    }
    for user_id in [&owner.user_id, &owner.account_id] {
        let reply = remove(&owner, &member, user_id).await?;
        assert_eq!(reply.refusal(), refused(403, "OwnerRequired"), "{}", reply.body);
    }
    assert_eq!(members(&owner, &owner).await?.len(), 2);
    Ok(())
}

#[tokio::test]
async fn another_tenants_member_does_not_exist_and_bad_roles_are_named() -> Result<()> {
    let stack = Stack::connect().await?;
    let (owner, stranger) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    for user_id in [stranger.user_id.as_str(), "me", &owner.account_id] {
        let reply = set_role(&owner, &owner, user_id, "owner").await?;
        assert_eq!(reply.refusal(), refused(404, "MemberNotFound"), "{user_id}: {}", reply.body);
        let reply = remove(&owner, &owner, user_id).await?;
        assert_eq!(reply.refusal(), refused(404, "MemberNotFound"), "{user_id}: {}", reply.body);
    }
    for user_id in [&owner.user_id, &stranger.user_id] {
        let reply = set_role(&owner, &stranger, user_id, "owner").await?;
        assert_eq!(reply.refusal(), refused(404, "AccountNotFound"), "{}", reply.body);
        let reply = remove(&owner, &stranger, user_id).await?;
        assert_eq!(reply.refusal(), refused(404, "AccountNotFound"), "{}", reply.body);
    }
    for body in [json!({"role": "admin", "name": "x"}), json!({"role": null, "name": 1}), json!({"name": []})]
    {
        let path = paths::member(&owner.user_id);
        let reply = within(&owner, &owner, Method::PUT, &path, Some(body.clone())).await?;
        assert_eq!(reply.refusal(), refused(400, "ValidationFailed"), "{body}: {}", reply.body);
        let details = &reply.body["details"];
        assert!(details["role"].is_string() && details["name"].is_string(), "{body}: {details}");
    }
    assert_eq!(members(&owner, &owner).await?, [(json!(owner.user_id), json!("owner"))]);
    Ok(())
}
