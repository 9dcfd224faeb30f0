//! What is counted of AI calls, by many at once.

use anyhow::{Context, Result, ensure};
use aws_sdk_dynamodb::Client;
use futures::future::join_all;
use jiff::{Timestamp, tz::TimeZone};
use oslira_domain::{AccountId, Code};
use oslira_stores::{AiUsage, InFlight};
use oslira_tests::Stack;
use uuid::Uuid;

/// An attribute's sum over the items whose key begins so.
async fn sum(stack: &Stack, period: &str, attribute: &str) -> Result<f64> {
    let items = stack.aws.items(&stack.description.tables["ai-usage"]).await?;
    let mut sum = 0.0;
    for item in &items {
        if item["period"]["S"].as_str().is_some_and(|key| key.starts_with(period)) {
            sum += item[attribute]["N"].as_str().unwrap_or("0").parse::<f64>()?;
            let expires_at: i64 = item["expiresAt"]["N"].as_str().context("it stays for good")?.parse()?;
            ensure!(expires_at > Timestamp::now().as_second(), "{item}");
        }
    }
    Ok(sum)
}

#[tokio::test]
async fn steps_under_way_calls_and_costs_add_up() -> Result<()> {
    let stack = &Stack::connect_alone().await?;
    let client = Client::from_conf(stack.dynamodb().build());
    let usage = &AiUsage::with(client, &stack.description.tables["ai-usage"], 200);
    // Two accounts and anonymous runs.
    let (ours, others) = (AccountId(Uuid::new_v4()), AccountId(Uuid::new_v4()));
    let of = |number: usize| [Some(ours), Some(others), None, Some(ours)][number % 4];
    let mut under_way = Vec::new();
    for begun in join_all((0..40).map(|number| begin_one(usage, of(number)))).await {
        under_way.push(begun?);
    }
    assert_eq!(sum(stack, "calls#", "inFlight").await?, 40.0);
    // The first call of a day may have a second one beside it; then one in twenty.
    assert!(usage.may_hedge().await, "the first call of a day");
    assert!(!usage.may_hedge().await, "the second");
    // One whose answer was there already made no request.
    let free = under_way.split_off(20);
    let ends = under_way.into_iter().enumerate();
    let ends = ends.map(|(number, call)| usage.end(Some(call), of(number), 3, 0.000_25));
    for ended in join_all(ends).await {
        ended?;
    }
    for ended in join_all(free.into_iter().map(|call| usage.end(Some(call), Some(ours), 0, 0.0))).await {
        ended?;
    }
    assert_eq!(sum(stack, "calls#", "inFlight").await?, 0.0);
    let (calls, cost) = (sum(stack, "day#", "calls").await?, sum(stack, "day#", "costUsd").await?);
    assert_eq!(calls, 60.0, "calls");
    assert_eq!((cost * 1e6).round(), 5_000.0, "millionths of a dollar");
    let date = Timestamp::now().to_zoned(TimeZone::UTC).date();
    for (account_id, spent) in [(ours, 2_500.0), (others, 1_250.0)] {
        let cost = sum(stack, &format!("account#{date}#{account_id}"), "costUsd").await?;
        assert_eq!((cost * 1e6).round(), spent, "millionths of a dollar of {account_id}");
    }
    let hedged = join_all((0..50).map(|_| usage.may_hedge())).await;
    assert_eq!(hedged.into_iter().filter(|may| *may).count(), 3, "of 60 calls, 3 and the first");
    stack.calm().await
}

/// Begins a call, if it may.
async fn begin_one(usage: &AiUsage, account_id: Option<AccountId>) -> oslira_domain::Result<InFlight> {
    usage.begin(usage.look(account_id).await?).await
}

/// Begins so many calls at once: those that may.
async fn begin(usage: &AiUsage, account_id: Option<AccountId>, count: usize) -> Result<Vec<InFlight>> {
    let mut begun = Vec::new();
    for call in join_all((0..count).map(|_| begin_one(usage, account_id))).await {
        match call {
            Err(error) if error.code == Code::ShareTaken => {}
            call => begun.push(call?),
        }
    }
    Ok(begun)
}

#[tokio::test]
async fn of_calls_that_begin_at_once_an_account_has_its_share_and_others_get_theirs() -> Result<()> {
    let stack = &Stack::connect_alone().await?;
    let client = Client::from_conf(stack.dynamodb().build());
    let usage = &AiUsage::with(client, &stack.description.tables["ai-usage"], 24);
    let (flood, second, single) =
        (AccountId(Uuid::new_v4()), AccountId(Uuid::new_v4()), AccountId(Uuid::new_v4()));
    let mut flooding = begin(usage, Some(flood), 60).await?;
    assert_eq!(flooding.len(), 16, "two thirds of 24");
    assert_eq!(sum(stack, "calls#", "inFlight").await?, 16.0, "under way");
    let two = begin(usage, Some(second), 60).await?;
    assert_eq!(two.len(), 6, "two thirds of what the first flood leaves");
    let anonymous = begin(usage, None, 60).await?;
    assert_eq!(anonymous.len(), 4, "a run's calls, although two are left");
    assert_eq!(begin(usage, Some(single), 4).await?.len(), 4, "whoever else floods");

    // The first flood's share has become smaller, so that the others' grows.
    for call in flooding.split_off(12) {
        usage.end(Some(call), Some(flood), 0, 0.0).await?;
    }
    assert_eq!(begin(usage, Some(flood), 60).await?.len(), 0);
    assert_eq!(sum(stack, "calls#", "inFlight").await?, 26.0, "what was turned away is not counted");
    stack.calm().await
}
