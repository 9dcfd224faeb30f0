//! `/api/leads/{leadId}/refresh-check`: at once from the cache, or after a scrape; how often; and whose leads.

use anyhow::{Context, Result};
use futures::future::try_join_all;
use oslira_tests::{Lambda, NOWHERE, Stack, User, paths, refused};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

#[tokio::test]
async fn a_profile_that_was_looked_at_lately_is_compared_at_once() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("unchanged");
    let lead_id = user.lead(&username).await?;
    let reply = user.check_refresh(&lead_id).await?;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let data = reply.data();
    assert_eq!((&data["needsRefresh"], &data["reasons"]), (&json!(false), &json!([])), "{data}");
    assert_eq!(data["visibility"], "public", "{data}");
    let entry =
        stack.aws.object(&stack.description.buckets["profiles"], &format!("instagram:{username}:v1")).await?;
    assert_eq!(data["profileAsOf"], entry.context("not cached")?["scrapedAt"]);
    assert_eq!(stack.stand_ins.actor_runs(&username).await?, 1, "nothing was scraped for it");
    assert_eq!(user.balance().await?, 9, "nor charged");
    let status = user.get(&paths::refresh_check(&lead_id)).await?;
    assert_eq!(
        status.refusal(),
        refused(404, "RefreshCheckNotFound"),
        "nothing was started: {}",
        status.body
    );
    Ok(())
}

#[tokio::test]
async fn each_reason_is_told_with_both_values() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let lead_id = user.lead(&user.username("reasons")).await?;
    let sql = "select followers, biography, is_verified, analyzed_followers, analyzed_biography, analyzed_is_verified,
                      analyzed_data_as_of = profile_as_of as is_of_profile
                 from public.leads where lead_id = $1::text::uuid";
    let lead = stack.database.row(sql, &[&lead_id]).await?;
    for (saved, shown) in [
        ("analyzed_followers", "followers"),
        ("analyzed_biography", "biography"),
        ("analyzed_is_verified", "is_verified"),
    ] {
        assert_eq!(lead[saved], lead[shown], "what the analysis saw is kept: {saved}");
    }
    assert_eq!(lead["is_of_profile"], true, "{lead}");
    let followers = lead["followers"].as_i64().context("followers")?;
    let (now, is_verified) = (&lead["biography"], lead["is_verified"] == true);
    for (seen, reason) in [
        (
            format!("analyzed_followers = {}", followers * 2),
            json!({"reason": "followers", "seen": followers * 2, "now": followers}),
        ),
        (
            "analyzed_biography = 'Zzzzzzzzzzzzzzz'".to_owned(),
            json!({"reason": "biography", "seen": "Zzzzzzzzzzzzzzz", "now": now}),
        ),
        (
            "analyzed_is_verified = not is_verified".to_owned(),
            json!({"reason": "verified", "seen": !is_verified, "now": is_verified}),
        ),
    ] {
        stack.set_lead(&lead_id, &seen).await?;
        let reply = user.check_refresh(&lead_id).await?;
        assert_eq!(reply.status, 200, "{}", reply.body);
        assert_eq!(reply.data()["needsRefresh"], true, "{seen}: {}", reply.body);
        assert_eq!(reply.data()["reasons"], json!([reason]), "{seen}");
        stack
            .set_lead(&lead_id, "analyzed_followers = followers, analyzed_biography = biography, analyzed_is_verified = is_verified")
            .await?;
    }
    stack.set_lead(&lead_id, "analyzed_data_as_of = '2026-01-02T03:04:05Z'").await?;
    let reply = user.check_refresh(&lead_id).await?;
    let age = &reply.data()["reasons"][0];
    assert_eq!((&age["reason"], &age["seen"]), (&json!("age"), &json!("2026-01-02T03:04:05Z")), "{age}");
    assert_eq!(age["limitHours"], 24, "of a LIGHT analysis: {age}");
    assert!(age["now"].is_string(), "{age}");
    Ok(())
}

#[tokio::test]
async fn an_old_profile_is_scraped_and_the_answer_is_at_the_status_address() -> Result<()> {
    let stack = Stack::connect().await?;
    let (user, other) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let username = user.username("changed");
    let lead_id = user.lead(&username).await?;
    stack.age_cached_profile(&username, 7).await?;
    let changed = json!({"followersCount": 987_654_321, "biography": "Qqqqqqqqqqqqqqqqqqqqqqqqqq"});
    stack.stand_ins.profile(&username, &changed).await?;
    stack.hold_actors(&username).await?;

    let check = user.start_check(&lead_id).await?;
    stack.actors_started(&username, 2).await?;
    assert_eq!(user.start_check(&lead_id).await?, check, "while it is under way, the same one");
    let status = user.get(&paths::refresh_check(&lead_id)).await?;
    assert_eq!(status.data()["status"], "checking", "{}", status.body);
    stack.stand_ins.release(&username).await?;
    let answer = user.checked(&check).await?;
    let reasons = answer["reasons"].as_array().context("reasons")?;
    let named: Vec<&Value> = reasons.iter().map(|reason| &reason["reason"]).collect();
    assert_eq!(named, ["followers", "biography"], "{answer}");
    assert_eq!(reasons[0]["now"], changed["followersCount"], "{answer}");
    assert_eq!(reasons[1]["now"], changed["biography"], "{answer}");

    let again = user.check_refresh(&lead_id).await?;
    assert_eq!(again.status, 200, "what was scraped is in the cache: {}", again.body);
    assert_eq!(again.data()["reasons"], answer["reasons"]);
    let (run, _) = other.analyze(&username).await?;
    assert_eq!(other.result(&run).await?.data()["cacheHit"], true, "for everybody");
    assert_eq!(stack.stand_ins.actor_runs(&username).await?, 2, "actors");
    assert_eq!(user.balance().await?, 9, "a check costs no credit");
    let sql = "select account_id, task from public.ai_usage_logs where run_id = $1::text::uuid";
    let cost = stack.database.rows(sql, &[&check.check_id]).await?;
    assert_eq!(
        cost,
        [json!({"account_id": user.account_id, "task": "scrape"})],
        "what it cost us is on record"
    );
    Ok(())
}

#[tokio::test]
async fn eight_who_ask_at_once_get_one_check_for_one_turn() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("together");
    let lead_id = user.lead(&username).await?;
    stack.age_cached_profile(&username, 7).await?;
    stack.hold_actors(&username).await?;
    let checks = try_join_all((0..8).map(|_| user.start_check(&lead_id))).await?;
    let first = checks.first().context("no check")?;
    assert!(checks.iter().all(|check| check == first), "{checks:?}");
    let turns = stack.turns(&format!("refresh-check#{}", user.account_id)).await?.context("no turn")?;
    assert_eq!(turns["window3600"]["M"].as_object().map(serde_json::Map::len), Some(1), "{turns}");
    stack.actors_started(&username, 2).await?;
    stack.stand_ins.release(&username).await?;
    user.checked(first).await?;
    assert_eq!(stack.stand_ins.actor_runs(&username).await?, 2, "the analysis's, and one for all");
    Ok(())
}

#[tokio::test]
async fn a_stranger_learns_nothing_and_uses_up_no_turn() -> Result<()> {
    let stack = Stack::connect().await?;
    let (user, stranger) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let lead_id = user.lead(&user.username("mine")).await?;
    let as_if = [("x-account-id", user.account_id.as_str())];
    for path in [paths::refresh_check(&lead_id), paths::force_refresh(&lead_id)] {
        for headers in [&[][..], &as_if] {
            let reply = stranger.request(Method::POST, &path, headers, None).await?;
            assert_eq!(reply.refusal(), refused(404, "LeadNotFound"), "{path}: {}", reply.body);
        }
    }
    let reply = stranger.get(&paths::refresh_check(&lead_id)).await?;
    assert_eq!(reply.refusal(), refused(404, "LeadNotFound"), "{}", reply.body);
    for what in ["refresh-check", "force-refresh"] {
        assert_eq!(stack.turns(&format!("{what}#{}", user.account_id)).await?, None, "{what}");
    }

    for bad in [Uuid::now_v7().to_string(), "no-id".to_owned()] {
        let reply = user.check_refresh(&bad).await?;
        assert_eq!(reply.refusal(), refused(404, "LeadNotFound"), "{bad}: {}", reply.body);
    }
    stack.set_lead(&lead_id, "deleted_at = now()").await?;
    let reply = user.check_refresh(&lead_id).await?;
    assert_eq!(reply.refusal(), refused(404, "LeadNotFound"), "a deleted one: {}", reply.body);
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_compared_or_is_not_understood_is_refused() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let lead_id = Uuid::now_v7().to_string();
    stack
        .database
        .run(&format!(
            "insert into public.leads (lead_id, account_id, business_profile_id, username, followers, following, posts_count,
                 is_verified, is_business, profile_as_of)
               values ('{lead_id}', '{}', '{}', 'nasa', 1, 1, 1, false, false, now())",
            user.account_id, user.business_profile_id
        ))
        .await?;
    let reply = user.check_refresh(&lead_id).await?;
    assert_eq!(reply.refusal(), refused(409, "NotReady"), "no analysis of it is complete: {}", reply.body);
    let path = paths::with_query(&paths::refresh_check(&lead_id), "force=true");
    for method in [Method::POST, Method::GET] {
        let reply = user.request(method, &path, &[], None).await?;
        assert_eq!(reply.refusal(), refused(400, "ValidationFailed"), "{}", reply.body);
    }
    assert_eq!(stack.turns(&format!("refresh-check#{}", user.account_id)).await?, None, "none was a turn");
    Ok(())
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "the figures are worth seeing")]
async fn of_thirty_at_once_exactly_ten_are_let_through_in_an_hour_and_forty_in_a_day() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let lead_id = user.lead(&user.username("often")).await?;
    let key = format!("refresh-check#{}", user.account_id);
    let answers = try_join_all((0..30).map(|_| user.check_refresh(&lead_id))).await?;
    let of = |wanted: u16| answers.iter().filter(|reply| reply.status == wanted).count();
    println!(
        "note: of 30 refresh checks at once of one account, {} were answered and {} got 429",
        of(200),
        of(429)
    );
    assert_eq!((of(200), of(429)), (10, 20), "answered, refused");
    for reply in answers.iter().filter(|reply| reply.status == 429) {
        assert_eq!(reply.code(), "TooManyRequests");
        assert_eq!(reply.body["details"], json!({"limit": 10, "windowSeconds": 3_600}));
        let wait: i64 = reply.header("retry-after").parse().context("no Retry-After")?;
        assert!((3_500..=3_600).contains(&wait), "{wait}");
    }
    for _ in 0..3 {
        stack.let_time_pass(&key, 61 * 60_000).await?;
        for _ in 0..10 {
            assert_eq!(user.check_refresh(&lead_id).await?.status, 200);
        }
    }
    stack.let_time_pass(&key, 61 * 60_000).await?;
    let reply = user.check_refresh(&lead_id).await?;
    assert_eq!(reply.status, 429, "{}", reply.body);
    assert_eq!(reply.body["details"], json!({"limit": 40, "windowSeconds": 86_400}));
    Ok(())
}

#[tokio::test]
async fn a_check_that_cannot_be_started_is_no_turn_and_leaves_nothing_behind() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("nosfn");
    let lead_id = user.lead(&username).await?;
    stack.age_cached_profile(&username, 7).await?;
    let mut lambda =
        Lambda::start(&stack, "start-refresh-check", &[("AWS_ENDPOINT_URL_SFN", NOWHERE)]).await?;
    let event = user.event("POST", paths::REFRESH_CHECK, &[("leadId", &lead_id)], None);
    for _ in 0..11 {
        let reply = lambda.invoke(&event).await?.http()?;
        assert_eq!(reply.refusal(), refused(503, "StoreUnavailable"), "{}", reply.body);
    }
    let status = user.get(&paths::refresh_check(&lead_id)).await?;
    assert_eq!(status.refusal(), refused(404, "RefreshCheckNotFound"), "{}", status.body);
    let check = user.start_check(&lead_id).await?;
    user.checked(&check).await?;
    Ok(())
}
