//! What a scraped stranger can put into data is the misfortune of the run that wanted it, and of nobody else.

use anyhow::Result;
use axum::{
    Json, Router,
    body::{Body, Bytes},
    routing::{get, post},
};
use futures::future::try_join_all;
use oslira_tests::{Ending, Lambda, Stack, User};
use serde_json::{Value, json};
use std::convert::Infallible;
use tokio::net::TcpListener;

/// Sees that Apify's circuit breaker has nothing against it, and that no slot is held.
async fn nobody_is_kept_waiting(stack: &Stack) -> Result<()> {
    let table = &stack.description.tables["circuit-breakers"];
    let breaker = stack.aws.item(table, json!({"upstream": {"S": "apify"}})).await?.unwrap_or_default();
    assert!(breaker["failures"].is_null() && breaker["openUntil"].is_null(), "{breaker}");
    assert_eq!(stack.slots().await?, Vec::<Value>::new());
    Ok(())
}

/// A profile's item with these texts, as JSON, in a field that is read and in one that is not.
fn item(username: &str, read: &str, ignored: &str) -> String {
    format!(
        r#"{{"username": "{username}", "followersCount": 5000, "followsCount": 10, "postsCount": 1, "private": false,
            "biography": "{read}", "ignored": "{ignored}", "latestPosts": [{{"shortCode": "A", "type": "Image",
            "caption": "{read}", "timestamp": "2026-06-01T00:00:00.000Z", "likesCount": 9, "commentsCount": 1}}]}}"#
    )
}

#[tokio::test]
async fn six_profiles_with_a_text_cut_inside_an_emoji_complete_and_keep_nobody_waiting() -> Result<()> {
    let stack = Stack::connect_alone().await?;
    let (user, other) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let half = r"cut \ud83d";
    let analyses = (0..6).map(async |number| -> Result<()> {
        let username = user.username("half");
        let (read, ignored) = if number % 2 == 0 { (half, "whole") } else { ("whole", half) };
        stack.stand_ins.profile_item(&username, item(&username, read, ignored)).await?;
        let (_, progress) = user.analyze(&username).await?;
        assert_eq!(progress["status"], "complete", "{progress}");
        assert_eq!(stack.stand_ins.actor_runs(&username).await?, 1);
        let lead = "select biography from public.leads where username = $1";
        let biography = stack.database.row(lead, &[&username]).await?["biography"].clone();
        assert_eq!(biography, if number % 2 == 0 { "cut \u{fffd}" } else { "whole" });
        Ok(())
    });
    try_join_all(analyses).await?;
    assert_eq!(user.balance().await?, 4);
    nobody_is_kept_waiting(&stack).await?;
    let (_, progress) = other.analyze(&other.username("beside")).await?;
    assert_eq!(progress["status"], "complete", "{progress}");
    Ok(())
}

/// An Apify every actor of which has found these bytes. It does not say how many they are. Where it listens.
async fn apify_with(dataset: Vec<u8>) -> Result<String> {
    let run = Json(json!({"data": {"id": "A", "status": "SUCCEEDED", "defaultDatasetId": "D"}}));
    let shown = run.clone();
    let dataset = Bytes::from(dataset);
    let items = async move || {
        let chunks: Vec<_> =
            dataset.chunks(64_000).map(|chunk| Ok::<_, Infallible>(dataset.slice_ref(chunk))).collect();
        Body::from_stream(futures::stream::iter(chunks))
    };
    let router = Router::new()
        .route("/v2/acts/{actor}/runs", post(async move || run))
        .route("/v2/actor-runs/{id}", get(async move || shown))
        .route("/v2/datasets/{id}/items", get(items));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    // It ends with the test.
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(url)
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "the figures are the point")]
async fn a_profile_of_forty_megabytes_is_refunded_and_keeps_nobody_waiting() -> Result<()> {
    let stack = Stack::connect_alone().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("huge");
    stack.stand_ins.profile_item(&username, item(&username, "x", &"y".repeat(40_000_000))).await?;
    let (run, progress) = user.analyze(&username).await?;
    assert_eq!(Ending::of(&progress), Ending::failed("ApifyUnavailable"), "{progress}");
    assert_eq!(stack.ledger(&run).await?, [-1, 1], "the ledger");
    assert_eq!(user.balance().await?, 10, "the balance");
    nobody_is_kept_waiting(&stack).await?;

    // What it takes of a Lambda's 256 MB: more than is read, and almost as much as is, where every byte becomes three, for no
    // byte is UTF-8.
    let mut peaks = Vec::new();
    for (field, bytes, is_read) in [
        ("ignored", 40_000_000, false),
        ("ignored", 15_999_000, true),
        ("biography", 15_999_000, true),
        ("externalUrl", 15_999_000, true),
        ("url", 15_999_000, true),
    ] {
        let username = user.username("huge");
        let start =
            format!(r#"[{{"username": "{username}", "followersCount": 5000, "{field}": "http://nasa.gov/"#);
        let dataset = [start.as_bytes(), &vec![0xff; bytes], br#""}]"#].concat();
        let run = user.accept(&username).await?;
        let input = user.scrape_of(&run);
        let apify = apify_with(dataset).await?;
        let mut lambda = Lambda::start(&stack, "scrape-profiles", &[("APIFY_BASE_URL", &apify)]).await?;
        let answer = lambda.invoke(&input).await?;
        assert_eq!(answer.outcome.is_ok(), is_read, "{answer:?}");
        peaks.push(lambda.peak_memory()? / 1_000_000);
        stack.refund(&run).await?;
    }
    println!(
        "note: scrape-profiles takes {} MB of memory to refuse a profile of 40 MB, and {:?} MB to read one of 16 MB that is all one \
         text and not UTF-8: a field that is not read, a bio, a link, an address",
        peaks[0],
        &peaks[1..]
    );
    assert!(peaks.iter().all(|peak| *peak < 200), "{peaks:?} MB of 256");
    nobody_is_kept_waiting(&stack).await
}
