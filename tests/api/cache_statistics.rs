//! `GET /api/cache/statistics`

use anyhow::{Context, Result};
use oslira_domain::Tier;
use oslira_tests::paths::CACHE_STATISTICS;
use oslira_tests::{Stack, User, refused};
use reqwest::Method;
use serde_json::{Value, json};

/// What is told of a tier.
fn of_tier(data: &Value, tier: Tier) -> Result<&Value> {
    let mut tiers = data["tiers"].as_array().into_iter().flatten();
    tiers.find(|told| told["analysisType"] == json!(tier)).context("no such tier")
}

/// The hits of each age.
fn ages(tier: &Value) -> Vec<(u64, u64, u64)> {
    let number = |age: &Value, name: &str| age[name].as_u64().unwrap_or(u64::MAX);
    let ages = tier["ages"].as_array().into_iter().flatten();
    ages.map(|age| (number(age, "fromHours"), number(age, "untilHours"), number(age, "hits"))).collect()
}

#[tokio::test]
async fn hits_and_misses_of_ones_own_analyses_are_told() -> Result<()> {
    let stack = Stack::connect().await?;
    let (user, other) = (User::sign_up(&stack, 30).await?, User::sign_up(&stack, 30).await?);
    let username = other.username("cached");
    // The other tenant's analyses fill the cache. They are nobody else's statistics.
    for tier in [Tier::Light, Tier::Deep] {
        let (_, done) = other.analyze_tier(tier, &username).await?;
        assert_eq!(done["status"], "complete", "{done}");
    }
    for (tier, username) in
        [(Tier::Light, &username), (Tier::Light, &user.username("cold")), (Tier::Deep, &username)]
    {
        let (_, done) = user.analyze_tier(tier, username).await?;
        assert_eq!(done["status"], "complete", "{done}");
    }

    let reply = user.get(CACHE_STATISTICS).await?;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let data = reply.data();
    let shown =
        |figures: &Value| ["hits", "misses", "hitRate", "scrapesSaved"].map(|name| figures[name].clone());
    assert_eq!(shown(&data["total"]), [json!(2), json!(1), json!(2.0 / 3.0), json!(3)]);
    let light = of_tier(data, Tier::Light)?;
    assert_eq!(shown(light), [json!(1), json!(1), json!(0.5), json!(1)]);
    assert!(light["secondsSaved"].is_u64(), "there is a miss to compare the hit with: {light}");
    assert_eq!(ages(light), [(0, 1, 1), (1, 3, 0), (3, 6, 0), (6, 12, 0), (12, 24, 0)]);
    let deep = of_tier(data, Tier::Deep)?;
    assert_eq!(shown(deep), [json!(1), json!(0), json!(1.0), json!(2)]);
    assert_eq!(deep["secondsSaved"], Value::Null, "there is none: {deep}");
    assert_eq!(ages(deep), [(0, 1, 1), (1, 3, 0), (3, 6, 0), (6, 12, 0)]);
    let xray = of_tier(data, Tier::Xray)?;
    assert_eq!(shown(xray), [json!(0), json!(0), Value::Null, json!(0)]);
    assert_eq!(ages(xray), [(0, 1, 0), (1, 3, 0), (3, 6, 0)]);

    let of_other = other.get(CACHE_STATISTICS).await?;
    assert_eq!(shown(&of_other.data()["total"]), [json!(0), json!(2), json!(0.0), json!(0)]);
    Ok(())
}

#[tokio::test]
async fn thirty_days_are_summed_and_older_ones_are_not() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    // None of these days gets into the 30 or out of them if midnight comes between this and the question.
    let sql = format!(
        "insert into public.usage_days (account_id, day, tier, completed, hits_under_3h, hits_from_12h, hits_reading_ms, misses_reading_ms)
           select '{}', (now() at time zone 'UTC')::date - ago, 'light', 4, 1, 1, 250, 12000
             from unnest(array[1, 2, 28, 31, 400]) ago",
        user.account_id
    );
    stack.database.run(&sql).await?;
    let reply = user.get(CACHE_STATISTICS).await?;
    let light = of_tier(reply.data(), Tier::Light)?;
    assert_eq!(ages(light), [(0, 1, 0), (1, 3, 3), (3, 6, 0), (6, 12, 0), (12, 24, 3)]);
    // Misses took 6 s each, hits 125 ms.
    assert_eq!(
        reply.data()["total"],
        json!({"hits": 6, "misses": 6, "hitRate": 0.5, "scrapesSaved": 6, "secondsSaved": 35})
    );
    Ok(())
}

#[tokio::test]
async fn another_tenants_statistics_do_not_exist() -> Result<()> {
    let stack = Stack::connect().await?;
    let (user, stranger) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let headers = [("x-account-id", stranger.account_id.as_str())];
    let reply = user.request(Method::GET, CACHE_STATISTICS, &headers, None).await?;
    assert_eq!(reply.refusal(), refused(404, "AccountNotFound"), "{}", reply.body);
    let reply = user.get(&format!("{CACHE_STATISTICS}?days=7")).await?;
    assert_eq!(reply.refusal(), refused(400, "ValidationFailed"), "{}", reply.body);
    Ok(())
}
