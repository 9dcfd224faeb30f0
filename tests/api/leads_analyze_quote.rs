//! `POST /api/leads/analyze?quote=true`

use anyhow::{Context, Result};
use oslira_domain::Tier;
use oslira_tests::paths::{ANALYZE, QUOTE};
use oslira_tests::{Reply, Run, Stack, User, paths, refused};
use reqwest::Method;
use serde_json::{Value, json};

/// The codes of what would refuse the analysis.
fn refusals(quote: &Reply) -> Vec<&str> {
    let refusals = quote.data()["refusals"].as_array().into_iter().flatten();
    refusals.filter_map(|refusal| refusal["code"].as_str()).collect()
}

async fn quote(user: &User<'_>, tier: Tier, username: &str) -> Result<Reply> {
    let reply = user.post(QUOTE, &user.analysis_in(tier, username)).await?;
    assert_eq!(reply.status, 200, "{}", reply.body);
    Ok(reply)
}

#[tokio::test]
async fn a_quote_tells_the_price_and_charges_and_starts_nothing() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("quoted");
    for (tier, cost, seconds) in [(Tier::Light, 1, 10), (Tier::Deep, 5, 21), (Tier::Xray, 6, 18)] {
        let reply = quote(&user, tier, &username).await?;
        assert_eq!(
            *reply.data(),
            json!({
                "cost": cost, "balance": 10, "balanceAfter": 10 - cost, "estimatedSeconds": seconds, "cachedProfile": null,
                "duplicateOf": null, "refusals": [],
            })
        );
    }
    // A quote takes no key: another request may still use it.
    let body = user.analysis_of(&username);
    assert_eq!(user.post_with_key(QUOTE, "key", &body).await?.status, 200);
    assert_eq!(stack.run_count(&user.account_id).await?, 0, "runs");
    assert_eq!(user.balance().await?, 10, "the balance");
    assert_eq!(stack.stand_ins.actor_runs(&username).await?, 0, "actors");

    let without_quote = paths::with_query(ANALYZE, "quote=false");
    let other = user.username("started");
    let reply = user.post_with_key(&without_quote, "key", &user.analysis_of(&other)).await?;
    assert_eq!(reply.status, 202, "{}", reply.body);
    user.finished(&Run { run_id: reply.run_id()?.to_owned(), username: other }).await?;
    assert_eq!(user.balance().await?, 9);
    Ok(())
}

#[tokio::test]
async fn a_quote_waits_for_no_start_of_its_account() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let holder = stack.another_database_connection().await?;
    let hold = format!(
        "begin; select from public.credit_balances where account_id = '{}' for update",
        user.account_id
    );
    holder.run(&hold).await?;
    let reply = quote(&user, Tier::Light, &user.username("unhindered")).await?;
    assert_eq!(reply.data()["balance"], 10);
    holder.run("rollback").await
}

#[tokio::test]
async fn a_quote_names_all_that_would_refuse_the_analysis_and_a_start_the_first_of_it() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 7).await?;
    let username = user.username("refused");
    let twin = user.call_start_analysis(Tier::Deep, &username).await?;
    let mut body = user.analysis_in(Tier::Deep, &username);

    let reply = user.post(QUOTE, &body).await?;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(refusals(&reply), ["AnalysisInProgress", "InsufficientCredits"]);
    assert_eq!(reply.data()["balanceAfter"], 2 - 5, "{}", reply.body);
    let quoted = reply.data()["refusals"].clone();
    assert_eq!(reply.data()["duplicateOf"], twin.run_id, "{}", reply.body);

    // What stands in the way goes away, one after the other.
    let other = user.username("other");
    for (n, name, code, status) in
        [(0, &username, "AnalysisInProgress", 409), (1, &other, "InsufficientCredits", 402)]
    {
        body["username"] = json!(name);
        let again = user.post(QUOTE, &body).await?;
        assert_eq!(refusals(&again).first(), Some(&code), "{}", again.body);
        let start = user.post(ANALYZE, &body).await?;
        assert_eq!(start.refusal(), refused(status, code), "{}", start.body);
        assert_eq!(start.body["error"], quoted[n]["error"], "{code}");
        assert_eq!(quoted[n]["reason"], Value::Null, "{code}");
    }
    assert_eq!(stack.run_count(&user.account_id).await?, 1, "runs");
    assert_eq!(user.balance().await?, 2);
    stack.refund(&twin).await?;
    let reply = user.post(QUOTE, &body).await?;
    assert_eq!(refusals(&reply), [""; 0], "{}", reply.body);
    Ok(())
}

#[tokio::test]
async fn a_quote_tells_when_the_accounts_hour_is_used_up_and_takes_no_turn() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    user.may_start_an_hour(1).await?;
    for _ in 0..3 {
        let reply = quote(&user, Tier::Light, &user.username("quoted")).await?;
        assert_eq!(refusals(&reply), [""; 0], "{}", reply.body);
    }
    user.analyze(&user.username("private")).await?;
    let reply = quote(&user, Tier::Light, &user.username("quoted")).await?;
    assert_eq!(refusals(&reply), ["TooManyRequests"], "{}", reply.body);
    let wait = reply.data()["refusals"][0]["retryAfterSeconds"].as_i64().context("no wait")?;
    assert!((1..=3_600).contains(&wait), "{wait}");
    Ok(())
}

#[tokio::test]
async fn a_quote_knows_of_a_cached_profile_only_what_the_account_has_seen_itself() -> Result<()> {
    let stack = Stack::connect().await?;
    let (user, stranger) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let username = user.username("cached");
    // In the cache by another account's analysis.
    assert_eq!(stranger.analyze_tier(Tier::Deep, &username).await?.1["status"], "complete");
    for (tier, seconds) in [(Tier::Light, 10), (Tier::Deep, 21), (Tier::Xray, 18)] {
        let reply = quote(&user, tier, &username).await?;
        assert_eq!(reply.data()["cachedProfile"], Value::Null, "{tier}: {}", reply.body);
        assert_eq!(reply.data()["estimatedSeconds"], seconds, "{tier}");
    }

    let (run, _) = user.analyze(&username).await?;
    let result = user.result(&run).await?;
    assert_eq!(result.data()["cacheHit"], true, "{}", result.body);
    let reply = quote(&user, Tier::Light, &username).await?;
    let cached = &reply.data()["cachedProfile"];
    assert_eq!(cached["dataAsOf"], result.data()["dataAsOf"], "{}", reply.body);
    let age = cached["ageSeconds"].as_i64().context("no age")?;
    assert!((0..=600).contains(&age), "{age}");
    assert_eq!(reply.data()["estimatedSeconds"], 3);
    // The account has not seen the fifty posts that these need. Another account's have.
    for tier in [Tier::Deep, Tier::Xray] {
        assert_eq!(quote(&user, tier, &username).await?.data()["cachedProfile"], Value::Null, "{tier}");
        assert!(quote(&stranger, tier, &username).await?.data()["cachedProfile"].is_object(), "{tier}");
    }

    let sql = format!(
        "update public.analyses set data_as_of = now() - interval '24 hours' where run_id = '{}'",
        run.run_id
    );
    stack.database.run(&sql).await?;
    let reply = quote(&user, Tier::Light, &username).await?;
    assert_eq!(reply.data()["cachedProfile"], Value::Null, "too old: {}", reply.body);
    Ok(())
}

#[tokio::test]
async fn a_bad_request_for_a_quote_is_refused_as_a_start_is() -> Result<()> {
    let stack = Stack::connect().await?;
    let (user, stranger) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let good = user.analysis_of("nasa");
    for query in ["quote=yes", "quote=", "quote=1", "quote=true&quote=true", "quotes=true"] {
        let reply = user.post(&paths::with_query(ANALYZE, query), &good).await?;
        assert_eq!(reply.refusal(), refused(400, "ValidationFailed"), "{query}: {}", reply.body);
    }
    let mut elsewhere = good.clone();
    elsewhere["businessProfileId"] = json!(stranger.business_profile_id);
    for (body, refusal) in [
        (json!({"username": "na sa"}), refused(400, "ValidationFailed")),
        (json!([]), refused(400, "ValidationFailed")),
        (elsewhere, refused(404, "BusinessProfileNotFound")),
    ] {
        for path in [QUOTE, ANALYZE] {
            let reply = user.post(path, &body).await?;
            assert_eq!(reply.refusal(), refusal, "{path} {body}: {}", reply.body);
        }
    }
    assert_eq!(user.post_with_key(QUOTE, "two words", &good).await?.status, 400);
    let headers = [("x-account-id", stranger.account_id.as_str())];
    let body = stranger.analysis_of("nasa").to_string();
    let reply = user.request(Method::POST, QUOTE, &headers, Some(body)).await?;
    assert_eq!(reply.refusal(), refused(404, "AccountNotFound"), "{}", reply.body);
    Ok(())
}
