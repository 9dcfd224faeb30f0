//! A pool of a single server connection: whatever is cancelled or goes wrong, the next transaction is its own caller's.

use anyhow::{Context, Result};
use oslira_domain::UserId;
use oslira_lambda::{CachedSecret, Secret};
use oslira_postgres::UserDb;
use oslira_tests::{Lambda, Stack, User, eventually, paths};
use serde_json::{Value, json};
use std::{future::Future, pin::pin, task::Poll};
use tokio::sync::Mutex;
use tokio_postgres_rustls::MakeRustlsConnect;

/// The pool of one connection is one test's at a time: who breaks off a statement loses the connection for both.
static POOL: Mutex<()> = Mutex::const_new(());

/// The users' role through a pool of one server connection, and the certificate authority of its server.
async fn single(stack: &Stack) -> Result<(String, Vec<u8>)> {
    let url = stack.secret(Secret::UserDatabase).await?;
    let (head, options) = url.rsplit_once('?').context("no options")?;
    let (server, _) = head.rsplit_once('/').context("no database")?;
    let root = stack.database_root()?;
    Ok((format!("{server}/single?{options}"), root))
}

/// A connection of somebody who has the pool's password, and sets what they like.
async fn raw(url: &str, root: Vec<u8>) -> Result<tokio_postgres::Client> {
    let config: tokio_postgres::Config = url.parse()?;
    let tls = MakeRustlsConnect::new(oslira_lambda::tls_config(Some(root))?);
    let (client, connection) = config.connect(tls).await?;
    tokio::spawn(connection);
    Ok(client)
}

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
    let _alone = POOL.lock().await;
    let stack = Stack::connect().await?;
    let (ann, bob) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let (single, root) = single(&stack).await?;
    let db = || UserDb::lazy(CachedSecret::fixed(&single), Some(root.clone()));
    let (ann_db, bob_db) = (db()?, db()?);
    let (ann_id, bob_id): (UserId, UserId) = (ann.user_id.parse()?, bob.user_id.parse()?);

    let who = "select auth.uid()::text as uid, current_user::text as role, current_setting('statement_timeout') as timeout";
    let errors = ["select 1/0", "select 'x'::integer", "select * from oslira.task_answers", "syntax error"];
    for round in 0..400_usize {
        if round % 2 == 0 {
            poll_and_drop(round % 23, ann_db.all(ann_id, "select pg_sleep(0.002)", &[])).await;
        } else {
            let broken = errors.get(round / 2 % errors.len()).context("no error")?;
            assert!(ann_db.all(ann_id, broken, &[]).await.is_err(), "{broken}");
        }
        let row = bob_db.one(bob_id, who, &[]).await?;
        assert_eq!(row.read::<String>("uid")?, bob.user_id, "round {round}");
        assert_eq!(row.read::<String>("role")?, "authenticated", "round {round}");

        let accounts = bob_db.all(bob_id, "select account_id::text as id from public.accounts", &[]).await?;
        let ids = accounts.iter().map(|row| row.read("id")).collect::<Result<Vec<String>, _>>()?;
        assert_eq!(ids, std::slice::from_ref(&bob.account_id), "round {round}");
    }
    // What a transaction set, it set for itself: a client that sets nothing finds nothing.
    let raw = raw(&single, root.clone()).await?;
    let left = "select coalesce(current_setting('request.jwt.claims', true), '') as claims, current_user::text as role";
    let left = raw.query_typed(left, &[]).await?;
    let left = left.first().context("no row")?;
    assert_eq!(left.get::<_, &str>("claims"), "");
    assert_eq!(left.get::<_, &str>("role"), "oslira_user");

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

/// What somebody with the pool's password leaves on a connection, or as the default of the role, and what a transaction of
/// ours has instead. `{ann}` is another user's id, `{bob}` the caller's.
const POISON: [(&str, &str, &str); 25] = [
    ("request.jwt.claim.sub", "{ann}", "{bob}"),
    ("request.jwt.claim.role", "service_role", "authenticated"),
    ("request.jwt.claim.email", "ann@example.test", ""),
    ("request.jwt.claim", r#"{"sub": "{ann}", "role": "service_role"}"#, ""),
    (
        "request.jwt.claims",
        r#"{"sub": "{ann}", "role": "service_role"}"#,
        r#"{"sub":"{bob}","role":"authenticated"}"#,
    ),
    ("row_security", "off", "on"),
    ("search_path", "pg_temp, public", "pg_catalog, pg_temp"),
    ("default_transaction_read_only", "on", "on"),
    ("transaction_read_only", "", "off"),
    ("default_transaction_isolation", "serializable", "serializable"),
    ("transaction_isolation", "", "read committed"),
    ("statement_timeout", "2s", "4s"),
    ("lock_timeout", "1ms", "3500ms"),
    ("idle_in_transaction_session_timeout", "1h", "4s"),
    ("synchronous_commit", "off", "on"),
    ("client_encoding", "LATIN1", "UTF8"),
    ("standard_conforming_strings", "off", "on"),
    ("datestyle", "SQL, DMY", "ISO, YMD"),
    ("intervalstyle", "sql_standard", "postgres"),
    ("timezone", "Asia/Tokyo", "UTC"),
    ("bytea_output", "escape", "hex"),
    ("extra_float_digits", "-15", "1"),
    ("array_nulls", "off", "on"),
    ("transform_null_equals", "on", "off"),
    ("plpgsql.extra_errors", "all", "none"),
];

#[tokio::test]
async fn what_was_set_on_a_connection_before_changes_no_answer() -> Result<()> {
    let _alone = POOL.lock().await;
    let stack = Stack::connect().await?;
    let (ann, bob) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let (single, root) = single(&stack).await?;
    let intruder = raw(&single, root.clone()).await?;
    let db = UserDb::lazy(CachedSecret::fixed(&single), Some(root))?;
    let bob_id: UserId = bob.user_id.parse()?;
    let secret = stack.aws.create_secret(&single).await?;
    let mut lambda = Lambda::start(&stack, "verify-token", &[("USER_DATABASE_SECRET", &secret)]).await?;
    let fill = |text: &str| text.replace("{ann}", &ann.user_id).replace("{bob}", &bob.user_id);

    for (name, poison, expected) in POISON {
        let (poison, expected) = (fill(poison), fill(expected));
        if !poison.is_empty() {
            intruder.batch_execute(&format!("select set_config('{name}', '{poison}', false)")).await?;
        }
        let sql = format!(
            "select coalesce(current_setting('{name}', true), '') as value, auth.uid()::text as uid,
                             auth.role() as role, auth.email() as email, auth.jwt() ->> 'sub' as sub"
        );
        let row = db.one(bob_id, &sql, &[]).await?;
        assert_eq!(row.read::<String>("value")?, expected, "{name}");
        assert_eq!(row.read::<String>("uid")?, bob.user_id, "{name}");
        assert_eq!(row.read::<String>("role")?, "authenticated", "{name}");
        assert_eq!(row.read::<Option<String>>("email")?, None, "{name}");
        assert_eq!(row.read::<String>("sub")?, bob.user_id, "{name}");

        // All of it is still there, or this proves nothing.
        let left = intruder
            .query_typed(&format!("select coalesce(current_setting('{name}', true), '') as value"), &[])
            .await?;
        let left: &str = left.first().context("no row")?.get("value");
        assert!(poison.is_empty() || left == poison || name == "client_encoding", "{name} is {left:?}");

        let event = bob.get_event(paths::AUTH_VERIFY, &[]);
        let reply = lambda.invoke(&event).await?.http()?;
        assert_eq!(reply.status, 200, "{name}: {}", reply.body);
        assert_eq!(reply.data()["userId"], bob.user_id.as_str(), "{name}");
        let accounts: Vec<&Value> = reply.data()["accounts"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|account| &account["accountId"])
            .collect();
        assert_eq!(accounts, [&json!(bob.account_id)], "{name}: {}", reply.body);
    }
    Ok(())
}

#[tokio::test]
async fn a_deploy_takes_back_what_a_login_role_made_its_default() -> Result<()> {
    let _alone = POOL.lock().await;
    let stack = Stack::connect().await?;
    let (single, root) = single(&stack).await?;
    let intruder = raw(&single, root).await?;
    intruder.batch_execute("alter role oslira_user set work_mem = '1MB'").await?;
    intruder.batch_execute("alter role oslira_user in database postgres set work_mem = '2MB'").await?;
    let defaults = "select count(*) as n from pg_db_role_setting s join pg_roles r on r.oid = s.setrole
                      where r.rolname in ('oslira_user', 'oslira_system')";
    assert_eq!(stack.database.row(defaults, &[]).await?["n"], 2);
    let migrate = stack.description.functions.get("migrate-database").context("no migrate-database")?;
    stack.aws.invoke(migrate, &json!({})).await?.map_err(anyhow::Error::msg)?;
    assert_eq!(stack.database.row(defaults, &[]).await?["n"], 0);
    Ok(())
}
