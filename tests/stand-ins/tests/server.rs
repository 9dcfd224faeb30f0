//! The server as its users meet it: over HTTP.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use oslira_stand_ins::{Latency, Server};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
};

/// A server of one's own; it stops with the test's runtime.
struct StandIns {
    base_url: String,
    client: Client,
    key_file: PathBuf,
}

impl Drop for StandIns {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.key_file);
    }
}

impl StandIns {
    async fn start() -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let key_file = std::env::temp_dir().join(format!("stand-ins-{}.json", uuid::Uuid::new_v4()));
        let server = Server::bind(0, &key_file, Latency::fast()).await.unwrap();
        let base_url = server.base_url().to_owned();
        tokio::spawn(server.serve());
        // No pool: a connection that a fault has reset must not be picked up by the next request.
        let client = Client::builder().pool_max_idle_per_host(0).build().unwrap();
        let stand_ins = Self { base_url, client, key_file };
        let still = json!({"apify": {"startMs": 0, "perProfileMs": 0, "perPostRunMs": 0, "restrictedMs": 0},
            "openai": {"ms": 0}, "anthropic": {"ms": 0}});
        stand_ins.control("PUT", "latency", &still).await;
        stand_ins
    }

    fn request(&self, method: &str, path: &str) -> RequestBuilder {
        self.client.request(method.parse::<Method>().unwrap(), format!("{}{path}", self.base_url))
    }

    async fn control(&self, method: &str, path: &str, body: &Value) -> Value {
        let response = self.request(method, &format!("/_control/{path}")).json(body).send().await.unwrap();
        assert!(response.status().is_success(), "{method} {path}: {}", response.text().await.unwrap());
        serde_json::from_str(&response.text().await.unwrap()).unwrap_or(Value::Null)
    }

    async fn apify(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        read(self.request(method, &format!("/apify/v2/{path}")).bearer_auth("apify_api_test").json(body))
            .await
    }

    async fn scrape(&self, usernames: &[&str]) -> (u16, Value) {
        let path = "acts/apify~instagram-profile-scraper/run-sync-get-dataset-items";
        self.apify("POST", path, &json!({"usernames": usernames})).await
    }

    async fn openai(&self, body: &Value) -> (u16, Value) {
        read(self.request("POST", "/openai/chat/completions").bearer_auth("sk-test").json(body)).await
    }

    fn anthropic_request(&self, body: &Value) -> RequestBuilder {
        let request = self.request("POST", "/anthropic/v1/messages").header("x-api-key", "sk-ant-test");
        request.header("anthropic-version", "2023-06-01").json(body)
    }

    async fn anthropic(&self, body: &Value) -> (u16, Value) {
        read(self.anthropic_request(body)).await
    }
}

async fn read(request: RequestBuilder) -> (u16, Value) {
    let response: Response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap())
}

fn schema() -> Value {
    json!({"type": "object", "additionalProperties": false, "required": ["fitScore", "summary"], "properties": {
        "fitScore": {"type": "integer", "description": "Fit from 0 to 100"}, "summary": {"type": "string"}}})
}

fn chat(user: &str) -> Value {
    json!({"model": "gpt-6-luna", "max_completion_tokens": 1000, "reasoning_effort": "low", "prompt_cache_key": "biz",
        "messages": [{"role": "system", "content": "Judge leads. ".repeat(400)}, {"role": "user", "content": user}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "score", "strict": true, "schema": schema()}}})
}

fn message(user: &str) -> Value {
    json!({"model": "claude-haiku-5-5", "max_tokens": 1000, "messages": [{"role": "user", "content": user}],
        "system": [{"type": "text", "text": "Judge leads. ".repeat(400), "cache_control": {"type": "ephemeral"}}],
        "output_config": {"format": {"type": "json_schema", "schema": schema()}, "effort": "medium"}})
}

fn with(mut body: Value, pointer: &str, value: Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    body.pointer_mut(parent).unwrap()[key] = value;
    body
}

#[tokio::test]
async fn apify_scrapes_profiles_and_posts_synchronously() {
    let s = StandIns::start().await;
    let (status, items) = s.scrape(&["nasa", "x_missing"]).await;
    assert_eq!(status, 201, "status");
    assert_eq!(items[0]["username"], "nasa", "username");
    assert_eq!(items[1]["error"], "not_found", "error");
    let input = json!({"directUrls": ["https://www.instagram.com/nasa/"], "resultsType": "posts", "resultsLimit": 50});
    let path = "acts/apify~instagram-scraper/run-sync-get-dataset-items";
    let (status, posts) = s.apify("POST", path, &input).await;
    assert_eq!(status, 201, "status");
    assert_eq!(posts.as_array().unwrap().len(), 50, "posts");
    assert_eq!(posts[3]["ownerUsername"], "nasa");
    assert_eq!(posts[3], items[0]["latestPosts"][3]);
}

#[tokio::test]
async fn apify_runs_can_be_waited_for_and_aborted() {
    let s = StandIns::start().await;
    let input = json!({"usernames": ["nasa"]});
    let (status, run) =
        s.apify("POST", "acts/apify~instagram-profile-scraper/runs?waitForFinish=60", &input).await;
    assert_eq!(status, 201, "status");
    assert_eq!(run["data"]["status"], "SUCCEEDED", "status");
    assert!(run["data"]["usageTotalUsd"].as_f64().unwrap() > 0.002);
    let items = format!("datasets/{}/items?clean=true", run["data"]["defaultDatasetId"].as_str().unwrap());
    assert_eq!(s.apify("GET", &items, &Value::Null).await.1[0]["username"], "nasa");

    // An hour long, so that only the abort can end the wait.
    s.control("PUT", "latency", &json!({"apify": {"startMs": 3_600_000}})).await;
    let (_, run) = s.apify("POST", "acts/apify~instagram-profile-scraper/runs", &input).await;
    assert_eq!(run["data"]["status"], "READY");
    let path = format!("actor-runs/{}", run["data"]["id"].as_str().unwrap());
    let (waiting, abort) = (format!("{path}?waitForFinish=60"), format!("{path}/abort"));
    let (waited, aborted) =
        tokio::join!(s.apify("GET", &waiting, &Value::Null), s.apify("POST", &abort, &Value::Null));
    assert_eq!(aborted.1["data"]["status"], "ABORTING");
    assert_eq!(waited.1["data"]["status"], "ABORTED");
    let counters = s.control("GET", "counters", &Value::Null).await;
    assert_eq!(counters["apify"]["actorRuns"], 2);
    assert_eq!(counters["apify"]["aborted"], 1, "aborted");
    assert_eq!(counters["apify"]["runsInFlight"], 0, "runsInFlight");
}

#[tokio::test]
async fn apify_refuses_as_the_real_one() {
    let s = StandIns::start().await;
    let path = "/apify/v2/acts/apify~instagram-profile-scraper/runs";
    let (status, body) = read(s.request("POST", path).json(&json!({}))).await;
    assert_eq!(status, 401, "status");
    assert_eq!(body["error"]["type"], "token-not-provided", "type");
    let (status, body) = read(s.request("POST", path).bearer_auth("other").json(&json!({}))).await;
    assert_eq!(status, 401, "status");
    assert_eq!(body["error"]["type"], "invalid-token", "type");
    let (status, body) = s.scrape(&[]).await;
    assert_eq!(status, 400, "status");
    assert_eq!(body["error"]["type"], "invalid-input", "type");
    assert_eq!(s.apify("GET", "actor-runs/none", &Value::Null).await.0, 404);
    assert_eq!(s.apify("GET", "actor-runs/none?waitForFinish=61", &Value::Null).await.0, 400);

    s.control("PUT", "behaviour", &json!({"maxConcurrentRuns": 0})).await;
    let (status, body) = s.scrape(&["nasa"]).await;
    assert_eq!(status, 402, "status");
    assert_eq!(body["error"]["type"], "concurrent-runs-limit-exceeded", "type");
    s.control("PUT", "behaviour", &json!({"maxConcurrentRuns": 1, "syncTimeoutMs": 0})).await;
    s.control("PUT", "latency", &json!({"apify": {"startMs": 3_600_000}})).await;
    let (status, body) = s.scrape(&["nasa"]).await;
    assert_eq!(status, 408, "status");
    assert_eq!(body["error"]["type"], "run-timeout-exceeded", "type");
    // The run goes on although its caller was sent away.
    assert_eq!(s.scrape(&["nasa"]).await.0, 402);
}

#[tokio::test]
async fn apify_runs_end_as_faults_say() {
    let s = StandIns::start().await;
    s.control(
        "POST",
        "faults",
        &json!({"upstream": "apify", "match": "kate", "kind": "runFailed", "times": 1}),
    )
    .await;
    assert_eq!(s.scrape(&["nasa"]).await.0, 201);
    let (status, body) = s.scrape(&["kate"]).await;
    assert_eq!(status, 400, "status");
    assert_eq!(body["error"]["type"], "run-failed", "type");
    assert_eq!(s.scrape(&["kate"]).await.0, 201);
    s.control("POST", "faults", &json!({"upstream": "apify", "kind": "invalidAnswer"})).await;
    assert_eq!(s.scrape(&["kate"]).await.1[0]["followersCount"], "many");
}

#[tokio::test]
async fn profiles_can_be_changed() {
    let s = StandIns::start().await;
    s.control("PUT", "profiles/kate", &json!({"private": true, "followersCount": 5})).await;
    let (_, items) = s.scrape(&["kate"]).await;
    assert_eq!(items[0]["followersCount"], 5, "followersCount");
    assert_eq!(items[0]["latestPosts"], json!([]), "latestPosts");
    let input = json!({"directUrls": ["https://www.instagram.com/kate/"], "resultsType": "posts"});
    let (_, posts) = s.apify("POST", "acts/apify~instagram-scraper/run-sync-get-dataset-items", &input).await;
    assert_eq!(posts[0]["error"], "no_items");
    s.control("DELETE", "profiles/kate", &Value::Null).await;
    assert_eq!(s.scrape(&["kate"]).await.1[0]["private"], false);
}

#[tokio::test]
async fn items_can_be_what_no_library_writes() {
    let s = StandIns::start().await;
    for (item, status) in [(r#"{"biography": "\ud83d", "n": 1e999}"#, 204), (r#"{"biography": "#, 400)] {
        let put = s.request("PUT", "/_control/profiles/kate/item").body(item);
        assert_eq!(put.send().await.unwrap().status().as_u16(), status);
    }
    let path = "/apify/v2/acts/apify~instagram-profile-scraper/run-sync-get-dataset-items";
    let request = s.request("POST", path).bearer_auth("apify_api_test").json(&json!({"usernames": ["kate"]}));
    let items = request.send().await.unwrap().text().await.unwrap();
    assert_eq!(items, r#"[{"biography": "\ud83d", "n": 1e999}]"#);
    s.control("DELETE", "profiles/kate", &Value::Null).await;
    assert_eq!(s.scrape(&["kate"]).await.1[0]["username"], "kate");
}

#[tokio::test]
async fn openai_answers_by_schema_and_caches_prefixes() {
    let s = StandIns::start().await;
    let (status, first) = s.openai(&chat("username: kate.fit #yoga")).await;
    assert_eq!(status, 200, "{first}");
    let content: Value =
        serde_json::from_str(first["choices"][0]["message"]["content"].as_str().unwrap()).unwrap();
    assert!((35..=92).contains(&content["fitScore"].as_i64().unwrap()));
    assert!(content["summary"].as_str().unwrap().contains("@kate.fit"));
    assert_eq!(first["usage"]["prompt_tokens_details"]["cached_tokens"], 0);
    let reasoning = first["usage"]["completion_tokens_details"]["reasoning_tokens"].as_u64().unwrap();
    assert!(reasoning > 0 && first["usage"]["completion_tokens"].as_u64().unwrap() > reasoning);

    let (_, second) = s.openai(&chat("username: other")).await;
    let cached = second["usage"]["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap();
    assert!(cached >= 1_024 && cached % 128 == 0);
    let (_, elsewhere) = s.openai(&with(chat("username: other"), "/prompt_cache_key", json!("biz2"))).await;
    assert_eq!(elsewhere["usage"]["prompt_tokens_details"]["cached_tokens"], 0);
    let (_, cut) = s.openai(&with(chat("x"), "/max_completion_tokens", json!(70))).await;
    assert_eq!(cut["choices"][0]["finish_reason"], "length", "finish_reason");
    assert_eq!(cut["usage"]["completion_tokens"], 70, "completion_tokens");
}

#[tokio::test]
async fn openai_refuses_as_the_real_one() {
    let s = StandIns::start().await;
    let (status, body) = read(s.request("POST", "/openai/chat/completions").json(&chat("x"))).await;
    assert_eq!(status, 401, "status");
    assert_eq!(body["error"]["code"], Value::Null, "code");
    let (status, body) = s.openai(&with(chat("x"), "/model", json!("gpt-3"))).await;
    assert_eq!(status, 404, "status");
    assert_eq!(body["error"]["code"], "model_not_found", "code");
    for (pointer, value, param) in [
        ("/temperature", json!(0.2), "temperature"),
        ("/max_tokens", json!(10), "max_tokens"),
        ("/reasoning_effort", json!("minimal"), "reasoning_effort"),
        ("/prompt_cache_key", json!("k".repeat(65)), "prompt_cache_key"),
        ("/response_format/json_schema/name", json!("lead score"), "response_format.json_schema.name"),
        ("/response_format/json_schema/schema/required", json!(["summary"]), "response_format"),
        ("/response_format/json_schema/schema/additionalProperties", json!(true), "response_format"),
        ("/frobnicate", json!(1), ""),
    ] {
        let (status, body) = s.openai(&with(chat("x"), pointer, value)).await;
        assert_eq!(status, 400, "status: {body}");
        assert_eq!(body["error"]["param"].as_str(), Some(param), "param: {body}");
        assert_eq!(body["error"]["type"], "invalid_request_error");
    }
    let older = with(with(chat("x"), "/model", json!("gpt-5-mini")), "/reasoning_effort", json!("minimal"));
    assert_eq!(s.openai(&older).await.0, 200);
}

#[tokio::test]
async fn openai_lists_shutdown_dates() {
    let s = StandIns::start().await;
    s.control("PUT", "behaviour", &json!({"shutdownDates": {"gpt-6-luna": "2026-12-01"}})).await;
    let (_, models) = read(s.request("GET", "/openai/models").bearer_auth("sk-test")).await;
    let date = |id: &str| {
        models["data"].as_array().unwrap().iter().find(|model| model["id"] == id).unwrap()["shutdown_date"]
            .clone()
    };
    assert_eq!(date("gpt-6-luna"), "2026-12-01");
    assert_eq!(date("gpt-5"), "2026-12-11");
    assert_eq!(date("gpt-6.1-sol"), Value::Null);
}

#[tokio::test]
async fn anthropic_answers_by_schema_and_caches_marked_prefixes() {
    let s = StandIns::start().await;
    let (status, first) = s.anthropic(&message("username: kate.fit")).await;
    assert_eq!(status, 200, "{first}");
    assert_eq!(first["content"][0]["type"], "thinking");
    let content: Value = serde_json::from_str(first["content"][1]["text"].as_str().unwrap()).unwrap();
    assert!(content["summary"].as_str().unwrap().contains("@kate.fit"));
    let created = first["usage"]["cache_creation_input_tokens"].as_u64().unwrap();
    assert!(created >= 1_024 && first["usage"]["cache_read_input_tokens"] == 0);

    let (_, second) = s.anthropic(&message("username: other")).await;
    assert_eq!(second["usage"]["cache_read_input_tokens"], created);
    assert_eq!(second["usage"]["cache_creation_input_tokens"], 0);
    assert!(second["usage"]["input_tokens"].as_u64().unwrap() < 20);
    let unmarked = with(message("username: other"), "/system/0/cache_control", Value::Null);
    let (_, third) = s.anthropic(&unmarked).await;
    assert_eq!(third["usage"]["cache_read_input_tokens"], 0);
}

#[tokio::test]
async fn anthropic_refuses_as_the_real_one() {
    let s = StandIns::start().await;
    let bare = s.request("POST", "/anthropic/v1/messages");
    let (status, body) = read(bare.json(&message("x"))).await;
    assert_eq!(status, 401, "status");
    assert_eq!(body["error"]["type"], "authentication_error", "type");
    let unversioned = s.request("POST", "/anthropic/v1/messages").header("x-api-key", "sk-ant-test");
    assert_eq!(read(unversioned.json(&message("x"))).await.0, 400);
    assert_eq!(s.anthropic(&with(message("x"), "/model", json!("claude-1"))).await.0, 404);
    for (pointer, value, part) in [
        ("/temperature", json!(1), "temperature"),
        ("/tool_choice", json!({"type": "tool", "name": "t"}), "tool_choice"),
        (
            "/messages",
            json!([{"role": "user", "content": "a"}, {"role": "assistant", "content": "{"}]),
            "prefill",
        ),
        ("/output_config/format/schema/properties/fitScore/maximum", json!(100), "maximum"),
        ("/output_config/format/schema/additionalProperties", json!(true), "additionalProperties"),
        ("/output_config/effort", json!("minimal"), "effort"),
        ("/max_tokens", json!(0), "max_tokens"),
    ] {
        let (status, body) = s.anthropic(&with(message("x"), pointer, value)).await;
        assert_eq!(status, 400, "status: {body}");
        assert_eq!(body["error"]["type"], "invalid_request_error", "type: {body}");
        assert!(body["error"]["message"].as_str().unwrap().contains(part), "{body}");
    }
}

#[tokio::test]
async fn faults_speak_the_vendors_language() {
    let s = StandIns::start().await;
    for (fault, status, pointer, expected) in [
        (json!({"status": 429, "retryAfterSeconds": 1.5}), 429, "/error/code", "rate_limit_exceeded"),
        (json!({"status": 429, "code": "insufficient_quota"}), 429, "/error/type", "insufficient_quota"),
        (json!({"status": 503}), 503, "/error/type", "server_error"),
    ] {
        let mut rule = json!({"upstream": "openai", "kind": "status", "times": 1});
        rule.as_object_mut().unwrap().extend(fault.as_object().unwrap().clone());
        s.control("POST", "faults", &rule).await;
        let request = s.request("POST", "/openai/chat/completions").bearer_auth("sk-test").json(&chat("x"));
        let response = request.send().await.unwrap();
        assert_eq!(response.status().as_u16(), status);
        if rule["retryAfterSeconds"].is_number() {
            assert_eq!(response.headers()["retry-after"], "2");
            assert_eq!(response.headers()["retry-after-ms"], "1500");
        }
        let body: Value = response.json().await.unwrap();
        assert_eq!(body.pointer(pointer), Some(&json!(expected)));
    }
    s.control(
        "POST",
        "faults",
        &json!({"upstream": "anthropic", "kind": "status", "status": 529, "times": 1}),
    )
    .await;
    let (status, body) = s.anthropic(&message("x")).await;
    assert_eq!(status, 529, "status");
    assert_eq!(body["error"]["type"], "overloaded_error", "type");
    let said = json!({"upstream": "apify", "kind": "status", "status": 402, "message": "said", "times": 1});
    s.control("POST", "faults", &said).await;
    let (status, body) = s.scrape(&["nasa"]).await;
    assert_eq!(status, 402, "status");
    assert_eq!(body["error"]["message"], "said", "message");
    let faults = s.control("GET", "faults", &Value::Null).await;
    assert!(faults.as_array().unwrap().iter().all(|fault| fault["hits"] == 1));
    s.control("DELETE", "faults", &Value::Null).await;
    assert_eq!(s.control("GET", "faults", &Value::Null).await, json!([]));
}

#[tokio::test]
async fn connections_can_be_reset_and_answers_broken() {
    let s = StandIns::start().await;
    s.control("POST", "faults", &json!({"upstream": "openai", "kind": "reset", "times": 1})).await;
    s.control("POST", "faults", &json!({"upstream": "openai", "kind": "malformed", "times": 1})).await;
    s.control("POST", "faults", &json!({"upstream": "openai", "kind": "timeout", "times": 1})).await;
    let send = || s.request("POST", "/openai/chat/completions").bearer_auth("sk-test").json(&chat("x"));
    assert!(send().send().await.unwrap_err().is_request());
    let malformed = send().send().await.unwrap();
    assert_eq!(malformed.status(), 200);
    assert!(malformed.json::<Value>().await.is_err());
    assert!(send().timeout(std::time::Duration::from_millis(50)).send().await.unwrap_err().is_timeout());
    assert_eq!(send().send().await.unwrap().status(), 200);
    let by_status = s.control("GET", "counters", &Value::Null).await["openai"]["byStatus"].clone();
    assert_eq!(by_status["reset"], 1, "reset");
    assert_eq!(by_status["200"], 2, "200");
}

#[tokio::test]
async fn models_can_be_made_to_fail() {
    let s = StandIns::start().await;
    for kind in ["invalidAnswer", "refusal", "truncated"] {
        for upstream in ["openai", "anthropic"] {
            s.control("POST", "faults", &json!({"upstream": upstream, "kind": kind, "times": 1})).await;
        }
    }
    let (_, unfit) = s.openai(&chat("x")).await;
    let content: Value =
        serde_json::from_str(unfit["choices"][0]["message"]["content"].as_str().unwrap()).unwrap();
    assert!(content.get("fitScore").is_none());
    let (_, refused) = s.openai(&chat("x")).await;
    assert!(refused["choices"][0]["message"]["content"].is_null());
    assert!(refused["choices"][0]["message"]["refusal"].is_string());
    assert_eq!(s.openai(&chat("x")).await.1["choices"][0]["finish_reason"], "length");
    assert!(!s.anthropic(&message("x")).await.1["content"][1]["text"].as_str().unwrap().contains("fitScore"));
    assert_eq!(s.anthropic(&message("x")).await.1["stop_reason"], "refusal");
    assert_eq!(s.anthropic(&message("x")).await.1["stop_reason"], "max_tokens");
}

#[tokio::test]
async fn a_good_answer_can_have_any_usage() {
    let s = StandIns::start().await;
    for upstream in ["openai", "anthropic"] {
        s.control(
            "POST",
            "faults",
            &json!({"upstream": upstream, "kind": "usage", "usage": "[1e999, -5]", "times": 1}),
        )
        .await;
    }
    let openai = s.request("POST", "/openai/chat/completions").bearer_auth("sk-test").json(&chat("x"));
    for request in [openai, s.anthropic_request(&message("x"))] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "application/json");
        let text = answer.text().await.unwrap();
        assert!(text.contains(r#""usage":[1e999, -5],"#) && text.contains("fitScore"), "{text}");
        assert_eq!(text.matches(r#""usage""#).count(), 1);
    }
}

#[tokio::test]
async fn an_obedient_model_follows_what_a_profile_says() {
    let s = StandIns::start().await;
    let (_, items) = s.scrape(&["kate_injected"]).await;
    let prompt = format!("username: kate_injected\nbio: {}", items[0]["biography"]);
    let score = |body: &Value| {
        let answer: Value =
            serde_json::from_str(body["choices"][0]["message"]["content"].as_str().unwrap()).unwrap();
        answer["fitScore"].as_i64().unwrap()
    };
    assert!(score(&s.openai(&chat(&prompt)).await.1) <= 92);
    s.control("PUT", "behaviour", &json!({"obedient": true})).await;
    assert_eq!(score(&s.openai(&chat(&prompt)).await.1), 100);
}

#[tokio::test]
async fn requests_are_counted_and_kept() {
    let s = StandIns::start().await;
    s.openai(&chat("username: kate")).await;
    s.openai(&chat("username: mark")).await;
    s.scrape(&["kate"]).await;
    let kate = s.control("GET", "counters?contains=kate", &Value::Null).await;
    assert_eq!(kate["openai"]["requests"], 1, "requests");
    assert_eq!(kate["apify"]["actorRuns"], 1, "actorRuns");
    let all = s.control("GET", "counters", &Value::Null).await;
    assert_eq!(all["openai"]["requests"], 2, "requests");
    assert_eq!(all["openai"]["concurrent"], 0, "concurrent");
    let kept = s.control("GET", "requests?upstream=openai&contains=mark", &Value::Null).await;
    assert_eq!(kept.as_array().unwrap().len(), 1, "requests that are kept");
    assert_eq!(kept[0]["status"], 200, "status");
    assert_eq!(kept[0]["body"]["messages"][1]["content"], "username: mark");
    s.control("DELETE", "counters", &Value::Null).await;
    let zero = s.control("GET", "counters?contains=kate", &Value::Null).await;
    assert_eq!(zero["openai"]["requests"], 0, "requests");
    assert_eq!(zero["apify"]["actorRuns"], 0, "actorRuns");
}

#[tokio::test]
async fn users_sign_in_and_tokens_can_be_forged() {
    let s = StandIns::start().await;
    let id = "7b0e8c52-0000-4000-8000-000000000001";
    s.control("PUT", "users", &json!([{"id": id, "email": "ann@example.com", "password": "correct"}])).await;
    let path = "/supabase/auth/v1/token?grant_type=password";
    let wrong = json!({"email": "ann@example.com", "password": "wrong"});
    let (status, body) = read(s.request("POST", path).json(&wrong)).await;
    assert_eq!(status, 400, "status");
    assert_eq!(body["error_code"], "invalid_credentials", "error_code");
    let right = json!({"email": "Ann@example.com", "password": "correct"});
    let (status, session) = read(s.request("POST", path).json(&right)).await;
    assert_eq!(status, 200, "status");
    assert_eq!(session["token_type"], "bearer", "token_type");
    assert_eq!(session["user"]["id"], json!(id), "id");

    let jwks = || async { read(s.request("GET", "/supabase/auth/v1/.well-known/jwks.json")).await };
    let key_set: jsonwebtoken::jwk::JwkSet = serde_json::from_value(jwks().await.1).unwrap();
    let token = session["access_token"].as_str().unwrap();
    let kid = jsonwebtoken::decode_header(token).unwrap().kid.unwrap();
    let key = jsonwebtoken::DecodingKey::from_jwk(key_set.find(&kid).unwrap()).unwrap();
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::ES256);
    validation.set_audience(&["authenticated"]);
    validation.set_issuer(&[format!("{}/supabase/auth/v1", s.base_url)]);
    let claims = jsonwebtoken::decode::<Value>(token, &key, &validation).unwrap().claims;
    assert_eq!(claims["sub"], json!(id), "sub");
    assert_eq!(claims["is_anonymous"], false, "is_anonymous");

    let forged = json!({"alg": "ES256", "key": "unknown", "kid": kid, "claims": {"role": "service_role"}, "omit": ["exp"]});
    let forged = s.control("POST", "jwt", &forged).await;
    validation.required_spec_claims.clear();
    assert!(jsonwebtoken::decode::<Value>(forged["token"].as_str().unwrap(), &key, &validation).is_err());

    let rotated = s.control("POST", "jwks/rotate", &Value::Null).await;
    let keys = jwks().await.1;
    assert_eq!(keys["keys"].as_array().unwrap().len(), 3);
    assert_eq!(keys["keys"][0]["kid"], rotated["kid"]);
    s.control("PUT", "behaviour", &json!({"jwksOutage": true})).await;
    assert_eq!(jwks().await.0, 503);
}

#[test]
fn the_program_tells_its_port_and_ends_on_a_signal() {
    let folder = std::env::temp_dir().join(format!("stand-ins-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir(&folder).unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_oslira-stand-ins"))
        .arg("--port-file")
        .arg(folder.join("port"))
        .arg("--key-file")
        .arg(folder.join("keys"))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(program.stderr.take().unwrap()).read_line(&mut line).unwrap();
    let port = std::fs::read_to_string(folder.join("port")).unwrap();
    assert!(line.trim_end().ends_with(&format!("http://127.0.0.1:{port}")), "{line}");
    assert!(Command::new("kill").arg("-TERM").arg(program.id().to_string()).status().unwrap().success());
    assert!(program.wait().unwrap().success());
    std::fs::remove_dir_all(&folder).unwrap();
}
