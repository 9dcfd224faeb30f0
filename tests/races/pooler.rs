//! A pool of a single server connection: whatever is cancelled or goes wrong, the next transaction is its own caller's.

use anyhow::{Context, Result};
use base64::{Engine, prelude::BASE64_STANDARD};
use oslira_domain::UserId;
use oslira_lambda::CachedSecret;
use oslira_postgres::UserDb;
use oslira_tests::{Stack, User, eventually};
use std::{future::Future, pin::pin, task::Poll};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Polls a future this often, then drops it: a request that went away in the middle.
async fn poll_and_drop(times: usize, future: impl Future) {
    let mut future = pin!(future);
    for _ in 0..times {
        let is_ready =
            std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_ready())).await;
        if is_ready {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_next_transaction_never_sees_anothers_claims() -> Result<()> {
    let stack = Stack::connect().await?;
    let (ann, bob) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let url = stack.secret("USER_DATABASE_SECRET").await?;
    let (head, options) = url.rsplit_once('?').context("no options")?;
    let (server, _) = head.rsplit_once('/').context("no database")?;
    let single = format!("{server}/single?{options}");
    let root = BASE64_STANDARD.decode(&stack.functions_env["DATABASE_CA_CERTIFICATE"])?;
    let db = || UserDb::lazy(CachedSecret::fixed(&single), Some(root.clone()));
    let (ann_db, bob_db) = (db()?, db()?);
    let (ann_id, bob_id): (UserId, UserId) = (ann.user_id.parse()?, bob.user_id.parse()?);

    let who = "select auth.uid()::text as uid, current_user::text as role, current_setting('statement_timeout') as timeout";
    let errors = ["select 1/0", "select 'x'::integer", "select * from oslira.task_answers", "syntax error"];
    for round in 0..400_usize {
        if round % 2 == 0 {
            poll_and_drop(round % 23, ann_db.query(ann_id, "select pg_sleep(0.002)", &[])).await;
        } else {
            let broken = errors.get(round / 2 % errors.len()).context("no error")?;
            assert!(ann_db.query(ann_id, broken, &[]).await.is_err(), "{broken}");
        }
        let rows = bob_db.query(bob_id, who, &[]).await?;
        let row = rows.first().context("no row")?;
        assert_eq!(row.get::<_, String>("uid"), bob.user_id, "round {round}");
        assert_eq!(row.get::<_, String>("role"), "authenticated", "round {round}");

        let accounts =
            bob_db.query(bob_id, "select account_id::text as id from public.accounts", &[]).await?;
        let ids: Vec<String> = accounts.iter().map(|row| row.get("id")).collect();
        assert_eq!(ids, std::slice::from_ref(&bob.account_id), "round {round}");
    }
    // What a transaction set, it set for itself: a client that sets nothing finds nothing.
    let config: tokio_postgres::Config = single.parse()?;
    let tls = MakeRustlsConnect::new(oslira_lambda::tls_config(Some(root.clone()))?);
    let (raw, connection) = config.connect(tls).await?;
    tokio::spawn(connection);
    let left = "select coalesce(current_setting('request.jwt.claims', true), '') as claims, current_user::text as role";
    let left = raw.query_typed(left, &[]).await?;
    let left = left.first().context("no row")?;
    assert_eq!((left.get("claims"), left.get("role")), ("", "oslira_user"));

    // The one server connection is idle again: no transaction was left open on it.
    eventually("the pool to be idle", || async {
        let sql = "select count(*) as n from pg_stat_activity
                     where usename = 'oslira_user' and state like 'idle in transaction%'
                       and state_change < clock_timestamp() - interval '1 second'";
        let open = stack.database.row(sql, &[]).await?["n"].clone();
        assert_eq!(open, 0, "a transaction was left open");
        let sql =
            "select count(*) as n from pg_stat_activity where usename = 'oslira_user' and state <> 'idle'";
        Ok((stack.database.row(sql, &[]).await?["n"] == 0).then_some(()))
    })
    .await
}
