//! `/api/account/invitations` and `/api/invitations/{token}/accept`

use anyhow::{Context, Result};
use jiff::Timestamp;
use oslira_tests::{Reply, Stack, User, paths, refused};
use reqwest::Method;
use serde_json::{Value, json};

/// Invites an address into the caller's account, and answers the new invitation.
async fn invited(owner: &User<'_>, email: &str) -> Result<Value> {
    let reply = owner.post(paths::INVITATIONS, &json!({"email": email})).await?;
    assert_eq!(reply.status, 201, "{}", reply.body);
    Ok(reply.data().clone())
}

async fn accept(user: &User<'_>, invitation: &Value) -> Result<Reply> {
    accept_token(user, invitation["token"].as_str().context("no token")?).await
}

async fn accept_token(user: &User<'_>, token: &str) -> Result<Reply> {
    user.request(Method::POST, &paths::accept_invitation(token), &[], None).await
}

/// The addresses that are invited, as the owner sees them.
async fn open(owner: &User<'_>) -> Result<Vec<Value>> {
    let reply = owner.get(paths::INVITATIONS).await?;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let entries = reply.data()["data"].as_array().into_iter().flatten();
    Ok(entries.map(|entry| entry["email"].clone()).collect())
}

/// Changes what the auth server knows of a user.
async fn set(stack: &Stack, user: &User<'_>, change: &str) -> Result<()> {
    stack.database.run(&format!("update auth.users set {change} where id = '{}'", user.user_id)).await
}

#[tokio::test]
async fn who_is_invited_becomes_a_member_once() -> Result<()> {
    let stack = Stack::connect().await?;
    let (owner, guest) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 20).await?);
    // The case of an address does not matter.
    let invitation = invited(&owner, &guest.email.to_uppercase()).await?;
    assert_eq!((&invitation["email"], &invitation["role"]), (&json!(guest.email), &json!("member")));
    assert_eq!(invitation["invitedBy"], owner.user_id.as_str());
    let moment =
        |name: &str| -> Result<Timestamp> { Ok(invitation[name].as_str().context("no moment")?.parse()?) };
    assert_eq!(moment("expiresAt")?.duration_since(moment("createdAt")?).as_hours(), 7 * 24);

    let joined = accept(&guest, &invitation).await?;
    assert_eq!(joined.status, 200, "{}", joined.body);
    assert_eq!(
        *joined.data(),
        json!({"accountId": owner.account_id, "name": "My account", "role": "member"})
    );
    assert_eq!(accept(&guest, &invitation).await?.data(), joined.data(), "accepted twice");
    let verified = guest.get(paths::AUTH_VERIFY).await?;
    assert_eq!(verified.data()["accounts"][1], *joined.data());
    // Without the header requests act where they did before.
    assert_eq!(guest.get(paths::CREDITS_BALANCE).await?.data()["balance"], 20);

    // Who is removed does not come back by the same token.
    let removed = owner.request(Method::DELETE, &paths::member(&guest.user_id), &[], None).await?;
    assert_eq!(removed.status, 200, "{}", removed.body);
    let reply = accept(&guest, &invitation).await?;
    assert_eq!(reply.refusal(), refused(404, "InvitationNotFound"), "{}", reply.body);
    Ok(())
}

#[tokio::test]
async fn nobody_else_can_use_the_token() -> Result<()> {
    let stack = Stack::connect().await?;
    let (owner, guest) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let stranger = User::sign_up(&stack, 10).await?;
    let invitation = invited(&owner, &guest.email).await?;
    let claims = json!({"sub": stranger.user_id, "email": guest.email, "email_verified": true,
        "user_metadata": {"email": guest.email, "email_verified": true}});
    let claimed = stack.stand_ins.token(json!({"alg": "ES256", "claims": claims})).await?;
    let token = invitation["token"].as_str().context("no token")?;
    let path = paths::accept_invitation(token);
    let authorization = format!("Bearer {claimed}");
    let replies = [
        ("another address", accept(&stranger, &invitation).await?),
        ("a claim", stack.request(Method::POST, &path, &[("authorization", &authorization)]).await?),
        ("an owner", accept(&owner, &invitation).await?),
        ("no token", accept_token(&guest, "AAAAAAAAAAAAAAAAAAAAAA").await?),
        ("no text of a token", accept_token(&guest, "mine").await?),
        ("the invitation's id", accept_token(&guest, invitation["id"].as_str().context("id")?).await?),
    ];
    let sentence = replies[0].1.body["error"].clone();
    for (who, reply) in &replies {
        assert_eq!(reply.refusal(), refused(404, "InvitationNotFound"), "{who}: {}", reply.body);
        assert_eq!(reply.body["error"], sentence, "{who} learns no more than others");
    }
    let unsigned = stack.request(Method::POST, &path, &[]).await?;
    assert_eq!(unsigned.refusal(), refused(401, "Unauthorized"), "{}", unsigned.body);
    assert_eq!(accept(&guest, &invitation).await?.status, 200, "still good for the one who was invited");
    Ok(())
}

#[tokio::test]
async fn an_address_counts_once_the_auth_server_has_confirmed_it() -> Result<()> {
    let stack = Stack::connect().await?;
    let (owner, guest) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let invitation = invited(&owner, &guest.email).await?;
    for (change, back) in [
        ("email_confirmed_at = null", "email_confirmed_at = now()"),
        // Whatever an organisation's own sign-in says of an address.
        ("is_sso_user = true", "is_sso_user = false"),
        ("email = 'x' || email", "email = substr(email, 2)"),
        ("email = null, phone = id::text, phone_confirmed_at = now()", "email = id || '@example.test'"),
    ] {
        set(&stack, &guest, change).await?;
        let reply = accept(&guest, &invitation).await?;
        assert_eq!(reply.refusal(), refused(404, "InvitationNotFound"), "{change}: {}", reply.body);
        set(&stack, &guest, back).await?;
    }
    assert_eq!(accept(&guest, &invitation).await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn a_token_ends_when_it_is_replaced_taken_back_or_old() -> Result<()> {
    let stack = Stack::connect().await?;
    let (owner, guest) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let first = invited(&owner, &guest.email).await?;
    let second = invited(&owner, &guest.email).await?;
    assert_ne!(first["token"], second["token"]);
    assert_eq!(open(&owner).await?, [json!(guest.email)], "one invitation, not two");
    let reply = accept(&guest, &first).await?;
    assert_eq!(reply.refusal(), refused(404, "InvitationNotFound"), "replaced: {}", reply.body);

    let path = paths::invitation(second["id"].as_str().context("no id")?);
    let deleted = owner.request(Method::DELETE, &path, &[], None).await?;
    assert_eq!((deleted.status, deleted.data()), (200, &json!({"id": second["id"]})), "{}", deleted.body);
    let again = owner.request(Method::DELETE, &path, &[], None).await?;
    assert_eq!(again.refusal(), refused(404, "InvitationNotFound"), "{}", again.body);
    let reply = accept(&guest, &second).await?;
    assert_eq!(reply.refusal(), refused(404, "InvitationNotFound"), "taken back: {}", reply.body);

    let third = invited(&owner, &guest.email).await?;
    stack
        .database
        .run(&format!(
            "update public.invitations set expires_at = now() where account_id = '{}'",
            owner.account_id
        ))
        .await?;
    let reply = accept(&guest, &third).await?;
    assert_eq!(reply.refusal(), refused(404, "InvitationNotFound"), "expired: {}", reply.body);
    assert_eq!(open(&owner).await?, [Value::Null; 0]);
    let path = paths::invitation(third["id"].as_str().context("no id")?);
    let reply = owner.request(Method::DELETE, &path, &[], None).await?;
    assert_eq!(reply.refusal(), refused(404, "InvitationNotFound"), "expired: {}", reply.body);
    Ok(())
}

#[tokio::test]
async fn an_owner_may_invite_owners_whose_own_invitations_end_with_them() -> Result<()> {
    let stack = Stack::connect().await?;
    let (owner, guest) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let reply = owner.post(paths::INVITATIONS, &json!({"email": guest.email, "role": "owner"})).await?;
    assert_eq!(accept(&guest, reply.data()).await?.data()["role"], "owner");

    // The new owner has invited somebody when they become a member again, or go.
    let headers = [("x-account-id", owner.account_id.as_str())];
    for demoted in [true, false] {
        let friend = User::sign_up(&stack, 10).await?;
        let body = json!({"email": friend.email, "role": "owner"}).to_string();
        let theirs = guest.request(Method::POST, paths::INVITATIONS, &headers, Some(body)).await?;
        assert_eq!(theirs.status, 201, "{}", theirs.body);
        assert_eq!(open(&owner).await?, [json!(friend.email)]);
        let path = paths::member(&guest.user_id);
        let role = |role: &str| Some(json!({"role": role}).to_string());
        let reply = if demoted {
            owner.request(Method::PUT, &path, &[], role("member")).await?
        } else {
            owner.request(Method::DELETE, &path, &[], None).await?
        };
        assert_eq!(reply.status, 200, "{}", reply.body);
        assert_eq!(open(&owner).await?, [Value::Null; 0], "demoted: {demoted}");
        let reply = accept(&friend, theirs.data()).await?;
        assert_eq!(reply.refusal(), refused(404, "InvitationNotFound"), "{}", reply.body);
        if demoted {
            assert_eq!(owner.request(Method::PUT, &path, &[], role("owner")).await?.status, 200);
        }
    }
    Ok(())
}

#[tokio::test]
async fn members_neither_invite_nor_see_who_is_invited_and_strangers_see_no_account() -> Result<()> {
    let stack = Stack::connect().await?;
    let (owner, member) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let stranger = User::sign_up(&stack, 10).await?;
    owner.add_member(&member).await?;
    let headers = [("x-account-id", owner.account_id.as_str())];
    let body = || Some(json!({"email": "friend@example.test"}).to_string());
    for count in 0..2 {
        let invitation = if count == 0 {
            json!({"id": owner.user_id})
        } else {
            invited(&owner, "guest@example.test").await?
        };
        let one = paths::invitation(invitation["id"].as_str().context("no id")?);
        for (caller, refusal) in
            [(&member, refused(403, "OwnerRequired")), (&stranger, refused(404, "AccountNotFound"))]
        {
            for reply in [
                caller.request(Method::GET, paths::INVITATIONS, &headers, None).await?,
                caller.request(Method::POST, paths::INVITATIONS, &headers, body()).await?,
                caller.request(Method::DELETE, &one, &headers, None).await?,
            ] {
                assert_eq!(reply.refusal(), refusal, "{}", reply.body);
            }
        }
    }
    assert_eq!(open(&owner).await?, [json!("guest@example.test")]);
    let unknown = owner.request(Method::DELETE, &paths::invitation("mine"), &[], None).await?;
    assert_eq!(unknown.refusal(), refused(404, "InvitationNotFound"), "{}", unknown.body);
    Ok(())
}

#[tokio::test]
async fn an_address_of_a_member_is_refused_and_so_is_who_became_one_meanwhile() -> Result<()> {
    let stack = Stack::connect().await?;
    let (owner, member) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let invitation = invited(&owner, &member.email).await?;
    owner.add_member(&member).await?;
    let reply = accept(&member, &invitation).await?;
    assert_eq!(reply.refusal(), refused(409, "AlreadyMember"), "{}", reply.body);
    for email in [&member.email, &owner.email] {
        let reply = owner.post(paths::INVITATIONS, &json!({"email": email, "role": "owner"})).await?;
        assert_eq!(reply.refusal(), refused(409, "AlreadyMember"), "{}", reply.body);
    }
    Ok(())
}

#[tokio::test]
async fn every_bad_field_is_named() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    for email in [
        json!("ada"),
        json!(" ada@example.test"),
        json!("ada@example.test\u{1}"),
        json!("\u{212a}ate@example.test"),
        json!(format!("{}@example.test", "a".repeat(250))),
        json!(["ada@example.test"]),
        Value::Null,
    ] {
        let body = json!({"email": email, "role": "admin", "token": "mine"});
        let reply = user.post(paths::INVITATIONS, &body).await?;
        assert_eq!(reply.refusal(), refused(400, "ValidationFailed"), "{email}: {}", reply.body);
        let details = reply.body["details"].as_object().context("no details")?;
        let mut fields: Vec<_> = details.keys().collect();
        fields.sort_unstable();
        assert_eq!(fields, ["email", "role", "token"], "{email}");
    }
    Ok(())
}

#[tokio::test]
async fn a_team_has_at_most_a_hundred_members_and_open_invitations() -> Result<()> {
    let stack = Stack::connect().await?;
    let (user, guest) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let last = invited(&user, &guest.email).await?;
    stack
        .database
        .run(&format!(
            "insert into public.invitations (account_id, email, role, token_hash, invited_by)
               select '{0}', n || '-{1}@example.test', 'member', sha256((n || '{1}')::bytea), '{1}' from generate_series(1, 98) n",
            user.account_id, user.user_id
        ))
        .await?;
    let refusal = user.post(paths::INVITATIONS, &json!({"email": "one-more@example.test"})).await?;
    assert_eq!(refusal.refusal(), refused(409, "TeamLimitReached"), "{}", refusal.body);
    assert_eq!(refusal.body["details"], json!({"limit": 100}));
    // One that is there may be replaced, and accepted: then it is a member.
    assert_ne!(invited(&user, &guest.email).await?["token"], last["token"]);
    let last = invited(&user, &guest.email).await?;
    assert_eq!(accept(&guest, &last).await?.status, 200);
    let refusal = user.post(paths::INVITATIONS, &json!({"email": "one-more@example.test"})).await?;
    assert_eq!(refusal.refusal(), refused(409, "TeamLimitReached"), "{}", refusal.body);

    // Pages, newest first.
    let page = user.get(&paths::with_query(paths::INVITATIONS, "pageSize=40&page=3")).await?;
    assert_eq!((&page.data()["total"], page.data()["data"].as_array().map(Vec::len)), (&json!(98), Some(18)));

    // Expired ones make room.
    let sql =
        format!("update public.invitations set expires_at = now() where account_id = '{}'", user.account_id);
    stack.database.run(&sql).await?;
    invited(&user, "one-more@example.test").await?;
    assert_eq!(open(&user).await?, [json!("one-more@example.test")]);
    Ok(())
}

#[tokio::test]
async fn neither_token_nor_address_is_in_a_log_or_in_the_database_in_words() -> Result<()> {
    let stack = Stack::connect().await?;
    let (owner, guest) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let stranger = User::sign_up(&stack, 10).await?;
    let since = Timestamp::now().as_millisecond();
    let invitation = invited(&owner, &guest.email).await?;
    let token = invitation["token"].as_str().context("no token")?;
    assert_eq!(accept(&stranger, &invitation).await?.status, 404);
    assert_eq!(accept(&guest, &invitation).await?.status, 200);
    assert_eq!(accept_token(&guest, &format!("{token}x")).await?.status, 404);
    let seen = owner.get(paths::INVITATIONS).await?.body.to_string();
    assert!(!seen.contains(token), "the list shows the token");

    let mut logs = String::new();
    for (name, function) in &stack.description.functions {
        if ["create-invitation", "accept-invitation", "list-invitations", "authorize-request"]
            .contains(&name.as_str())
        {
            logs.push_str(&stack.aws.logs(function, since).await?);
        }
    }
    assert!(logs.contains(&owner.account_id), "these are the requests' logs:\n{logs}");
    for (what, canary) in [("the token", token), ("the address", guest.email.as_str())] {
        assert!(!logs.contains(canary), "{what} is in the logs:\n{logs}");
    }
    let sql = "select to_jsonb(i)::text as row from public.invitations i where account_id = $1::text::uuid";
    let row = stack.database.row(sql, &[&owner.account_id]).await?;
    assert!(!row.to_string().contains(token), "{row}");
    Ok(())
}
