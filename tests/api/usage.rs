//! `GET /api/usage`

use anyhow::{Context, Result};
use oslira_domain::Tier;
use oslira_tests::paths::{CREDITS_TRANSACTIONS, USAGE, with_query};
use oslira_tests::{Stack, User, refused};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Adds a run of this tier that was charged at that time, and perhaps refunded at another one.
async fn with_run(
    user: &User<'_>,
    stack: &Stack,
    tier: Tier,
    charged: &str,
    refunded: Option<&str>,
) -> Result<()> {
    let (account_id, credits) = (&user.account_id, tier.credits());
    let refund = refunded.map_or_else(String::new, |refunded| {
        format!(
            "insert into public.credit_transactions (account_id, kind, amount, run_id, reverses, reason, created_at)
               select account_id, 'refund', -amount, run_id, credit_transaction_id, 'test', '{refunded}'
                 from public.credit_transactions
                 where account_id = '{account_id}' and kind = 'charge' and created_at = '{charged}';"
        )
    });
    let sql = format!(
        "begin;
         select oslira.keep_business_profile_version(p) from public.business_profiles p
           where business_profile_id = '{profile}';
         insert into public.runs (run_id, account_id, business_profile_id, business_profile_version, requested_by, username, tier,
             status, failure_code, credits_charged, created_at, finished_at)
           select gen_random_uuid(), '{account_id}', business_profile_id, version, '{user_id}', 'made.up', '{tier}', 'failed',
                  'ProfilePrivate', {credits}, '{charged}', '{charged}'
             from public.business_profiles where business_profile_id = '{profile}';
         insert into public.credit_transactions (account_id, kind, amount, run_id, reason, created_at)
           select account_id, 'charge', -credits_charged, run_id, 'test', created_at
             from public.runs where account_id = '{account_id}' and created_at = '{charged}';
         {refund}
         commit",
        profile = user.business_profile_id,
        user_id = user.user_id
    );
    stack.database.run(&sql).await
}

/// Charges and refunds of the ledger between two moments, in credits.
async fn ledger(user: &User<'_>, since: &str, until: &str) -> Result<BTreeMap<String, i64>> {
    let query = format!("kind=charge,refund&pageSize=100&since={since}T00:00:00Z&until={until}T00:00:00Z");
    let reply = user.get(&with_query(CREDITS_TRANSACTIONS, &query)).await?;
    let mut sums = BTreeMap::from([("charge".to_owned(), 0), ("refund".to_owned(), 0)]);
    for entry in reply.data()["data"].as_array().context("no ledger")? {
        let kind = entry["kind"].as_str().context("no kind")?;
        *sums.entry(kind.to_owned()).or_default() += entry["amount"].as_i64().context("no amount")?.abs();
    }
    Ok(sums)
}

#[tokio::test]
async fn what_happened_today_is_told_and_adds_up_with_the_ledger() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 20).await?;
    let username = user.username("used");
    let (_, done) = user.analyze(&username).await?;
    assert_eq!(done["status"], "complete", "{done}");
    // Its profile is cached, its posts are not.
    let (_, done) = user.analyze_tier(Tier::Deep, &username).await?;
    assert_eq!(done["status"], "complete", "{done}");
    let (_, refunded) = user.analyze(&user.username("private")).await?;
    assert_eq!(refunded["status"], "failed", "{refunded}");
    let other = User::sign_up(&stack, 20).await?;
    let (_, done) = other.analyze(&username).await?;
    assert_eq!(done["status"], "complete", "{done}");

    let reply = user.get(USAGE).await?;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let total = &reply.data()["total"];
    assert_eq!(
        *total,
        json!({
            "started": 3, "completed": 2, "refunded": 1, "creditsCharged": 7, "creditsRefunded": 1, "cacheHits": 0,
            "cacheHitRate": 0.0,
        })
    );
    // Midnight may have been in between: a tier is then on two days.
    let days = reply.data()["days"].as_array().context("no days")?;
    for (name, sum) in total.as_object().context("no total")? {
        if let Some(sum) = sum.as_u64() {
            let by_day: u64 = days.iter().filter_map(|day| day[name].as_u64()).sum();
            assert_eq!(by_day, sum, "{name}");
        }
    }
    let (since, until) = (reply.data()["since"].as_str(), reply.data()["until"].as_str());
    let ledger = ledger(&user, since.context("since")?, until.context("until")?).await?;
    assert_eq!(json!(ledger), json!({"charge": total["creditsCharged"], "refund": total["creditsRefunded"]}));
    assert_eq!(user.balance().await?, 14);

    let of_other = other.get(USAGE).await?;
    assert_eq!(
        of_other.data()["total"],
        json!({
            "started": 1, "completed": 1, "refunded": 0, "creditsCharged": 1, "creditsRefunded": 0, "cacheHits": 1,
            "cacheHitRate": 1.0,
        })
    );
    Ok(())
}

#[tokio::test]
async fn days_in_utc_are_told_from_the_first_to_the_one_before_until() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 100).await?;
    for (tier, charged, refunded) in [
        (Tier::Xray, "2026-01-31T23:59:59.999999Z", Some("2026-02-01T00:00:00Z")),
        (Tier::Deep, "2026-02-01T00:00:00.000001Z", None),
        (Tier::Light, "2026-02-01T23:59:59.999998Z", None),
        (Tier::Light, "2026-02-01T12:00:00Z", Some("2026-02-01T12:00:10Z")),
        (Tier::Light, "2026-02-02T00:00:00Z", None),
    ] {
        with_run(&user, &stack, tier, charged, refunded).await?;
    }
    let figures = |started: u64, refunded: u64, charged: u64, returned: u64| {
        json!({
            "started": started, "completed": 0, "refunded": refunded, "creditsCharged": charged, "creditsRefunded": returned,
            "cacheHits": 0, "cacheHitRate": null,
        })
    };
    let day = |date: &str, tier: Tier, mut figures: Value| {
        figures["date"] = json!(date);
        figures["analysisType"] = json!(tier);
        figures
    };
    let first_of_february = [
        day("2026-02-01", Tier::Light, figures(2, 1, 2, 1)),
        day("2026-02-01", Tier::Deep, figures(1, 0, 5, 0)),
        day("2026-02-01", Tier::Xray, figures(0, 1, 0, 6)),
    ];
    for (since, until, total, days) in [
        ("2026-02-01", "2026-02-02", figures(3, 2, 7, 7), first_of_february.to_vec()),
        (
            "2026-01-31",
            "2026-02-01",
            figures(1, 0, 6, 0),
            vec![day("2026-01-31", Tier::Xray, figures(1, 0, 6, 0))],
        ),
        (
            "2026-02-02",
            "2026-02-03",
            figures(1, 0, 1, 0),
            vec![day("2026-02-02", Tier::Light, figures(1, 0, 1, 0))],
        ),
        ("2026-02-03", "2026-02-04", figures(0, 0, 0, 0), vec![]),
    ] {
        let reply = user.get(&with_query(USAGE, &format!("since={since}&until={until}"))).await?;
        assert_eq!(
            *reply.data(),
            json!({"since": since, "until": until, "total": total, "days": days}),
            "{since} to {until}"
        );
        let ledger = ledger(&user, since, until).await?;
        assert_eq!(
            json!(ledger),
            json!({"charge": total["creditsCharged"], "refund": total["creditsRefunded"]})
        );
    }
    // The longest range there is.
    let reply = user.get(&with_query(USAGE, "since=2026-01-01&until=2027-01-02")).await?;
    assert_eq!(reply.data()["total"], figures(5, 2, 14, 7), "{}", reply.body);
    let dates: Vec<_> =
        reply.data()["days"].as_array().into_iter().flatten().map(|day| &day["date"]).collect();
    assert!(dates.is_sorted_by_key(|date| date.as_str()), "{dates:?}");
    Ok(())
}

#[tokio::test]
async fn what_is_no_range_of_days_is_refused() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    for (query, details) in [
        ("since=2026-01-01", json!({"until": "is required with since"})),
        ("until=2026-01-01", json!({"since": "is required with until"})),
        ("since=2026-01-01&until=2026-01-01", json!({"until": "must be later than since"})),
        ("since=2026-01-02&until=2026-01-01", json!({"until": "must be later than since"})),
        ("since=2026-01-01&until=2027-01-03", json!({"until": "must be at most 366 days after since"})),
        ("since=0001-01-01&until=9999-12-31", json!({"until": "must be at most 366 days after since"})),
        (
            "since=2026-01-01T00:00:00Z&until=2026-02-30&page=1",
            json!({
                "since": "must be a day such as 2026-11-24, in the years 0001 to 9999",
                "until": "must be a day such as 2026-11-24, in the years 0001 to 9999",
                "page": "is not a known parameter; known are since, until",
            }),
        ),
    ] {
        let reply = user.get(&with_query(USAGE, query)).await?;
        assert_eq!(reply.refusal(), refused(400, "ValidationFailed"), "{query}: {}", reply.body);
        assert_eq!(reply.body["details"], details, "{query}");
    }
    let widest = user.get(&with_query(USAGE, "since=9998-12-31&until=9999-12-31")).await?;
    assert_eq!(widest.status, 200, "{}", widest.body);
    Ok(())
}

#[tokio::test]
async fn another_tenants_usage_does_not_exist() -> Result<()> {
    let stack = Stack::connect().await?;
    let (user, stranger) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    with_run(&stranger, &stack, Tier::Light, "2026-02-01T00:00:00Z", None).await?;
    let headers = [("x-account-id", stranger.account_id.as_str())];
    for path in [USAGE.to_owned(), with_query(USAGE, "since=2026-01-01&until=2026-03-01")] {
        let reply = user.request(Method::GET, &path, &headers, None).await?;
        assert_eq!(reply.refusal(), refused(404, "AccountNotFound"), "{path}: {}", reply.body);
    }
    // A member of the account reads it.
    stranger.add_member(&user).await?;
    let reply = user
        .request(Method::GET, &with_query(USAGE, "since=2026-01-01&until=2026-03-01"), &headers, None)
        .await?;
    assert_eq!(reply.data()["total"]["started"], 1, "{}", reply.body);
    Ok(())
}
