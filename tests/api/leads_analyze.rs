//! `POST /api/leads/analyze`

use anyhow::{Context, Result};
use futures::future::try_join_all;
use oslira_domain::Tier;
use oslira_tests::{Run, Stack, User, paths, refused};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn an_accepted_run_says_what_it_costs_and_where_to_look() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("accepted");
    let pasted = format!("\u{a0} https://www.instagram.com/{}/?hl=en\r\n", username.to_uppercase());
    let reply = user.post(paths::ANALYZE, &user.analysis_of(&pasted)).await?;
    assert_eq!(reply.status, 202, "{}", reply.body);
    let data = reply.data();
    let run_id = reply.run_id()?.to_owned();
    assert_eq!(
        *data,
        json!({
            "runId": run_id,
            "status": "queued",
            "estimatedSeconds": 10,
            "progressUrl": paths::progress(&run_id),
            "resultUrl": paths::result(&run_id),
            "creditsCharged": 1,
        })
    );
    assert_eq!(user.balance().await?, 9);
    let row = stack
        .database
        .row("select username from public.runs where run_id = $1::text::uuid", &[&run_id])
        .await?;
    assert_eq!(row["username"], username, "normalised before anything else");
    user.finished(&Run { run_id, username }).await?;
    Ok(())
}

#[tokio::test]
async fn bad_bodies_are_explained_and_cost_nothing() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let good = user.analysis_of("nasa");
    let with = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        body
    };
    let cases = [
        (json!({}), vec!["analysisType", "businessProfileId", "username"]),
        (with("username", json!("na-sa")), vec!["username"]),
        (with("username", json!("na sa")), vec!["username"]),
        (with("username", json!("@na\u{200b}sa")), vec!["username"]),
        (with("username", json!("nasa\nesa")), vec!["username"]),
        (with("username", json!("explore")), vec!["username"]),
        (with("username", json!("https://www.instagram.com/p/Cxyz/")), vec!["username"]),
        (with("username", json!(7)), vec!["username"]),
        (with("username", Value::Null), vec!["username"]),
        (with("analysisType", json!("LIGHT")), vec!["analysisType"]),
        (with("analysisType", json!("gold")), vec!["analysisType"]),
        (with("businessProfileId", json!("1")), vec!["businessProfileId"]),
        (with("credits", json!(0)), vec!["credits"]),
        (
            json!({"username": [], "analysisType": {}, "more": 1}),
            vec!["analysisType", "businessProfileId", "more", "username"],
        ),
        (json!([]), vec!["body"]),
        (json!("nasa"), vec!["body"]),
    ];
    for (body, fields) in cases {
        let reply = user.post(paths::ANALYZE, &body).await?;
        assert_eq!(reply.refusal(), refused(400, "ValidationFailed"), "{body}: {}", reply.body);
        let mut named: Vec<&str> =
            reply.body["details"].as_object().context("no details")?.keys().map(String::as_str).collect();
        named.sort_unstable();
        assert_eq!(named, fields, "{body}");
    }
    for body in ["", "{", "{\"username\": \"nasa\",}", "\u{0}", "nasa"] {
        let reply = user.request(Method::POST, paths::ANALYZE, &[], Some(body.to_owned())).await?;
        assert_eq!(reply.refusal(), refused(400, "MalformedBody"), "{body:?}: {}", reply.body);
    }
    for key in ["", "two words", &"k".repeat(256)] {
        let reply = user.post_with_key(paths::ANALYZE, key, &good).await?;
        assert_eq!(reply.status, 400, "{key:?}: {}", reply.body);
    }
    let large = format!("{{\"username\": \"{}\"}}", "x".repeat(70_000));
    let reply = user.request(Method::POST, paths::ANALYZE, &[], Some(large)).await?;
    assert_eq!(reply.refusal(), refused(413, "PayloadTooLarge"), "{}", reply.body);
    assert_eq!(user.balance().await?, 10);
    Ok(())
}

#[tokio::test]
async fn another_tenants_business_profile_does_not_exist() -> Result<()> {
    let stack = Stack::connect().await?;
    let (user, stranger) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let mut body = user.analysis_of("nasa");
    for id in [stranger.business_profile_id.as_str(), "00000000-0000-4000-8000-000000000000"] {
        body["businessProfileId"] = json!(id);
        let reply = user.post(paths::ANALYZE, &body).await?;
        assert_eq!(reply.refusal(), refused(404, "BusinessProfileNotFound"), "{}", reply.body);
    }
    let headers = [("x-account-id", stranger.account_id.as_str())];
    let body = stranger.analysis_of("nasa").to_string();
    let reply = user.request(Method::POST, paths::ANALYZE, &headers, Some(body)).await?;
    assert_eq!(reply.refusal(), refused(404, "AccountNotFound"), "{}", reply.body);
    assert_eq!(user.balance().await?, 10, "the balance");
    assert_eq!(stranger.balance().await?, 10, "the stranger's balance");
    Ok(())
}

#[tokio::test]
async fn a_short_balance_is_told_with_the_cost() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 0).await?;
    let reply = user.post(paths::ANALYZE, &user.analysis_of("nasa")).await?;
    assert_eq!(reply.refusal(), refused(402, "InsufficientCredits"), "{}", reply.body);
    assert_eq!(reply.body["details"], json!({"balance": 0, "cost": 1}));
    assert_eq!(stack.run_count(&user.account_id).await?, 0, "runs");
    assert_eq!(user.balance().await?, 0, "nothing is charged");
    Ok(())
}

#[tokio::test]
async fn the_same_analysis_twice_is_refused_with_the_first_ones_id() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("twice");
    let run = user.start(&username).await?;
    let while_under_way = user.post(paths::ANALYZE, &user.analysis_of(&username)).await?;
    assert_eq!(while_under_way.refusal(), refused(409, "AnalysisInProgress"));
    assert_eq!(while_under_way.body["details"], json!({"runId": run.run_id}));
    user.finished(&run).await?;
    let just_after = user.post(paths::ANALYZE, &user.analysis_of(&username)).await?;
    assert_eq!(just_after.refusal(), refused(409, "AnalysisInProgress"));
    assert_eq!(user.balance().await?, 9);
    Ok(())
}

#[tokio::test]
async fn a_repeated_request_gets_what_was_paid_for_and_not_what_it_says() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    // One credit was paid, and the key holds that for the same as a request for six.
    let (paid, wished) =
        (user.accept_earlier(&user.username("paid"), Duration::from_mins(1)).await?, user.username("wished"));
    let body = user.analysis_in(Tier::Xray, &wished);
    user.plant_key(&paid, "planted", &body).await?;
    let reply = user.post_with_key(paths::ANALYZE, "planted", &body).await?;
    assert_eq!(reply.status, 202, "{}", reply.body);
    assert_eq!(reply.data()["runId"], paid.run_id.as_str(), "{}", reply.body);

    assert_eq!(user.finished(&paid).await?["status"], "complete");
    let result = user.result(&paid).await?;
    let data = result.data();
    assert_eq!(data["analysisType"], "light", "analysisType: {data}");
    assert_eq!(data["username"], paid.username.as_str(), "username: {data}");
    assert_eq!(stack.stand_ins.actor_runs(&wished).await?, 0, "actors for what was wished");
    assert_eq!(user.balance().await?, 9, "the balance");

    // The database takes a name that is a page of Instagram's own. Nothing begins with it, and the answer is as ever.
    let page = user.accept_earlier("explore", Duration::from_mins(1)).await?;
    user.plant_key(&page, "page", &body).await?;
    let reply = user.post_with_key(paths::ANALYZE, "page", &body).await?;
    assert_eq!(reply.status, 202, "{}", reply.body);
    assert_eq!(reply.data()["runId"], page.run_id.as_str(), "{}", reply.body);
    stack.refund(&page).await?;
    Ok(())
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "the figure is what the requirement asks for")]
async fn fifty_posts_with_one_idempotency_key_are_one_run_one_charge_one_answer() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 60).await?;
    let username = user.username("keyed");
    let body = user.analysis_of(&username).to_string();
    let post =
        |body: String| user.request(Method::POST, paths::ANALYZE, &[("idempotency-key", "once")], Some(body));
    let replies = try_join_all((0..50).map(|_| post(body.clone()))).await?;
    assert!(
        replies.iter().all(|reply| reply.status == 202),
        "{:?}",
        replies.iter().map(|r| r.status).collect::<Vec<_>>()
    );
    let first = replies.first().context("no reply")?.data().clone();
    assert!(replies.iter().all(|reply| *reply.data() == first));
    assert_eq!(stack.run_count(&user.account_id).await?, 1, "runs");
    assert_eq!(user.balance().await?, 59);
    println!("note: {} concurrent posts with one key: 1 run, 1 charge, 1 answer", replies.len());

    let reply = post(user.analysis_of("nasa").to_string()).await?;
    assert_eq!(reply.refusal(), refused(422, "IdempotencyKeyReused"), "{}", reply.body);

    // The same answer also after the run has ended, and nothing is started again.
    let run =
        Run { run_id: first["runId"].as_str().context("no run")?.to_owned(), username: username.clone() };
    user.finished(&run).await?;
    assert_eq!(*post(body).await?.data(), first);
    assert_eq!(user.balance().await?, 59, "the balance");
    assert_eq!(stack.stand_ins.actor_runs(&username).await?, 1, "actors");
    Ok(())
}
