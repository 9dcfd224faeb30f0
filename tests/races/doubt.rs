//! Starts whose transaction waits, or whose connection breaks: the credits are taken with a run that begins, or not at all.

use anyhow::{Context, Result};
use futures::future::try_join_all;
use oslira_lambda::Secret;
use oslira_tests::{
    Answer, Database, DatabaseProxy, Lambda, Message, Run, Stack, User, eventually, paths, refused,
};
use serde_json::{Value, json};
use std::time::Duration;

/// A Lambda that starts analyses through a proxy before the pooler.
async fn starter(stack: &Stack) -> Result<(Lambda, DatabaseProxy)> {
    let proxy = DatabaseProxy::start(&stack.secret(Secret::UserDatabase).await?, Duration::ZERO).await?;
    let secret = stack.aws.create_secret(&proxy.url).await?;
    let lambda = Lambda::start(stack, "start-analysis", &[("USER_DATABASE_SECRET", &secret)]).await?;
    Ok((lambda, proxy))
}

fn start_of(user: &User<'_>, username: &str) -> Value {
    user.post_event(paths::ANALYZE, &user.analysis_of(username))
}

/// The run that an answer leaves in doubt.
fn doubtful(answer: &Answer, username: &str) -> Result<Run> {
    let reply = answer.http()?;
    assert_eq!(reply.refusal(), refused(503, "StoreUnavailable"), "{}", reply.body);
    let run_id = reply.body["details"]["runId"].as_str();
    let run_id = run_id.with_context(|| format!("no run in {}", reply.body))?.to_owned();
    Ok(Run { run_id, username: username.to_owned() })
}

async fn is_charged(stack: &Stack, run: &Run) -> Result<bool> {
    let sql = "select count(*) as n from public.runs where run_id = $1::text::uuid";
    Ok(stack.database.row(sql, &[&run.run_id]).await?["n"] == 1)
}

/// Another superuser's connection, in a transaction that holds the account's balance row.
async fn hold_balance(stack: &Stack, user: &User<'_>) -> Result<(Database, String)> {
    let holder = stack.another_database_connection().await?;
    let sql = format!(
        "begin; select from public.credit_balances where account_id = '{}' for update",
        user.account_id
    );
    holder.run(&sql).await?;
    let pid = holder.process_id().await?;
    Ok((holder, pid))
}

/// What a start came to, to compare.
#[derive(Debug, PartialEq)]
struct Started {
    status: u16,
    runs: u64,
    balance: i64,
}

#[tokio::test]
async fn a_start_that_waits_for_the_balance_is_accepted_or_leaves_nothing() -> Result<()> {
    let stack = &Stack::connect().await?;
    let started = try_join_all([3, 6, 9].map(async |seconds| {
        let user = User::sign_up(stack, 10).await?;
        let username = user.username("waits");
        let (mut lambda, _proxy) = starter(stack).await?;
        let (holder, _) = hold_balance(stack, &user).await?;
        let held = async { holder.run(&format!("select pg_sleep({seconds}); commit")).await };
        let event = start_of(&user, &username);
        let (answer, ()) = tokio::try_join!(lambda.invoke(&event), held)?;
        anyhow::Ok((seconds, user, answer.http()?))
    }))
    .await?;
    stack.users_statements_ended().await?;
    for (seconds, user, reply) in &started {
        let started = Started {
            status: reply.status,
            runs: stack.run_count(&user.account_id).await?,
            balance: user.balance().await?,
        };
        // Postgres gives up after three and a half seconds, and says so: nothing is in doubt.
        let expected = if *seconds == 3 {
            Started { status: 202, runs: 1, balance: 9 }
        } else {
            Started { status: 503, runs: 0, balance: 10 }
        };
        assert_eq!(started, expected, "{seconds} s: {}", reply.body);
        assert!(reply.body["details"].is_null(), "{seconds} s: {}", reply.body);
    }
    Ok(())
}

#[tokio::test]
async fn a_connection_cut_before_the_transaction_begins_costs_nothing() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("cut");
    let (mut lambda, proxy) = starter(&stack).await?;
    proxy.shut_by_data();
    let run = doubtful(&lambda.invoke(&start_of(&user, &username)).await?, &username)?;
    stack.users_statements_ended().await?;
    assert!(!is_charged(&stack, &run).await?, "it was charged");
    assert_eq!(user.balance().await?, 10, "the balance");

    // The queue's consumer looks for it, minutes apart, and then is done.
    let mut consumer = Lambda::start(&stack, "start-queued-run", &[]).await?;
    for (receive_count, is_doubtful, failures) in [(1, true, 1), (4, true, 1), (5, true, 0), (5, false, 1)] {
        let body = json!({"runId": run.run_id, "isDoubtful": is_doubtful}).to_string();
        let failed = consumer.work_off(&[Message { id: "m-1", body, receive_count }]).await?;
        assert_eq!(failed.len(), failures, "receive {receive_count}, doubtful {is_doubtful}");
    }
    Ok(())
}

#[tokio::test]
async fn a_connection_cut_while_the_statement_waits_costs_nothing_when_postgres_gives_up() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("cut");
    let (mut lambda, proxy) = starter(&stack).await?;
    let (holder, pid) = hold_balance(&stack, &user).await?;
    lambda.send(&start_of(&user, &username))?;
    stack.statements_waiting(&pid, 1).await?;
    proxy.shut();
    let run = doubtful(&lambda.answered().await?, &username)?;
    // The statement goes on waiting for nobody, until its time is up.
    stack.users_statements_ended().await?;
    holder.run("commit").await?;
    assert!(!is_charged(&stack, &run).await?, "it was charged");
    assert_eq!(user.balance().await?, 10, "the balance");
    Ok(())
}

#[tokio::test]
async fn a_connection_cut_at_the_commit_begins_the_run_all_the_same() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("cut");
    let (mut lambda, proxy) = starter(&stack).await?;
    // The commit of this username's run waits for a lock.
    let holder = stack.another_database_connection().await?;
    let name = format!("hold_{username}");
    let pid = holder.process_id().await?;
    holder
        .run(&format!(
            "create function pg_catalog.{name}() returns trigger language plpgsql as $$
               begin perform pg_advisory_xact_lock(hashtext('{name}')); return null; end $$;
             create constraint trigger {name} after insert on public.runs deferrable initially deferred
               for each row when (new.username = '{username}') execute function pg_catalog.{name}();
             select pg_advisory_lock(hashtext('{name}'))"
        ))
        .await?;
    lambda.send(&start_of(&user, &username))?;
    stack.statements_waiting(&pid, 1).await?;
    proxy.shut();
    let run = doubtful(&lambda.answered().await?, &username)?;
    assert!(!is_charged(&stack, &run).await?, "the commit is still to come");
    holder.run(&format!("select pg_advisory_unlock(hashtext('{name}'))")).await?;
    eventually("the late commit", || async { Ok(is_charged(&stack, &run).await?.then_some(())) }).await?;
    assert_eq!(user.balance().await?, 9);

    // Who tries again without a key is told of the run.
    let again = user.post(paths::ANALYZE, &user.analysis_of(&username)).await?;
    assert_eq!(again.status, 409, "{}", again.body);
    assert_eq!(again.body["details"]["runId"], run.run_id.as_str(), "{}", again.body);
    // Nobody but the queue begins it.
    assert_eq!(user.finished(&run).await?["status"], "complete");
    assert_eq!(user.balance().await?, 9);
    holder.run(&format!("drop trigger {name} on public.runs; drop function pg_catalog.{name}()")).await
}
