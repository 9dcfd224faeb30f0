//! Two analyses of one lead that are saved at the same moment.

use anyhow::{Context, Result};
use oslira_lambda::{CachedSecret, Secret};
use oslira_postgres::SystemDb;
use oslira_tests::{Stack, User};
use serde_json::json;
use uuid::Uuid;

async fn save(stack: &Stack, run_id: Uuid, lead_id: Uuid, score: i32) -> Result<String> {
    let url = stack.secret(Secret::SystemDatabase).await?;
    let db = SystemDb::lazy(CachedSecret::fixed(&url), Some(stack.database_root()?))?;
    let sql = "select oslira.complete_run($1, $2, $3, 0.9, '{}', now(), false, 1) as status";
    Ok(db.one(sql, &[&run_id, &lead_id, &score]).await?.read("status")?)
}

#[tokio::test]
async fn a_lead_shows_the_newest_of_two_analyses_that_are_saved_at_once() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let (lead, first, second) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
    let profile = &user.business_profile_id;
    stack
        .database
        .run(&format!(
            "select oslira.keep_business_profile_version(p) from public.business_profiles p
               where business_profile_id = '{profile}';
             insert into public.leads (lead_id, account_id, business_profile_id, username, followers, following, posts_count,
                 is_verified, is_business, profile_as_of)
               values ('{lead}', '{account}', '{profile}', 'twice', 1, 1, 1, false, false, now());
             insert into public.runs (run_id, account_id, business_profile_id, business_profile_version, requested_by, username,
                 tier, credits_charged)
               select id::uuid, '{account}', '{profile}', 1, '{user}', 'twice', tier, 1
                 from (values ('{first}', 'light'), ('{second}', 'deep')) r (id, tier)",
            account = user.account_id,
            user = user.user_id,
        ))
        .await?;
    // The first one waits where its analysis is stored and its lead is not yet written.
    let holder = stack.another_database_connection().await?;
    let name = format!("hold_{}", first.simple());
    holder
        .run(&format!(
            "create function pg_catalog.{name}() returns trigger language plpgsql as $$
               begin perform pg_advisory_xact_lock(hashtext('{name}')); return null; end $$;
             create trigger {name} after insert on public.analyses
               for each row when (new.run_id = '{first}') execute function pg_catalog.{name}();
             select pg_advisory_lock(hashtext('{name}'))"
        ))
        .await?;
    let pid = holder.process_id().await?;
    let second_comes = async {
        stack.statements_waiting(&pid, 1).await?;
        save(&stack, second, lead, 22).await
    };
    let let_go = async {
        // The second one waits for the first one.
        stack.statements_waiting(&pid, 2).await?;
        holder.run(&format!("select pg_advisory_unlock(hashtext('{name}'))")).await
    };
    let (one, other, ()) = tokio::try_join!(save(&stack, first, lead, 11), second_comes, let_go)?;
    assert_eq!([one, other], ["complete", "complete"]);
    holder.run(&format!("drop trigger {name} on public.analyses; drop function pg_catalog.{name}()")).await?;

    let sql = "select l.score, l.tier, l.analyzed_at = a.created_at as is_newest
                 from public.leads l join public.analyses a using (lead_id)
                 where lead_id = $1::text::uuid order by a.created_at desc limit 1";
    let shown = stack.database.row(sql, &[&lead.to_string()]).await.context("no lead")?;
    assert_eq!(shown, json!({"score": 22, "tier": "deep", "is_newest": true}));
    Ok(())
}
