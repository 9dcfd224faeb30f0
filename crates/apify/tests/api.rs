//! The client against a server that speaks Apify's API.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use oslira_apify::{ActorRun, ActorStatus, Apify, ProfileOutcome};
use oslira_domain::{Code, Error, Username};
use serde_json::{Value, json};
use std::{
    collections::VecDeque,
    error::Error as _,
    sync::{Arc, Mutex},
    time::Duration,
};

const TOKEN: &str = "apify_api_canary";

struct Seen {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Value,
}

/// The answers that wait, and the requests that came.
#[derive(Clone, Default)]
struct Server {
    answers: Arc<Mutex<VecDeque<Response>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// Starts a server that gives these answers, one per request, and makes a client of it.
    async fn start(answers: impl IntoIterator<Item = Response>) -> (Self, Apify) {
        let server = Self::default();
        server.answers.lock().unwrap().extend(answers);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}/", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (server, Apify::new(http(), base_url, TOKEN))
    }

    fn requests(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

async fn answer(State(server): State<Server>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    server.seen.lock().unwrap().push(Seen {
        method: parts.method,
        uri: parts.uri,
        headers: parts.headers,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    });
    let next = server.answers.lock().unwrap().pop_front();
    next.unwrap_or_else(|| StatusCode::IM_A_TEAPOT.into_response())
}

fn http() -> reqwest::Client {
    _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

fn ok(body: Value) -> Response {
    Json(body).into_response()
}

fn error(status: u16, kind: &str) -> Response {
    let body = Json(json!({"error": {"type": kind, "message": format!("about {kind}")}}));
    // Spares the test the client's own back-off.
    (StatusCode::from_u16(status).unwrap(), [("retry-after", "0")], body).into_response()
}

fn run_json(status: &str) -> Value {
    json!({"data": {"id": "HG7ML7M8z78YcAPEB", "actId": "shu8hvrXbJbY3Eb9W", "status": status,
        "startedAt": "2026-11-20T10:00:00.000Z", "finishedAt": "not yet", "statusMessage": null,
        "defaultDatasetId": "wmKPijuyDnPZAPRMk", "usageTotalUsd": 0.0026, "stats": {}, "options": {}}})
}

fn succeeded() -> ActorRun {
    serde_json::from_str(&run_json("SUCCEEDED")["data"].to_string()).unwrap()
}

fn usernames<const N: usize>(names: [&str; N]) -> [Username; N] {
    names.map(|name| name.parse().unwrap())
}

fn assert_code(error: &Error, code: Code) {
    assert_eq!(error.code, code, "{}", error.chain());
    let shown = format!("{error} {error:?} {}", error.chain());
    assert!(!shown.contains(TOKEN), "{shown}");
}

#[tokio::test]
async fn starting_a_profiles_run() {
    let (server, apify) =
        Server::start([(StatusCode::CREATED, Json(run_json("READY"))).into_response()]).await;
    let run = apify.start_profiles_run(&usernames(["nasa", "esa"]), Duration::from_secs(90)).await.unwrap();
    assert_eq!((run.id.as_str(), run.dataset_id.as_str()), ("HG7ML7M8z78YcAPEB", "wmKPijuyDnPZAPRMk"));
    assert_eq!((run.status, run.usage_total_usd, run.finished_at), (ActorStatus::Ready, Some(0.0026), None));
    assert_eq!(run.started_at, Some("2026-11-20T10:00:00Z".parse().unwrap()));

    let seen = server.seen.lock().unwrap().remove(0);
    assert_eq!(seen.method, Method::POST);
    assert_eq!(seen.uri, "/v2/acts/apify~instagram-profile-scraper/runs?timeout=90&maxItems=2");
    assert_eq!(seen.headers["authorization"], format!("Bearer {TOKEN}"));
    assert_eq!(seen.body, json!({"usernames": ["nasa", "esa"]}));
}

#[tokio::test]
async fn starting_a_posts_run() {
    let (server, apify) = Server::start([ok(run_json("RUNNING"))]).await;
    apify.start_posts_run(&usernames(["nasa"]), Duration::from_secs(60)).await.unwrap();
    let seen = server.seen.lock().unwrap().remove(0);
    assert_eq!(seen.uri, "/v2/acts/apify~instagram-scraper/runs?timeout=60&maxItems=50");
    let input = json!({"directUrls": ["https://www.instagram.com/nasa/"], "resultsType": "posts", "resultsLimit": 50});
    assert_eq!(seen.body, input);
}

#[tokio::test]
async fn a_start_is_never_sent_twice() {
    for (answer, code) in [
        (error(503, "internal"), Code::ApifyUnavailable),
        (error(429, "rate-limit-exceeded"), Code::ApifyUnavailable),
        (error(402, "concurrent-runs-limit-exceeded"), Code::ApifyUnavailable),
        (error(402, "actor-memory-limit-exceeded"), Code::ApifyUnavailable),
        (error(402, "not-enough-usage-to-run-paid-actor"), Code::ApifyRejected),
        (error(401, "invalid-token"), Code::ApifyRejected),
        (error(400, "invalid-input"), Code::ApifyRejected),
        (error(404, "record-not-found"), Code::ApifyRejected),
        (ok(json!({"data": {"id": 1}})), Code::ApifyUnavailable),
        (
            ok(json!({"data": {"id": "../x", "status": "READY", "defaultDatasetId": "d"}})),
            Code::ApifyUnavailable,
        ),
        (" ".repeat(1_000_001).into_response(), Code::ApifyUnavailable),
        ("<html>".into_response(), Code::ApifyUnavailable),
    ] {
        let (server, apify) = Server::start([answer]).await;
        let error =
            apify.start_profiles_run(&usernames(["nasa"]), Duration::from_secs(60)).await.unwrap_err();
        assert_code(&error, code);
        assert_eq!(server.requests(), 1);
    }
}

#[tokio::test]
async fn the_cause_says_what_kind_of_error_it_was_and_not_its_message() {
    let (_server, apify) = Server::start([error(401, "invalid-token")]).await;
    let error = apify.abort_run("r").await.unwrap_err();
    assert_eq!(error.chain(), "Apify answered 401 Unauthorized invalid-token");
    assert!(!format!("{apify:?}").contains(TOKEN));
}

#[tokio::test]
async fn waiting_for_a_run_is_bounded_and_tried_again() {
    let (server, apify) =
        Server::start([error(502, ""), error(408, "run-timeout-exceeded"), ok(run_json("FAILED"))]).await;
    let run = apify.wait_for_run("HG7ML7M8z78YcAPEB", Duration::from_secs(600)).await.unwrap();
    assert_eq!(run.status, ActorStatus::Failed);
    let seen = server.seen.lock().unwrap();
    assert_eq!(seen.len(), 3);
    assert_eq!(seen[2].uri, "/v2/actor-runs/HG7ML7M8z78YcAPEB?waitForFinish=60");
    assert_eq!(seen[2].headers["authorization"], format!("Bearer {TOKEN}"));
}

#[tokio::test]
async fn reads_give_up_after_three_attempts() {
    let (server, apify) = Server::start((0..5).map(|_| error(500, "internal"))).await;
    assert_code(&apify.wait_for_run("r", Duration::ZERO).await.unwrap_err(), Code::ApifyUnavailable);
    assert_eq!(server.requests(), 3);
}

#[tokio::test]
async fn a_long_retry_after_is_left_to_the_caller() {
    let busy = (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "600")]).into_response();
    let (server, apify) = Server::start([busy, ok(run_json("RUNNING"))]).await;
    assert_code(&apify.wait_for_run("r", Duration::ZERO).await.unwrap_err(), Code::ApifyUnavailable);
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn a_refused_read_is_not_repeated() {
    let (server, apify) = Server::start([error(404, "record-not-found")]).await;
    assert_code(&apify.wait_for_run("r", Duration::ZERO).await.unwrap_err(), Code::ApifyRejected);
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn nobody_listening_is_unavailable() {
    let apify = Apify::new(http(), "http://127.0.0.1:1", TOKEN);
    let error = apify.start_profiles_run(&usernames(["nasa"]), Duration::from_secs(1)).await.unwrap_err();
    assert_code(&error, Code::ApifyUnavailable);
    assert!(error.source().unwrap().source().is_some(), "the transport's own error is kept");
}

#[tokio::test]
async fn profiles_of_a_run() {
    let items = json!([
        {"inputUrl": "https://www.instagram.com/nasa", "id": "528817151", "username": "nasa", "fullName": "NASA",
         "biography": "Exploring the universe", "externalUrl": "https://nasa.gov", "followersCount": 97_000_000,
         "followsCount": 80, "postsCount": 4321, "private": false, "verified": true, "isBusinessAccount": true,
         "businessCategoryName": "Government organization", "latestPosts": [
            {"id": "3", "type": "Video", "shortCode": "DKh", "caption": "Liftoff #moon", "hashtags": ["moon"],
             "timestamp": "2025-06-05T20:51:55.000Z", "commentsCount": 120, "likesCount": 5400,
             "videoViewCount": 90_000, "productType": "clips", "isPinned": false}]},
        {"error": "not_found", "errorDescription": "Post does not exist", "username": "gone",
         "url": "https://www.instagram.com/gone"},
    ]);
    let (server, apify) = Server::start([ok(items)]).await;
    let outcomes = apify.profiles(&succeeded(), &usernames(["gone", "nasa", "lost"])).await.unwrap();
    assert_eq!(outcomes[0].1, ProfileOutcome::NotFound);
    assert_eq!(outcomes[2].1, ProfileOutcome::Blocked);
    let ProfileOutcome::Found(nasa) = &outcomes[1].1 else { panic!("{:?}", outcomes[1]) };
    assert_eq!((nasa.followers, nasa.following, nasa.posts_count), (97_000_000, 80, 4321));
    assert!(nasa.is_verified && nasa.is_business);
    assert_eq!((nasa.posts[0].likes, nasa.posts[0].views), (Some(5400), Some(90_000)));
    let uri = server.seen.lock().unwrap()[0].uri.to_string();
    assert!(
        uri.starts_with("/v2/datasets/wmKPijuyDnPZAPRMk/items?clean=true&format=json&omit=childPosts"),
        "{uri}"
    );
}

#[tokio::test]
async fn posts_of_a_run() {
    let items =
        json!([{"ownerUsername": "nasa", "shortCode": "A"}, {"ownerUsername": "nasa", "shortCode": "A"}]);
    let (_server, apify) = Server::start([ok(items)]).await;
    let posts = apify.posts(&succeeded()).await.unwrap();
    assert_eq!((posts.len(), posts[&"nasa".parse().unwrap()].len()), (1, 1));
}

#[tokio::test]
async fn a_run_that_did_not_succeed_has_nothing_to_read() {
    let (server, apify) = Server::start([]).await;
    for status in [ActorStatus::Failed, ActorStatus::TimedOut, ActorStatus::Aborted, ActorStatus::Running] {
        let run = ActorRun { status, ..succeeded() };
        assert_code(&apify.profiles(&run, &usernames(["nasa"])).await.unwrap_err(), Code::ApifyUnavailable);
        assert_code(&apify.posts(&run).await.unwrap_err(), Code::ApifyUnavailable);
    }
    assert_eq!(server.requests(), 0);
}

#[tokio::test]
async fn items_that_are_no_list_show_nobodys_profile() {
    let body = || ok(json!({"biography": "canary bio"}));
    let (_server, apify) = Server::start([body(), body(), body()]).await;
    let error = apify.posts(&succeeded()).await.unwrap_err();
    assert_code(&error, Code::ApifyUnavailable);
    assert!(!error.chain().contains("canary"), "{}", error.chain());
}

#[tokio::test]
async fn an_item_that_cannot_be_read_spoils_itself_alone() {
    let items = r#"[{"username": "nasa", "followersCount": 5, "biography": "a\ud83d", "ignored": "\ude00"}, "?",
        {"username": "esa", "followersCount": 7, "postsCount": 1e999, "ignored": 1e999}]"#;
    let (_server, apify) = Server::start([items.into_response()]).await;
    let outcomes = apify.profiles(&succeeded(), &usernames(["nasa", "jaxa", "esa"])).await.unwrap();
    let ProfileOutcome::Found(nasa) = &outcomes[0].1 else { panic!("{:?}", outcomes[0]) };
    assert_eq!(nasa.biography, "a\u{fffd}");
    assert_eq!(outcomes[1].1, ProfileOutcome::Blocked);
    assert!(matches!(&outcomes[2].1, ProfileOutcome::Found(esa) if esa.followers == 7));
}

#[tokio::test]
async fn posts_with_half_an_emoji_are_read() {
    let items = r#"[{"ownerUsername": "nasa", "shortCode": "A", "type": "Image", "caption": "cut \ud83d", "hashtags": ["a\ude00"],
        "timestamp": "2026-06-01T00:00:00.000Z", "ignored": "\ud83d"}]"#;
    let (_server, apify) = Server::start([items.into_response()]).await;
    let posts = apify.posts(&succeeded()).await.unwrap();
    assert_eq!(posts[&"nasa".parse().unwrap()][0].caption, "cut \u{fffd}");
}

#[tokio::test]
async fn what_actors_find_is_read_up_to_a_limit_and_never_speaks_against_apify() {
    let too_large = || format!("[{}]", " ".repeat(16_000_000)).into_response();
    let (server, apify) = Server::start([too_large(), too_large()]).await;
    let error = apify.profiles(&succeeded(), &usernames(["nasa"])).await.unwrap_err();
    assert_code(&error, Code::ApifyUnavailable);
    assert_eq!(error.chain(), "what the actor found cannot be read: it is larger than 16000000 bytes");
    assert!(!oslira_apify::speaks_against_apify(&error) && oslira_apify::is_lost(&error));
    assert_eq!(server.requests(), 1, "it does not shrink");
}

#[tokio::test]
async fn aborting_a_run() {
    let (server, apify) = Server::start([ok(run_json("ABORTING"))]).await;
    apify.abort_run("HG7ML7M8z78YcAPEB").await.unwrap();
    let seen = server.seen.lock().unwrap();
    assert_eq!(
        (&seen[0].method, seen[0].uri.path()),
        (&Method::POST, "/v2/actor-runs/HG7ML7M8z78YcAPEB/abort")
    );
}
