//! A hundred starts at once against a balance for fewer.

use anyhow::{Context, Result};
use futures::future::{join_all, try_join_all};
use oslira_tests::{Lambda, Stack, User, eventually};
use serde_json::Value;
use std::collections::BTreeMap;

const STARTS: usize = 100;

async fn runs(stack: &Stack, user: &User<'_>) -> Result<usize> {
    let sql = "select count(*) as n from public.runs where account_id = $1::text::uuid";
    let n = stack.database.row(sql, &[&user.account_id]).await?["n"].as_u64().context("n")?;
    Ok(usize::try_from(n)?)
}

#[tokio::test]
async fn exactly_as_many_are_accepted_as_the_balance_covers() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 37).await?;
    // Refused in the end, so that the pipeline has little to do; what counts here is the start.
    let start = |n: usize| {
        let username = user.username(&format!("missing{n}"));
        let body = user.analysis_of(&username);
        let user = &user;
        async move { user.post("/api/leads/analyze", &body).await }
    };
    let replies = try_join_all((0..STARTS).map(start)).await?;
    let mut statuses: BTreeMap<u16, usize> = BTreeMap::new();
    for reply in &replies {
        *statuses.entry(reply.status).or_default() += 1;
    }
    // A refund may come before the last start, and then pays for one more.
    let accepted = statuses.get(&202).copied().unwrap_or_default();
    assert_eq!(accepted + statuses.get(&402).copied().unwrap_or_default(), STARTS, "{statuses:?}");
    assert!(accepted >= 37, "{statuses:?}");
    assert_eq!(runs(&stack, &user).await?, accepted);
    eventually("all refunds", || async { Ok((user.balance().await? == 37).then_some(())) }).await
}

/// Each start is a process of its own, as in a burst of cold starts; a fifth is killed at a moment of its own.
#[tokio::test]
async fn a_start_killed_midway_is_charged_with_a_run_or_not_at_all() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 40).await?;
    // Without Step Functions and the queue no refund interferes: the ledger shows the starts alone.
    let nowhere =
        [("AWS_ENDPOINT_URL_SFN", "http://127.0.0.1:9"), ("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:9")];
    let mut lambdas = Vec::new();
    for batch in 0..STARTS / 20 {
        let starting = (0..20).map(|_| Lambda::start(&stack, "start-analysis", &nowhere));
        lambdas.extend(try_join_all(starting).await.with_context(|| format!("batch {batch}"))?);
    }
    let start = |(n, mut lambda): (usize, Lambda)| {
        let body = user.analysis_of(&user.username("killed"));
        let event = user.event("POST", "/api/leads/analyze", &Value::Null, &body);
        async move {
            lambda.send(&event)?;
            if n % 5 == 0 {
                // Between any two instructions: each victim gets a few more turns of the scheduler than the last.
                for _ in 0..n {
                    tokio::task::yield_now().await;
                }
                lambda.kill().await?;
                return anyhow::Ok(None);
            }
            lambda.answered().await?.http().map(|(status, _)| Some(status))
        }
    };
    let outcomes = join_all(lambdas.into_iter().enumerate().map(start)).await;
    let statuses: Vec<Option<u16>> = outcomes.into_iter().collect::<Result<_>>()?;
    let accepted = statuses.iter().filter(|status| **status == Some(202)).count();
    let refused = statuses.iter().filter(|status| **status == Some(402)).count();
    let killed = statuses.iter().filter(|status| status.is_none()).count();
    assert_eq!((accepted + refused, killed), (80, 20), "{statuses:?}");

    let charged = runs(&stack, &user).await?;
    assert!(
        (accepted..=accepted + killed).contains(&charged),
        "{accepted} accepted, {killed} killed, {charged} charged"
    );
    assert_eq!(charged, 40, "eighty survivors want a balance for forty");
    assert_eq!(user.balance().await?, 0);
    let sql = "select count(*) as n from public.runs r where account_id = $1::text::uuid and not exists (
                 select from public.credit_transactions t where t.run_id = r.run_id and t.kind = 'charge' and t.amount = -1)";
    assert_eq!(stack.database.row(sql, &[&user.account_id]).await?["n"], 0, "every run has its charge");
    Ok(())
}
