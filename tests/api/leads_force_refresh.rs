//! `POST /api/leads/{leadId}/force-refresh`: what the account's next analysis reads, and what others read.

use anyhow::{Context, Result};
use jiff::Timestamp;
use oslira_tests::{Fault, Run, Stack, User, refused};
use serde_json::json;

fn moment(value: &serde_json::Value) -> Result<Timestamp> {
    Ok(value.as_str().with_context(|| format!("no moment: {value}"))?.parse()?)
}

/// Whether a run read the cache alone, after seeing that it is complete.
async fn is_cache_hit(user: &User<'_>, run: &Run) -> Result<bool> {
    let result = user.result(run).await?;
    result.data()["cacheHit"].as_bool().with_context(|| format!("not complete: {}", result.body))
}

#[tokio::test]
async fn the_accounts_next_analysis_scrapes_what_others_still_read_from_the_cache() -> Result<()> {
    let stack = Stack::connect().await?;
    let (user, other) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let username = user.username("forced");
    let (first, _) = user.analyze(&username).await?;
    let lead_id = user.lead_of(&first).await?;
    let quote = || async { user.post(oslira_tests::paths::QUOTE, &user.analysis_of(&username)).await };
    let before = quote().await?;
    assert_eq!(before.data()["duplicateOf"], first.run_id, "{}", before.body);
    assert!(before.data()["cachedProfile"].is_object(), "{}", before.body);
    let forced = user.force_refresh(&lead_id).await?;
    assert_eq!(forced.status, 200, "{}", forced.body);
    let after = quote().await?;
    assert_eq!(after.data()["refusals"], json!([]), "it is another analysis now: {}", after.body);
    assert_eq!(after.data()["cachedProfile"], json!(null), "which reads nothing cached: {}", after.body);
    assert_eq!(forced.data()["leadId"], lead_id.as_str());
    assert_eq!(user.balance().await?, 9, "it costs nothing");

    let (cached, _) = other.analyze(&username).await?;
    assert!(is_cache_hit(&other, &cached).await?, "another account's analysis reads the cache");
    assert_eq!(stack.stand_ins.actor_runs(&username).await?, 1);

    // The same analysis as a moment ago, and no duplicate: the account has asked for newer data since.
    let (fresh, _) = user.analyze(&username).await?;
    assert!(!is_cache_hit(&user, &fresh).await?, "this account's does not");
    assert_eq!(stack.stand_ins.actor_runs(&username).await?, 2);
    let data_as_of = moment(&user.result(&fresh).await?.data()["dataAsOf"])?;
    assert!(data_as_of >= moment(&forced.data()["freshSince"])?, "{data_as_of} and {}", forced.body);

    let twin = user.post(oslira_tests::paths::ANALYZE, &user.analysis_of(&username)).await?;
    assert_eq!(twin.refusal(), refused(409, "AnalysisInProgress"), "once more is a duplicate: {}", twin.body);
    stack.age(&fresh).await?;
    let (again, _) = user.analyze(&username).await?;
    assert!(is_cache_hit(&user, &again).await?, "what is newer than the demand is read from the cache");
    Ok(())
}

#[tokio::test]
async fn a_failed_analysis_does_not_use_the_demand_up() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("again");
    let lead_id = user.lead(&username).await?;
    assert_eq!(user.force_refresh(&lead_id).await?.status, 200);
    stack.stand_ins.fault(Fault::status(oslira_tests::Upstream::Apify, 400).of(&username).times(1)).await?;
    let (failed, progress) = user.analyze(&username).await?;
    assert_eq!(progress["status"], "failed", "{}: {progress}", failed.run_id);
    let (run, _) = user.analyze(&username).await?;
    assert!(!is_cache_hit(&user, &run).await?);
    assert_eq!(stack.stand_ins.actor_runs(&username).await?, 2, "the first analysis, and this one");
    Ok(())
}

#[tokio::test]
async fn what_another_account_scraped_since_then_is_new_enough() -> Result<()> {
    let stack = Stack::connect().await?;
    let (user, other) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let username = user.username("since");
    let lead_id = user.lead(&username).await?;
    let others_lead = other.lead(&username).await?;
    assert_eq!(user.force_refresh(&lead_id).await?.status, 200);
    assert_eq!(other.force_refresh(&others_lead).await?.status, 200);
    let (scraped, _) = other.analyze(&username).await?;
    assert!(!is_cache_hit(&other, &scraped).await?);
    let (shared, _) = user.analyze(&username).await?;
    assert!(is_cache_hit(&user, &shared).await?, "it was scraped after the demand");
    assert_eq!(stack.stand_ins.actor_runs(&username).await?, 2);
    Ok(())
}

#[tokio::test]
async fn thirty_an_hour_are_let_through() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let lead_id = user.lead(&user.username("eager")).await?;
    let mut latest = Timestamp::UNIX_EPOCH;
    for _ in 0..30 {
        let forced = user.force_refresh(&lead_id).await?;
        assert_eq!(forced.status, 200, "{}", forced.body);
        let fresh_since = moment(&forced.data()["freshSince"])?;
        assert!(fresh_since > latest, "each demand sets a newer moment");
        latest = fresh_since;
    }
    let refusal = user.force_refresh(&lead_id).await?;
    assert_eq!(refusal.refusal(), refused(429, "TooManyRequests"), "{}", refusal.body);
    assert_eq!(refusal.body["details"], json!({"limit": 30, "windowSeconds": 3_600}));
    assert!(refusal.header("retry-after").parse::<u32>().is_ok_and(|wait| wait > 0));
    stack.let_time_pass(&format!("force-refresh#{}", user.account_id), 61 * 60_000).await?;
    assert_eq!(user.force_refresh(&lead_id).await?.status, 200);
    Ok(())
}
