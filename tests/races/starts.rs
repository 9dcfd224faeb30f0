//! A hundred starts at once against a balance for fewer.

use anyhow::{Context, Result};
use futures::future::{join_all, try_join_all};
use oslira_tests::{Lambda, NOWHERE, Stack, User, eventually, paths};
use serde_json::json;
use std::collections::BTreeMap;

const STARTS: usize = 100;

/// Has so many Lambdas started, by requests that are refused. A hundred cold starts keep two cores busy for longer than a start
/// waits for its database.
pub(crate) async fn have_lambdas_ready(user: &User<'_>, count: usize) -> Result<()> {
    let nothing = json!({});
    let refused = try_join_all((0..count).map(|_| user.post(paths::ANALYZE, &nothing))).await?;
    assert!(refused.iter().all(|reply| reply.status == 400), "{refused:?}");
    Ok(())
}

#[tokio::test]
async fn exactly_as_many_are_accepted_as_the_balance_covers() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 37).await?;
    have_lambdas_ready(&user, STARTS).await?;
    let start = |_: usize| {
        let body = user.analysis_of(&user.username("burst"));
        let user = &user;
        async move { user.post(paths::ANALYZE, &body).await }
    };
    let replies = try_join_all((0..STARTS).map(start)).await?;
    let mut statuses: BTreeMap<u16, u64> = BTreeMap::new();
    for reply in &replies {
        *statuses.entry(reply.status).or_default() += 1;
    }
    assert_eq!(statuses, BTreeMap::from([(202, 37), (402, 63)]));
    assert_eq!(stack.run_count(&user.account_id).await?, 37, "runs");
    assert_eq!(user.balance().await?, 0, "the balance");
    // Leave the stack as quiet as it was.
    eventually("the runs to end", || async {
        let sql =
            "select count(*) as n from public.runs where account_id = $1::text::uuid and status = 'pending'";
        Ok((stack.database.row(sql, &[&user.account_id]).await?["n"] == 0).then_some(()))
    })
    .await
}

/// Each start is a process of its own, as in a burst of cold starts; a fifth is killed, each at its own point of the
/// way: before, during and after its transaction.
#[tokio::test]
#[expect(clippy::print_stdout, reason = "the spread shows that the race was one")]
async fn a_start_killed_midway_is_charged_with_a_run_or_not_at_all() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 60).await?;
    // Without Step Functions and the queue no refund interferes: the ledger shows the starts alone.
    let nowhere = [("AWS_ENDPOINT_URL_SFN", NOWHERE), ("AWS_ENDPOINT_URL_SQS", NOWHERE)];
    let (mut statuses, mut killed): (BTreeMap<u16, u64>, u64) = Default::default();
    for wave in 0..STARTS / 20 {
        let starting = (0..20).map(|_| Lambda::start(&stack, "start-analysis", &nowhere));
        let lambdas = try_join_all(starting).await.with_context(|| format!("wave {wave}"))?;
        let start = |(n, mut lambda): (usize, Lambda)| {
            let (stack, user) = (&stack, &user);
            let username = user.username("killed");
            async move {
                lambda.send(&user.post_event(paths::ANALYZE, &user.analysis_of(&username)))?;
                if n % 5 > 0 {
                    return anyhow::Ok(Some(lambda.answered().await?.http()?.status));
                }
                // The first of a wave dies at once, each later one after so many looks at the database, and the last
                // when its run is there.
                for _ in 0..n {
                    let sql = "select count(*) as n from public.runs where username = $1";
                    let is_charged = stack.database.row(sql, &[&username]).await?["n"] == 1;
                    if is_charged && n < 15 {
                        break;
                    }
                }
                lambda.kill().await?;
                Ok(None)
            }
        };
        for outcome in join_all(lambdas.into_iter().enumerate().map(start)).await {
            match outcome? {
                Some(status) => *statuses.entry(status).or_default() += 1,
                None => killed += 1,
            }
        }
    }
    let accepted = statuses.get(&202).copied().unwrap_or_default();
    let refused = statuses.get(&402).copied().unwrap_or_default();
    assert_eq!(accepted + refused, 80, "accepted and refused ones: {statuses:?}");
    assert_eq!(killed, 20, "killed ones");

    // What a killed start has sent may still be on its way to Postgres: the last word is spoken when all are silent.
    stack.users_statements_ended().await?;
    let charged = stack.run_count(&user.account_id).await?;
    assert!((accepted..=accepted + killed).contains(&charged), "{accepted} accepted, {charged} charged");
    assert_eq!(user.balance().await?, 60 - i64::try_from(charged)?);
    let sql = "select count(*) as n from public.runs r where account_id = $1::text::uuid and not exists (
                 select from public.credit_transactions t where t.run_id = r.run_id and t.kind = 'charge' and t.amount = -1)";
    assert_eq!(stack.database.row(sql, &[&user.account_id]).await?["n"], 0, "every run has its charge");
    println!("note: of {killed} starts killed midway, {} had been charged", charged - accepted);
    Ok(())
}
