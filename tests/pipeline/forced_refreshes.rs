//! Analyses for which newer data was demanded: what they scrape, beside others that scrape the same.

use anyhow::{Context, Result};
use jiff::Timestamp;
use oslira_domain::Tier;
use oslira_tests::{Stack, User};
use serde_json::Value;

async fn data_as_of(user: &User<'_>, run: &oslira_tests::Run) -> Result<Timestamp> {
    let result = user.result(run).await?;
    Ok(result.data()["dataAsOf"].as_str().with_context(|| format!("no result: {}", result.body))?.parse()?)
}

#[tokio::test]
async fn a_deep_analysis_scrapes_the_profile_and_its_posts_again() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 20).await?;
    let username = user.username("deepforced");
    let (first, _) = user.analyze_tier(Tier::Deep, &username).await?;
    let lead_id = user.lead_of(&first).await?;
    let forced = user.force_refresh(&lead_id).await?;
    let (run, progress) = user.analyze_tier(Tier::Deep, &username).await?;
    assert_eq!(progress["status"], "complete", "{progress}");
    assert_eq!(stack.stand_ins.actor_runs(&username).await?, 4, "two of each");
    let fresh_since: Timestamp = forced.data()["freshSince"].as_str().context("freshSince")?.parse()?;
    // The age of the whole is that of the older one.
    assert!(data_as_of(&user, &run).await? >= fresh_since);
    Ok(())
}

#[tokio::test]
async fn the_scrape_of_another_run_is_shared_when_it_ends_after_the_demand() -> Result<()> {
    let stack = Stack::connect().await?;
    let (user, other) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let username = user.username("joined");
    let lead_id = user.lead(&username).await?;
    stack.age_cached_profile(&username, 25).await?;
    stack.hold_actors(&username).await?;
    let scrapes = other.start(&username).await?;
    stack.actors_started(&username, 2).await?;
    assert_eq!(user.force_refresh(&lead_id).await?.status, 200);
    let waits = user.start(&username).await?;
    stack.runs_waiting(&username, 1).await?;
    stack.stand_ins.release(&username).await?;
    for (user, run) in [(&other, &scrapes), (&user, &waits)] {
        assert_eq!(user.finished(run).await?["status"], "complete");
    }
    assert_eq!(stack.stand_ins.actor_runs(&username).await?, 2, "one for both");
    Ok(())
}

#[tokio::test]
async fn what_an_actor_found_before_the_demand_is_kept_for_others_and_not_read() -> Result<()> {
    let stack = Stack::connect().await?;
    let (user, other) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let username = user.username("toolate");
    let lead_id = user.lead(&username).await?;
    stack.age_cached_profile(&username, 25).await?;
    // Its scraper died; its actor ended, and nobody has read what it found.
    let orphan = other.orphan(&username).await?;
    stack.stand_ins.release(&username).await?;
    let forced = user.force_refresh(&lead_id).await?;
    stack.seem_dead(&username).await?;
    let run = user.start(&username).await?;
    // The first, the orphan's, and a new one, which is held like the orphan's was.
    stack.actors_started(&username, 3).await?;
    stack.stand_ins.release(&username).await?;
    let progress = user.finished(&run).await?;
    assert_eq!(progress["status"], "complete", "{progress}");
    let fresh_since: Timestamp = forced.data()["freshSince"].as_str().context("freshSince")?.parse()?;
    assert!(data_as_of(&user, &run).await? >= fresh_since);
    assert_eq!(stack.stand_ins.actor_runs(&username).await?, 3, "and no more");
    assert_eq!(stack.slots_of(&username).await?, 0, "no slot is left over");
    let paid: Vec<Value> = stack.calls(&orphan).await?;
    assert_eq!(paid.len(), 1, "the orphan's actor is on its record: {paid:?}");
    stack.refund(&orphan).await?;
    Ok(())
}
