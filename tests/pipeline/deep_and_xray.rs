//! DEEP and XRAY analyses: fifty posts scraped beside the profile, and three or four tasks side by side.

use anyhow::{Context, Result};
use oslira_domain::Tier;
use oslira_tests::{Ending, Fault, Run, Stack, User};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// A tier with its price, its tasks, and its sections beside the summary.
struct Depth {
    tier: Tier,
    credits: i64,
    tasks: &'static [&'static str],
    sections: &'static [&'static str],
}

const DEPTHS: [Depth; 2] = [
    Depth {
        tier: Tier::Deep,
        credits: 5,
        tasks: &["core_strategy", "outreach", "personality"],
        sections: &["deepSummary", "sellingPoints", "outreach", "personality"],
    },
    Depth {
        tier: Tier::Xray,
        credits: 6,
        tasks: &["commercial", "outreach", "personality", "psychographic"],
        sections: &["deepSummary", "sellingPoints", "commercial", "outreach", "personality", "psychographic"],
    },
];

/// How many upstream calls of each task are on a run's record, and what they cost together.
async fn calls(stack: &Stack, run: &Run) -> Result<BTreeMap<String, i64>> {
    let sql =
        "select task, count(*) as n from public.ai_usage_logs where run_id = $1::text::uuid group by task";
    let rows = stack.database.rows(sql, &[&run.run_id]).await?;
    let count = |row: &Value| Some((row["task"].as_str()?.to_owned(), row["n"].as_i64()?));
    rows.iter().map(|row| count(row).context("a row without a count")).collect()
}

fn once<'a>(tasks: impl IntoIterator<Item = &'a str>) -> BTreeMap<String, i64> {
    tasks.into_iter().map(|task| (task.to_owned(), 1)).collect()
}

#[tokio::test]
async fn a_cold_run_reads_fifty_posts_and_has_every_section() -> Result<()> {
    let stack = Stack::connect().await?;
    for Depth { tier, credits, tasks, sections } in DEPTHS {
        let user = User::sign_up(&stack, 10).await?;
        let username = user.username("coffee");
        let (run, progress) = user.analyze_tier(tier, &username).await?;
        assert_eq!(progress["status"], "complete", "{tier}: {progress}");
        let reply = user.result(&run).await?;
        let data = reply.data();
        assert_eq!(data["analysisType"], tier.as_str(), "{}", reply.body);
        assert_eq!(data["cacheHit"], false, "cacheHit: {tier}");
        assert_eq!(data["creditsCharged"], credits, "creditsCharged: {tier}");
        assert_eq!(data["metrics"]["postsSeen"], 50, "{tier}: {}", data["metrics"]);
        assert!(data["score"].is_u64() && data["summary"].is_string(), "{tier}");
        for section in sections {
            let is_told = data[section].as_str().is_some_and(|text| !text.is_empty())
                || data[section].as_array().is_some_and(|list| !list.is_empty())
                || data[section].as_object().is_some_and(|fields| !fields.is_empty());
            assert!(is_told, "{tier}: {section} is {}", data[section]);
        }
        assert!(data["outreach"]["message"].is_string() && data["sellingPoints"][0]["point"].is_string());
        let ai_fit =
            data["subScores"].as_array().context("subScores")?.iter().find(|sub| sub["name"] == "aiFit");
        assert!(ai_fit.context("aiFit")?["evidence"][0].is_string(), "{tier}");

        let scrapes = ["scrape", "scrape_posts"];
        assert_eq!(
            calls(&stack, &run).await?,
            once(scrapes.into_iter().chain(tasks.iter().copied())),
            "{tier}"
        );
        assert_eq!(stack.stand_ins.actor_runs(&username).await?, 2, "{tier}");
        let steps = data["timing"]["steps"].as_array().context("steps")?;
        let names: Vec<&Value> = steps.iter().map(|step| &step["name"]).collect();
        assert_eq!(names, ["queued", "scraping", "analyzing", "saving"], "{tier}");
        assert_eq!(user.balance().await?, 10 - credits, "{tier}");
    }
    Ok(())
}

#[tokio::test]
async fn a_cached_run_starts_no_actor_and_has_a_fit_of_its_own() -> Result<()> {
    let stack = Stack::connect().await?;
    for Depth { tier, tasks, .. } in DEPTHS {
        let (first, second) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
        let username = first.username("cached");
        let (cold, _) = first.analyze_tier(tier, &username).await?;
        let (cached, progress) = second.analyze_tier(tier, &username).await?;
        assert_eq!(progress["status"], "complete", "{tier}: {progress}");
        let (cold, cached_result) = (first.result(&cold).await?, second.result(&cached).await?);
        assert_eq!(cached_result.data()["cacheHit"], true, "{tier}");
        assert_eq!(cached_result.data()["dataAsOf"], cold.data()["dataAsOf"], "{tier}");
        assert_eq!(cached_result.data()["metrics"], cold.data()["metrics"], "{tier}: the same fifty posts");
        assert_eq!(calls(&stack, &cached).await?, once(tasks.iter().copied()), "{tier}");
        assert_eq!(stack.stand_ins.actor_runs(&username).await?, 2, "{tier}");
    }
    Ok(())
}

#[tokio::test]
async fn only_what_the_cache_lacks_is_scraped() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("half");
    user.analyze(&username).await?;
    let (run, progress) = user.analyze_tier(Tier::Deep, &username).await?;
    assert_eq!(progress["status"], "complete", "{progress}");
    assert_eq!(user.result(&run).await?.data()["cacheHit"], false);
    let calls = calls(&stack, &run).await?;
    assert_eq!(calls.get("scrape"), None, "scrape: {calls:?}");
    assert_eq!(calls.get("scrape_posts"), Some(&1), "scrape_posts: {calls:?}");
    Ok(())
}

#[tokio::test]
async fn the_profile_decides_when_there_is_nothing_to_read() -> Result<()> {
    let stack = Stack::connect().await?;
    for (word, reason) in [("missing", "ProfileNotFound"), ("private", "ProfilePrivate")] {
        let user = User::sign_up(&stack, 10).await?;
        let (_, progress) = user.analyze_tier(Tier::Deep, &user.username(word)).await?;
        assert_eq!(Ending::of(&progress), Ending::failed(reason), "{progress}");
        assert_eq!(user.balance().await?, 10, "{word}");
    }
    for word in ["newborn", "noposts"] {
        let user = User::sign_up(&stack, 10).await?;
        let (run, progress) = user.analyze_tier(Tier::Xray, &user.username(word)).await?;
        assert_eq!(progress["status"], "complete", "{word}: {progress}");
        assert_eq!(user.result(&run).await?.data()["metrics"]["postsSeen"], 0, "{word}");
    }
    Ok(())
}

#[tokio::test]
async fn posts_that_cannot_be_scraped_fail_the_run_and_refund_it() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("halfdown");
    // The posts' actor is given addresses, the profiles' actor names.
    let posts_only = format!("instagram.com/{username}");
    let fault = Fault::failed_actor().of(&posts_only);
    stack.stand_ins.fault(fault).await?;
    let (run, progress) = user.analyze_tier(Tier::Deep, &username).await?;
    assert_eq!(Ending::of(&progress), Ending::failed("ApifyUnavailable"), "{progress}");
    assert_eq!(user.balance().await?, 10);
    let calls = calls(&stack, &run).await?;
    assert_eq!(calls.get("scrape"), Some(&1), "scrape: {calls:?}");
    assert_eq!(calls.get("scrape_posts"), Some(&4), "scrape_posts: {calls:?}");
    Ok(())
}

#[tokio::test]
async fn posts_that_came_empty_wait_for_the_profile_instead_of_being_paid_for_again() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("private");
    // Only the actor of profiles is given bare usernames; that of posts has long ended when it sees that this one is private.
    let slow = Fault::slow_actor(Duration::from_secs(3)).of(format!("[\"{username}"));
    stack.stand_ins.fault(slow).await?;
    let (_, progress) = user.analyze_tier(Tier::Deep, &username).await?;
    assert_eq!(progress["code"], "ProfilePrivate", "{progress}");
    assert_eq!(user.balance().await?, 10, "the balance");
    assert_eq!(stack.stand_ins.actor_runs(&username).await?, 2, "actors");
    Ok(())
}
