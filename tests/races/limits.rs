//! Limits of rows, against many who write at once.

use anyhow::{Context, Result};
use futures::future::join_all;
use oslira_domain::UserId;
use oslira_lambda::{CachedSecret, Secret};
use oslira_postgres::{UserDb, violated};
use oslira_tests::{Stack, User};
use uuid::Uuid;

/// Few: while they wait, each has one of the pool's twenty connections.
const WRITERS: usize = 4;

#[tokio::test]
async fn of_many_who_add_the_hundredth_business_profile_one_does() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let (user_id, account_id): (UserId, Uuid) = (user.user_id.parse()?, user.account_id.parse()?);
    user.add_business_profiles(98).await?;
    let url = stack.secret(Secret::UserDatabase).await?;
    let root = stack.database_root()?;
    let sql = "insert into public.business_profiles (account_id, name, description, follower_min, follower_max, engagement_min)
                 values ($1, 'the hundredth', 'd', 1, 2, 1)";
    let write = |_| async {
        let db = UserDb::lazy(CachedSecret::fixed(&url), Some(root.clone()))?;
        db.all(user_id, sql, &[&account_id]).await
    };

    // All of them are there before the first one may go on.
    let holder = stack.another_database_connection().await?;
    holder
        .run(&format!("begin; select from public.accounts where account_id = '{account_id}' for update"))
        .await?;
    let pid = holder.process_id().await?;
    let let_go = async {
        stack.statements_waiting(&pid, WRITERS).await?;
        holder.run("commit").await
    };
    let (outcomes, let_go) = tokio::join!(join_all((0..WRITERS).map(write)), let_go);
    let_go?;
    let refused = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
    let refused: Vec<_> =
        refused.map(|error| violated(error).context("another error")).collect::<Result<_>>()?;
    assert_eq!(refused, ["business_profiles_per_account"; WRITERS - 1]);
    Ok(())
}
