//! Teams, against many who change them at once: an account keeps an owner, and an invitation is used once.

use anyhow::{Context, Result, ensure};
use futures::future::{join_all, try_join_all};
use oslira_domain::UserId;
use oslira_lambda::{CachedSecret, Secret};
use oslira_postgres::{UserDb, violated};
use oslira_tests::{Stack, User, paths};
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

async fn users_db(stack: &Stack) -> Result<UserDb> {
    let url = stack.secret(Secret::UserDatabase).await?;
    Ok(UserDb::lazy(CachedSecret::fixed(&url), Some(stack.database_root()?))?)
}

/// How many owners and members an account has.
async fn team(stack: &Stack, account_id: &str) -> Result<(u64, u64)> {
    let sql = "select count(*) filter (where role = 'owner') as owners, count(*) filter (where role = 'member') as members
                 from public.members where account_id = $1::text::uuid";
    let row = stack.database.row(sql, &[account_id]).await?;
    Ok((row["owners"].as_u64().context("owners")?, row["members"].as_u64().context("members")?))
}

#[tokio::test]
async fn of_owners_who_remove_each_other_or_leave_at_once_one_stays() -> Result<()> {
    const ROUNDS: usize = 40;
    let stack = Stack::connect().await?;
    let (one, other) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    one.add_member(&other).await?;
    let (account_id, a, b) = (&one.account_id, &one.user_id, &other.user_id);
    let headers = [("x-account-id", account_id.as_str())];
    let remove = async |caller: &User<'_>, user_id: &str| {
        caller.request(Method::DELETE, &paths::member(user_id), &headers, None).await
    };
    let demote = async |caller: &User<'_>, user_id: &str| {
        let body = Some(json!({"role": "member"}).to_string());
        caller.request(Method::PUT, &paths::member(user_id), &headers, body).await
    };
    for round in 0..ROUNDS {
        let again = format!(
            "insert into public.members (account_id, user_id, role) values ('{account_id}', '{a}', 'owner'), ('{account_id}', '{b}', 'owner')
               on conflict (account_id, user_id) do update set role = 'owner'"
        );
        stack.database.run(&again).await?;
        let (first, second) = match round % 4 {
            0 => tokio::try_join!(remove(&one, b), remove(&other, a))?,
            1 => tokio::try_join!(remove(&one, a), remove(&other, b))?,
            2 => tokio::try_join!(demote(&one, b), demote(&other, a))?,
            _ => tokio::try_join!(demote(&one, a), remove(&other, b))?,
        };
        let mut statuses = [first.status, second.status];
        statuses.sort_unstable();
        // The one who came second is not in the account any more, is no owner, or would be the last one to go.
        ensure!(
            statuses[0] == 200 && [403, 404, 409].contains(&statuses[1]),
            "{} {}",
            first.body,
            second.body
        );
        let (owners, _) = team(&stack, account_id).await?;
        ensure!(owners == 1, "round {round}: {owners} owners");
    }
    Ok(())
}

#[tokio::test]
async fn two_owners_who_both_wait_for_the_account_do_not_both_go() -> Result<()> {
    let stack = Stack::connect().await?;
    let (one, other) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    one.add_member(&other).await?;
    let account_id = &one.account_id;
    stack
        .database
        .run(&format!("update public.members set role = 'owner' where account_id = '{account_id}'"))
        .await?;

    // Both have been found to be owners before the first one may go on.
    let holder = stack.another_database_connection().await?;
    holder
        .run(&format!("begin; select from public.accounts where account_id = '{account_id}' for update"))
        .await?;
    let pid = holder.process_id().await?;
    let leave = async |user: &User<'_>| -> Result<_> {
        let (user_id, account_id): (UserId, Uuid) = (user.user_id.parse()?, account_id.parse()?);
        let db = users_db(&stack).await?;
        Ok(db.one(user_id, "select public.remove_member($1, $2) as outcome", &[&account_id, &user_id]).await)
    };
    let let_go = async {
        stack.statements_waiting(&pid, 2).await?;
        holder.run("commit").await
    };
    let (first, second, ()) = tokio::try_join!(leave(&one), leave(&other), let_go)?;
    let refused: Vec<_> =
        [&first, &second].into_iter().filter_map(|outcome| outcome.as_ref().err()).collect();
    assert_eq!(refused.len(), 1, "{first:?} {second:?}");
    assert_eq!(violated(refused[0]), Some("members_keep_an_owner"));
    assert_eq!(team(&stack, account_id).await?, (1, 0));
    Ok(())
}

#[tokio::test]
async fn the_database_itself_keeps_an_owner_whoever_deletes() -> Result<()> {
    let stack = Stack::connect().await?;
    let (one, other) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    one.add_member(&other).await?;
    let (account_id, a, b) = (&one.account_id, &one.user_id, &other.user_id);
    stack
        .database
        .run(&format!("update public.members set role = 'owner' where account_id = '{account_id}'"))
        .await?;

    // Without the functions, and with a snapshot from before: as a slip of an operator's.
    let (first, second) =
        (stack.another_database_connection().await?, stack.another_database_connection().await?);
    for connection in [&first, &second] {
        connection.run("begin isolation level repeatable read; select from public.members").await?;
    }
    let delete = |user_id: &str| {
        format!("delete from public.members where account_id = '{account_id}' and user_id = '{user_id}'")
    };
    first.run(&delete(a)).await?;
    let (late, ()) = tokio::try_join!(async { Ok(second.run(&delete(b)).await) }, first.run("commit"))?;
    let problem = late.err().context("both owners were deleted")?;
    ensure!(format!("{problem:?}").contains("could not serialize"), "{problem:?}");
    second.run("rollback").await?;
    assert_eq!(team(&stack, account_id).await?, (1, 0));
    Ok(())
}

#[tokio::test]
async fn of_many_who_use_one_token_at_once_each_finds_the_same_membership() -> Result<()> {
    let stack = Stack::connect().await?;
    let (owner, guest) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let reply = owner.post(paths::INVITATIONS, &json!({"email": guest.email})).await?;
    let path = paths::accept_invitation(reply.data()["token"].as_str().context("no token")?);
    let accept = || guest.request(Method::POST, &path, &[], None);
    for reply in try_join_all((0..8).map(|_| accept())).await? {
        assert_eq!(reply.status, 200, "{}", reply.body);
    }
    assert_eq!(team(&stack, &owner.account_id).await?, (1, 1));
    Ok(())
}

#[tokio::test]
async fn an_invitation_that_is_taken_back_at_that_moment_lets_in_or_is_gone() -> Result<()> {
    const ROUNDS: usize = 20;
    let stack = Stack::connect().await?;
    let (owner, guest) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    for round in 0..ROUNDS {
        let invitation = owner.post(paths::INVITATIONS, &json!({"email": guest.email})).await?;
        let text = |name: &str| invitation.data()[name].as_str().map(str::to_owned).context("no text");
        let (accept, one) = (paths::accept_invitation(&text("token")?), paths::invitation(&text("id")?));
        let (accepted, deleted) = tokio::try_join!(
            guest.request(Method::POST, &accept, &[], None),
            owner.request(Method::DELETE, &one, &[], None)
        )?;
        let (_, members) = team(&stack, &owner.account_id).await?;
        match (accepted.status, deleted.status) {
            (200, 404) => ensure!(members == 1, "round {round}: accepted, and no member"),
            (404, 200) => ensure!(members == 0, "round {round}: taken back, and a member"),
            other => anyhow::bail!("round {round}: {other:?} {} {}", accepted.body, deleted.body),
        }
        if members == 1 {
            let path = paths::member(&guest.user_id);
            ensure!(owner.request(Method::DELETE, &path, &[], None).await?.status == 200);
        }
    }
    Ok(())
}

#[tokio::test]
async fn of_many_who_invite_at_once_no_more_get_through_than_there_is_room_for() -> Result<()> {
    const WRITERS: usize = 4;
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let (account_id, user_id) = (&user.account_id, &user.user_id);
    // The owner, and room for one.
    stack
        .database
        .run(&format!(
            "insert into public.invitations (account_id, email, role, token_hash, invited_by)
               select '{account_id}', n || '-{user_id}@example.test', 'member', sha256((n || '{user_id}')::bytea), '{user_id}'
                 from generate_series(1, 98) n"
        ))
        .await?;
    let holder = stack.another_database_connection().await?;
    holder
        .run(&format!("begin; select from public.accounts where account_id = '{account_id}' for update"))
        .await?;
    let pid = holder.process_id().await?;
    let (caller, account): (UserId, Uuid) = (user_id.parse()?, account_id.parse()?);
    let invite = |n: usize| {
        let stack = &stack;
        async move {
            let db = users_db(stack).await?;
            let (email, hash) = (format!("late-{n}@example.test"), Uuid::new_v4().as_bytes().repeat(2));
            let sql = "select outcome from public.invite_member($1, $2, 'member', $3)";
            anyhow::Ok(db.one(caller, sql, &[&account, &email, &hash]).await)
        }
    };
    let let_go = async {
        stack.statements_waiting(&pid, WRITERS).await?;
        holder.run("commit").await
    };
    let (outcomes, let_go) = tokio::join!(join_all((0..WRITERS).map(invite)), let_go);
    let_go?;
    let mut refused = 0;
    for outcome in outcomes {
        if let Err(error) = outcome? {
            assert_eq!(violated(&error), Some("invitations_team_size"));
            refused += 1;
        }
    }
    assert_eq!(refused, WRITERS - 1);
    Ok(())
}
