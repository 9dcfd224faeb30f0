//! A business profile that is changed or deleted at the moment of a start: the run judges by one content, the one that it names.
//! And writes whose answer is lost: they are carried out once, and answered.

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use oslira_domain::{BusinessProfileId, UserId};
use oslira_lambda::{CachedSecret, Secret};
use oslira_postgres::UserDb;
use oslira_tests::{Lambda, Stack, User, eventually, paths};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A path as the routes declare it.
const ONE: &str = "/api/business-profiles/{businessProfileId}";

/// What a change of the profile does, of its whole content as far as these tests look.
const CHANGE: &str =
    "update public.business_profiles set description = 'change ' || $2::integer, follower_max = 500000 + $2
                        where business_profile_id = $1 returning version";

async fn users_db(stack: &Stack) -> Result<UserDb> {
    let url = stack.secret(Secret::UserDatabase).await?;
    Ok(UserDb::lazy(CachedSecret::fixed(&url), Some(stack.database_root()?))?)
}

/// What the account's runs judge by: version and description.
async fn judged_by(stack: &Stack, user: &User<'_>) -> Result<Vec<(i64, String)>> {
    let sql = "select v.version, v.description from public.runs r
                 join oslira.business_profile_versions v
                   on (v.business_profile_id, v.version) = (r.business_profile_id, r.business_profile_version)
                 where r.account_id = $1::text::uuid order by 1";
    let rows = stack.database.rows(sql, &[&user.account_id]).await?;
    let version = |row: &Value| Some((row["version"].as_i64()?, row["description"].as_str()?.to_owned()));
    rows.iter().map(|row| version(row).context("no version")).collect()
}

#[tokio::test]
async fn a_start_waits_for_a_change_or_a_deletion_that_came_first() -> Result<()> {
    let stack = Stack::connect().await?;
    for (write, status, balance, kept) in [
        ("description = 'changed'", 202, 9, vec![(2, "changed".to_owned())]),
        ("deleted_at = now()", 404, 10, vec![]),
    ] {
        let user = User::sign_up(&stack, 10).await?;
        let holder = stack.another_database_connection().await?;
        let profile = &user.business_profile_id;
        holder
            .run(&format!(
                "begin; update public.business_profiles set {write} where business_profile_id = '{profile}'"
            ))
            .await?;
        let pid = holder.process_id().await?;
        let body = user.analysis_of(&user.username("waits"));
        let let_go = async {
            stack.statements_waiting(&pid, 1).await?;
            holder.run("commit").await
        };
        let (reply, ()) = tokio::try_join!(user.post(paths::ANALYZE, &body), let_go)?;
        assert_eq!(reply.status, status, "{write}: {}", reply.body);
        assert_eq!(user.balance().await?, balance, "{write}");
        assert_eq!(judged_by(&stack, &user).await?, kept, "{write}");
    }
    Ok(())
}

#[tokio::test]
async fn a_change_that_came_second_waits_for_the_start_and_is_not_judged_by() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let (user_id, profile): (UserId, BusinessProfileId) =
        (user.user_id.parse()?, user.business_profile_id.parse()?);
    // The start waits where it is about to be charged.
    let holder = stack.another_database_connection().await?;
    let username = user.username("first");
    let name = format!("hold_{username}");
    holder
        .run(&format!(
            "create function pg_catalog.{name}() returns trigger language plpgsql as $$
               begin perform pg_advisory_xact_lock(hashtext('{name}')); return null; end $$;
             create trigger {name} after insert on public.runs
               for each row when (new.username = '{username}') execute function pg_catalog.{name}();
             select pg_advisory_lock(hashtext('{name}'))"
        ))
        .await?;
    let pid = holder.process_id().await?;
    let mut lambda = Lambda::start(&stack, "start-analysis", &[]).await?;
    lambda.send(&user.post_event(paths::ANALYZE, &user.analysis_of(&username)))?;
    stack.statements_waiting(&pid, 1).await?;

    let db = users_db(&stack).await?;
    let let_go = async {
        stack.statements_waiting(&pid, 2).await?;
        holder.run(&format!("select pg_advisory_unlock(hashtext('{name}'))")).await
    };
    let changed = async { anyhow::Ok(db.one(user_id, CHANGE, &[&profile, &7]).await?) };
    let (changed, ()) = tokio::try_join!(changed, let_go)?;
    assert_eq!(changed.read::<i32>("version")?, 2);
    let reply = lambda.answered().await?.http()?;
    assert_eq!(reply.status, 202, "{}", reply.body);
    assert!(reply.body["code"].is_null(), "{}", reply.body);
    assert_eq!(judged_by(&stack, &user).await?, [(1, "Roasts coffee for cafés.".to_owned())]);
    holder.run(&format!("drop trigger {name} on public.runs; drop function pg_catalog.{name}()")).await
}

#[tokio::test]
async fn of_many_changes_and_starts_at_once_each_run_judges_by_one_change() -> Result<()> {
    const CHANGES: i32 = 60;
    const STARTS: i32 = 30;
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, STARTS).await?;
    let (user_id, profile): (UserId, BusinessProfileId) =
        (user.user_id.parse()?, user.business_profile_id.parse()?);
    let changes = try_join_all((0..4).map(|writer| {
        let stack = &stack;
        async move {
            let db = users_db(stack).await?;
            let mut written = Vec::new();
            for n in (writer..CHANGES).step_by(4) {
                let row = db.one(user_id, CHANGE, &[&profile, &n]).await?;
                written.push((i64::from(row.read::<i32>("version")?), format!("change {n}")));
            }
            anyhow::Ok(written)
        }
    }));
    let starts = try_join_all((0..STARTS).map(|_| {
        let body = user.analysis_of(&user.username("judged"));
        let user = &user;
        async move {
            let reply = user.post(paths::ANALYZE, &body).await?;
            ensure!(reply.status == 202, "not accepted: {} {}", reply.status, reply.body);
            Ok(())
        }
    }));
    let (changes, _) = tokio::try_join!(changes, starts)?;
    let mut contents: BTreeMap<i64, String> = changes.concat().into_iter().collect();
    assert_eq!(contents.len(), usize::try_from(CHANGES)?, "each change is a version of its own");
    contents.insert(1, "Roasts coffee for cafés.".to_owned());

    let judged_by = judged_by(&stack, &user).await?;
    assert_eq!(judged_by.len(), usize::try_from(STARTS)?, "each run has what it judges by");
    for (version, description) in &judged_by {
        assert_eq!(Some(description), contents.get(version), "version {version}");
    }
    // Both columns of a kept content are of one change.
    let sql = "select count(*) as n from oslira.business_profile_versions
                 where account_id = $1::text::uuid and version > 1
                   and description <> 'change ' || (follower_max - 500000)";
    assert_eq!(stack.database.row(sql, &[&user.account_id]).await?, json!({"n": 0}));
    // Leave the stack as quiet as it was.
    eventually("the runs to end", || async {
        let sql =
            "select count(*) as n from public.runs where account_id = $1::text::uuid and status = 'pending'";
        Ok((stack.database.row(sql, &[&user.account_id]).await?["n"] == 0).then_some(()))
    })
    .await
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_done_once_and_answered() -> Result<()> {
    let stack = &Stack::connect().await?;
    let user = User::sign_up(stack, 10).await?;
    let (account_id, profile) = (&user.account_id, &user.business_profile_id);
    let body = |name: &str| {
        json!({
            "name": name, "description": "Roasts coffee for cafés.",
            "icp": {"followerRange": {"min": 1, "max": 2}, "engagementMin": 1, "contentThemes": [], "geoFocus": []},
        })
    };
    let count = |condition: &str| {
        format!(
            "select count(*) as n from public.business_profiles where account_id = '{account_id}' and {condition}"
        )
    };

    for (name, key) in [("Without a key", None), ("With a key", Some("k-1"))] {
        let mut event = user.post_event(paths::BUSINESS_PROFILES, &body(name));
        if let Some(key) = key {
            event["headers"]["Idempotency-Key"] = json!(key);
            event["multiValueHeaders"]["Idempotency-Key"] = json!([key]);
        }
        let made = count(&format!("name = '{name}'"));
        let reply =
            Lambda::with_lost_answer(stack, "create-business-profile", &event, &made).await?.http()?;
        assert_eq!(reply.status, 201, "{name}: {}", reply.body);
        assert_eq!(stack.database.row(&made, &[]).await?["n"], 1, "{name}");
        let id = reply.data()["id"].as_str().context("no id")?;
        let read = user.get(&paths::business_profile(id)).await?;
        assert_eq!(read.data()["name"], name, "{}", read.body);
    }

    let place = [("businessProfileId", profile.as_str())];
    let event = user.event("PUT", ONE, &place, Some(&body("Changed")));
    let changed = count("name = 'Changed' and version = 2");
    let reply = Lambda::with_lost_answer(stack, "update-business-profile", &event, &changed).await?.http()?;
    assert_eq!((reply.status, &reply.data()["name"]), (200, &json!("Changed")), "{}", reply.body);
    assert_eq!(stack.database.row(&changed, &[]).await?["n"], 1, "one new version");

    let event = user.event("DELETE", ONE, &place, None);
    let deleted = count("deleted_at is not null");
    let reply = Lambda::with_lost_answer(stack, "delete-business-profile", &event, &deleted).await?.http()?;
    assert_eq!((reply.status, reply.data()), (200, &json!({"id": profile})), "{}", reply.body);
    assert_eq!(stack.database.row(&deleted, &[]).await?["n"], 1);
    // The two that were made.
    assert_eq!(user.get(paths::BUSINESS_PROFILES).await?.data()["total"], 2);
    Ok(())
}
