//! What is counted of AI calls, by many at once.

use crate::dynamodb;
use anyhow::{Context, Result, ensure};
use aws_sdk_dynamodb::Client;
use futures::future::join_all;
use jiff::{Timestamp, tz::TimeZone};
use oslira_domain::AccountId;
use oslira_stores::AiUsage;
use oslira_tests::Stack;
use uuid::Uuid;

/// An attribute's sum over the items whose key begins so.
async fn sum(stack: &Stack, period: &str, attribute: &str) -> Result<f64> {
    let items = stack.aws.items(&stack.functions_env["AI_USAGE_TABLE"]).await?;
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
    let client = Client::from_conf(dynamodb(&stack.description.aws_endpoint).build());
    let usage = &AiUsage::with(client, &stack.functions_env["AI_USAGE_TABLE"]);
    let mut under_way = Vec::new();
    for begun in join_all((0..40).map(|_| usage.begin())).await {
        under_way.push(begun?);
    }
    assert_eq!(sum(stack, "steps#", "inFlight").await?, 40.0);
    // The first call of a day may have a second; then one in twenty.
    assert_eq!((usage.may_hedge().await, usage.may_hedge().await), (true, false));
    // A step whose answer was there already made no call.
    let free = under_way.split_off(20);
    // Two accounts and visitors.
    let (ours, others) = (AccountId(Uuid::new_v4()), AccountId(Uuid::new_v4()));
    let ends = under_way.into_iter().enumerate().map(|(number, step)| {
        let account_id = [Some(ours), Some(others), None, Some(ours)][number % 4];
        usage.end(Some(step), account_id, 3, 0.000_25)
    });
    for ended in join_all(ends).await {
        ended?;
    }
    for ended in join_all(free.into_iter().map(|step| usage.end(Some(step), Some(ours), 0, 0.0))).await {
        ended?;
    }
    assert_eq!(sum(stack, "steps#", "inFlight").await?, 0.0);
    let (calls, cost) = (sum(stack, "day#", "calls").await?, sum(stack, "day#", "costUsd").await?);
    assert_eq!((calls, (cost * 1e6).round()), (60.0, 5_000.0));
    let date = Timestamp::now().to_zoned(TimeZone::UTC).date();
    for (account_id, spent) in [(ours, 2_500.0), (others, 1_250.0)] {
        let cost = sum(stack, &format!("account#{date}#{account_id}"), "costUsd").await?;
        assert_eq!((cost * 1e6).round(), spent);
    }
    let hedged = join_all((0..50).map(|_| usage.may_hedge())).await;
    assert_eq!(hedged.into_iter().filter(|may| *may).count(), 3, "of 60 calls, 3 and the first");
    stack.calm().await
}
