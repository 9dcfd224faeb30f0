//! `GET /api/credits/pricing`

use anyhow::{Context, Result};
use oslira_domain::{Plan, Tier};
use oslira_tests::paths::{CREDITS_PRICING, with_query};
use oslira_tests::{ORIGIN, Reply, Stack, refused};
use reqwest::Method;
use serde_json::{Value, json};

/// What anyone is told.
async fn told(stack: &Stack, query: &str) -> Result<Reply> {
    stack.request(Method::GET, &with_query(CREDITS_PRICING, query), &[("origin", ORIGIN)]).await
}

#[tokio::test]
async fn anyone_reads_the_price_list_and_may_keep_it() -> Result<()> {
    let stack = Stack::connect().await?;
    let reply = stack.request(Method::GET, CREDITS_PRICING, &[("origin", ORIGIN)]).await?;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.header("cache-control"), "public, max-age=3600");
    assert_eq!(reply.header("access-control-allow-origin"), ORIGIN);
    assert_eq!(reply.header("vary"), "Origin");
    assert_eq!(
        *reply.data(),
        json!({
            "currency": "USD",
            "plans": [
                {"id": "free", "name": "Free", "monthlyPriceCents": 0, "monthlyCredits": 0, "startingCredits": 10,
                 "analysesPerHour": 100},
                {"id": "starter", "name": "Starter", "monthlyPriceCents": 3900, "monthlyCredits": 50, "startingCredits": 0,
                 "analysesPerHour": 300},
                {"id": "growth", "name": "Growth", "monthlyPriceCents": 14900, "monthlyCredits": 200, "startingCredits": 0,
                 "analysesPerHour": 1000},
            ],
            "packs": [
                {"id": "pack-10", "credits": 10, "priceCents": 970},
                {"id": "pack-50", "credits": 50, "priceCents": 4500},
                {"id": "pack-200", "credits": 200, "priceCents": 16000},
            ],
            "analyses": [
                {"analysisType": "light", "name": "Quick Analysis", "credits": 1, "listPriceCents": 97},
                {"analysisType": "deep", "name": "Profile Analysis", "credits": 5, "listPriceCents": 485},
                {"analysisType": "xray", "name": "X-Ray Analysis", "credits": 6, "listPriceCents": 582},
            ],
        })
    );
    Ok(())
}

#[tokio::test]
async fn a_purchase_has_the_price_of_its_pack_or_of_its_single_credits() -> Result<()> {
    let stack = Stack::connect().await?;
    for (credits, cents, pack) in [
        (1, 97, Value::Null),
        (10, 970, json!("pack-10")),
        (49, 4753, Value::Null),
        (50, 4500, json!("pack-50")),
        (200, 16000, json!("pack-200")),
        (10_000, 970_000, Value::Null),
    ] {
        let reply = told(&stack, &format!("credits={credits}")).await?;
        assert_eq!(
            reply.data()["purchase"],
            json!({"credits": credits, "priceCents": cents, "packId": pack}),
            "{}",
            reply.body
        );
    }
    Ok(())
}

#[tokio::test]
async fn what_is_no_number_of_credits_is_refused_and_not_kept() -> Result<()> {
    let stack = Stack::connect().await?;
    for credits in ["0", "10001", "-1", "1.5", "%2B5", "", "ten", "99999999999999999999"] {
        let reply = told(&stack, &format!("credits={credits}")).await?;
        assert_eq!(reply.refusal(), refused(400, "ValidationFailed"), "{credits}: {}", reply.body);
        assert_eq!(
            reply.body["details"],
            json!({"credits": "must be a whole number from 1 to 10000"}),
            "{credits}"
        );
        assert_eq!(reply.header("cache-control"), "no-store");
    }
    for (query, field) in [("credits=1&credits=2", "credits"), ("plan=free", "plan")] {
        let reply = told(&stack, query).await?;
        assert_eq!(reply.refusal(), refused(400, "ValidationFailed"), "{query}: {}", reply.body);
        let details = reply.body["details"].as_object().context("no details")?;
        assert_eq!(details.keys().collect::<Vec<_>>(), [field], "{query}");
    }
    Ok(())
}

/// SQL grants the starting credits, and takes an analysis' price, by its own copy of the list.
#[tokio::test]
async fn the_database_has_the_same_prices() -> Result<()> {
    let stack = Stack::connect().await?;
    let sql = "select plan_id, name, monthly_credits, starting_credits, price_cents, analyses_per_hour
                 from public.plans where plan_id not like 'test-%' order by price_cents";
    let plans = Plan::ALL.map(|plan| {
        json!({
            "plan_id": plan.id, "name": plan.name, "monthly_credits": plan.monthly_credits,
            "starting_credits": plan.starting_credits, "price_cents": plan.monthly_cents,
            "analyses_per_hour": plan.analyses_per_hour,
        })
    });
    assert_eq!(stack.database.rows(sql, &[]).await?, plans);
    let sql = "select tier, name, credits, list_price_cents from public.analysis_tiers order by credits";
    let tiers = Tier::ALL.map(|tier| {
        json!({
            "tier": tier.as_str(), "name": tier.label(), "credits": tier.credits(),
            "list_price_cents": tier.list_price_cents(),
        })
    });
    assert_eq!(stack.database.rows(sql, &[]).await?, tiers);
    Ok(())
}
