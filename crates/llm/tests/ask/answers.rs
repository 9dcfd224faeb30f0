//! What the two vendors are asked, and what happens with their answers and failures.

use crate::{DATA, INSTRUCTIONS, SCHEMA, TODAY};
use crate::{
    ask, ask_within, code, outcomes, question,
    shared::without,
    vendors::{
        self, ANTHROPIC_KEY, OPENAI_KEY, Vendors, hangs, message, openai_answer, openai_error, respond,
    },
};
use CallOutcome::{Answered, Failed, Refused, Truncated, Unfit};
use Provider::{Anthropic, OpenAi};
use jiff::civil::date;
use oslira_domain::{Code, Role};
use oslira_llm::{CallOutcome, Catalogue, Endpoint, Provider, Question, assert_strict};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

#[tokio::test]
async fn openai_is_asked_as_its_api_wants() {
    let (vendors, llm) = Vendors::start([openai_answer(r#"{"score":81}"#)], []).await;
    let outcome = ask(&llm).await;
    assert_eq!(outcome.answer.unwrap(), 81);

    let request = vendors.openai_requests().remove(0);
    assert_eq!(request.path, "/openai/chat/completions");
    assert_eq!(request.headers["authorization"], format!("Bearer {OPENAI_KEY}"));
    let expected = json!({
        "model": "gpt-6-luna",
        "messages": [{"role": "system", "content": INSTRUCTIONS}, {"role": "user", "content": DATA}],
        "max_completion_tokens": 1000,
        "prompt_cache_key": "business-42",
        "response_format": {"type": "json_schema",
            "json_schema": {"name": "lead_score", "strict": true, "schema": *SCHEMA}},
        "reasoning_effort": "low",
    });
    assert_eq!(request.body, expected);
    assert_strict(&request.body["response_format"]["json_schema"]["schema"]);

    let call = &outcome.calls[0];
    assert_eq!((call.provider, call.model.as_str(), call.outcome), (OpenAi, "gpt-6-luna", Answered));
    // The prompt has 150 tokens, 120 of them from the cache.
    assert_eq!((call.input_tokens, call.cached_tokens, call.output_tokens), (30, 120, 20));
    assert!((call.cost_usd - (30.0 * 0.10 + 120.0 * 0.01 + 20.0 * 0.50) / 1e6).abs() < 1e-12);
    assert_eq!(call.estimated_usd, 0.0, "all was told");
    assert!(!call.is_fallback && !call.cache_hit);
}

#[tokio::test]
async fn anthropic_is_asked_as_its_api_wants() {
    let (vendors, llm) = Vendors::start([], [message("end_turn", r#"{"score":64}"#)]).await;
    let shared = without(OpenAi);
    let outcome = ask(&llm.sharing(&shared)).await;
    assert_eq!(outcome.answer.unwrap(), 64);

    let request = vendors.anthropic_requests().remove(0);
    assert_eq!(request.path, "/anthropic/v1/messages");
    assert_eq!(request.headers["x-api-key"], ANTHROPIC_KEY);
    assert_eq!(request.headers["anthropic-version"], "2023-06-01");
    let expected = json!({
        "model": "claude-haiku-5-5",
        "max_tokens": 1000,
        "system": [{"type": "text", "text": INSTRUCTIONS, "cache_control": {"type": "ephemeral"}}],
        "messages": [{"role": "user", "content": DATA}],
        "output_config": {"format": {"type": "json_schema", "schema": *SCHEMA}, "effort": "low"},
    });
    assert_eq!(request.body, expected);

    let call = &outcome.calls[0];
    // 30 at full price, 100 written to the cache, 120 read from it.
    assert_eq!((call.input_tokens, call.cached_tokens, call.output_tokens), (130, 120, 20));
    assert!((call.cost_usd - (30.0 * 0.10 + 100.0 * 0.125 + 120.0 * 0.01 + 20.0 * 0.50) / 1e6).abs() < 1e-12);
    assert_eq!(call.estimated_usd, 0.0, "all was told");
    assert!(call.is_fallback);
}

#[tokio::test]
async fn a_gateways_cached_answer_costs_nothing() {
    let mut answer = openai_answer(r#"{"score":81}"#);
    answer.headers_mut().insert("cf-aig-cache-status", "HIT".parse().unwrap());
    let (_vendors, llm) = Vendors::start([answer], []).await;
    let call = ask(&llm).await.calls.remove(0);
    assert_eq!((call.cache_hit, call.cost_usd, call.cached_tokens), (true, 0.0, 120));
    let json = serde_json::to_value(&call).unwrap();
    assert_eq!(
        (&json["provider"], &json["cacheHit"], &json["outcome"]),
        (&json!("openai"), &json!(true), &json!("answered"))
    );
}

#[tokio::test]
async fn a_gateway_is_shown_its_own_token_if_there_is_one() {
    let answers = || [openai_error(401, "x"), respond(200, json!({"data": []}))];
    let claude = || [message("end_turn", r#"{"score":6}"#)];
    for token in [None, Some("aig-secret")] {
        let (vendors, llm) = Vendors::start(answers(), claude()).await;
        let llm = if let Some(token) = token { llm.with_gateway_token(token) } else { llm };
        ask(&llm).await.answer.unwrap();
        llm.openai_shutdown_dates(Duration::from_secs(10)).await.unwrap();
        let (openai, anthropic) = (vendors.openai_requests(), vendors.anthropic_requests());
        assert_eq!((openai.len(), anthropic.len()), (2, 1));
        for request in openai.iter().chain(&anthropic) {
            let shown = request.headers.get("cf-aig-authorization").map(|it| it.to_str().unwrap().to_owned());
            assert_eq!(shown, token.map(|token| format!("Bearer {token}")), "{}", request.path);
        }
        assert_eq!(anthropic[0].headers["x-api-key"], ANTHROPIC_KEY, "beside the vendor's key");
        assert!(!format!("{llm:?}").contains("aig-secret"));
    }
}

#[test]
fn every_host_of_a_vendors_domain_is_the_vendor_and_no_gateway() {
    for (url, is_a_gateway) in [
        (Endpoint::OPENAI, false),
        (Endpoint::ANTHROPIC, false),
        ("https://api.anthropic.com/", false),
        ("https://eu.api.openai.com/v1", false),
        ("HTTPS://API.OpenAI.com./v2", false),
        ("https://openai.com", false),
        ("no address", false),
        ("https://gateway.ai.cloudflare.com/v1/a/g/openai", true),
        ("https://notopenai.com/v1", true),
        ("https://api.anthropic.com.gateway.example", true),
        ("http://127.0.0.1:9000/openai", true),
    ] {
        assert_eq!(Endpoint::is_a_gateway(url), is_a_gateway, "{url}");
    }
}

#[tokio::test]
async fn a_passing_failure_is_tried_once_more() {
    for failure in [
        openai_error(429, "rate_limit_exceeded"),
        openai_error(500, "server_error"),
        openai_error(503, "slow_down"),
        openai_error(408, "timeout"),
        respond(200, json!({"choices": []})),
        respond(200, json!("<html>")),
    ] {
        let (_vendors, llm) = Vendors::start([failure, openai_answer(r#"{"score":5}"#)], []).await;
        let outcome = ask(&llm).await;
        assert_eq!(outcomes(&outcome), [(OpenAi, Failed), (OpenAi, Answered)]);
        assert_eq!(outcome.calls[0].cost_usd, 0.0);
        assert_eq!(outcome.answer.unwrap(), 5);
    }
}

#[tokio::test]
async fn a_provider_that_stays_down_is_replaced() {
    let down = || openai_error(503, "server_error");
    let (_vendors, llm) = Vendors::start([down(), down()], [message("end_turn", r#"{"score":6}"#)]).await;
    let outcome = ask(&llm).await;
    assert_eq!(outcomes(&outcome), [(OpenAi, Failed), (OpenAi, Failed), (Anthropic, Answered)]);
    assert_eq!(outcome.calls.iter().map(|call| call.is_fallback).collect::<Vec<_>>(), [false, false, true]);
}

#[tokio::test]
async fn a_long_retry_after_goes_to_the_fallback_at_once() {
    for header in [("retry-after", "3600"), ("retry-after-ms", "3600000")] {
        let mut busy = openai_error(429, "rate_limit_exceeded");
        busy.headers_mut().clear();
        busy.headers_mut().insert(header.0, header.1.parse().unwrap());
        let (_vendors, llm) = Vendors::start([busy], [message("end_turn", r#"{"score":6}"#)]).await;
        assert_eq!(outcomes(&ask(&llm).await), [(OpenAi, Failed), (Anthropic, Answered)]);
    }
}

#[tokio::test]
async fn a_refusal_of_us_goes_to_the_fallback_at_once() {
    for (status, code) in [
        (429, "insufficient_quota"),
        (401, "invalid_api_key"),
        (403, "forbidden"),
        (404, "model_not_found"),
        (400, "x"),
    ] {
        let (_vendors, llm) =
            Vendors::start([openai_error(status, code)], [message("end_turn", r#"{"score":6}"#)]).await;
        let outcome = ask(&llm).await;
        assert_eq!(outcomes(&outcome), [(OpenAi, Failed), (Anthropic, Answered)], "{code}");
        assert_eq!(outcome.calls[0].estimated_usd, 0.0, "a refusal is not charged");
    }
}

#[tokio::test]
async fn a_hanging_provider_leaves_time_for_the_fallback() {
    let (_vendors, llm) = Vendors::start([hangs()], [message("end_turn", r#"{"score":6}"#)]).await;
    // The first provider has 1.8 of the three seconds, and its first attempt 1.2. The rest is too short for
    // another attempt.
    let outcome = ask_within(&llm, Role::Fast, TODAY, Duration::from_secs(3)).await;
    assert_eq!(outcomes(&outcome), [(OpenAi, Failed), (Anthropic, Answered)]);
}

#[tokio::test]
async fn nobody_is_asked_without_time() {
    let (vendors, llm) = Vendors::start([], []).await;
    let outcome = ask_within(&llm, Role::Fast, TODAY, Duration::from_millis(900)).await;
    assert_eq!(code(&outcome), Code::AiUnavailable);
    assert_eq!((outcome.calls.len(), vendors.openai_requests().len()), (0, 0));
}

#[tokio::test]
async fn an_answer_that_does_not_fit_is_corrected_once() {
    let (vendors, llm) =
        Vendors::start([openai_answer(r#"{"points":1}"#), openai_answer(r#"{"score":7}"#)], []).await;
    let outcome = ask(&llm).await;
    assert_eq!(outcomes(&outcome), [(OpenAi, Unfit), (OpenAi, Answered)]);
    assert!(outcome.calls.iter().all(|call| call.cost_usd > 0.0), "both were paid");
    let requests = vendors.openai_requests();
    assert_eq!(requests[0].body["messages"][0], requests[1].body["messages"][0], "the cached prefix is kept");
    let second = requests[1].body["messages"][1]["content"].as_str().unwrap();
    assert!(second.starts_with(DATA) && second.contains("score is missing"), "{second}");
}

#[tokio::test]
async fn what_never_fits_goes_to_the_fallback_then_fails() {
    let (vendors, llm) = Vendors::start(
        [openai_answer("not json"), openai_answer("")],
        [message("max_tokens", r#"{"sco"#), message("end_turn", "{}")],
    )
    .await;
    let outcome = ask(&llm).await;
    assert_eq!(
        outcomes(&outcome),
        [(OpenAi, Unfit), (OpenAi, Unfit), (Anthropic, Truncated), (Anthropic, Unfit)]
    );
    assert_eq!(code(&outcome), Code::AnswerUnusable);
    let second = vendors.anthropic_requests().remove(1).body["messages"][0]["content"].to_string();
    assert!(second.contains("cut off"), "{second}");
}

#[tokio::test]
async fn a_cut_off_answer_is_truncated_at_openai_too() {
    let cut = respond(200, json!({"choices": [{"message": {"content": "{"}, "finish_reason": "length"}]}));
    let (_vendors, llm) = Vendors::start([cut, openai_answer(r#"{"score":7}"#)], []).await;
    let outcome = ask(&llm).await;
    assert_eq!(outcomes(&outcome), [(OpenAi, Truncated), (OpenAi, Answered)]);
    assert_eq!((outcome.calls[0].output_tokens, outcome.calls[0].cost_usd), (0, 0.0), "no usage was told");
    assert!(outcome.calls[0].estimated_usd > 1_000.0 * 0.5 / 1e6, "so it is estimated");
}

#[tokio::test]
async fn a_passing_failure_may_come_between_two_corrections() {
    let (_vendors, llm) = Vendors::start(
        [openai_answer("{}"), openai_error(500, "server_error"), openai_answer(r#"{"score":7}"#)],
        [],
    )
    .await;
    assert_eq!(outcomes(&ask(&llm).await), [(OpenAi, Unfit), (OpenAi, Failed), (OpenAi, Answered)]);
}

#[tokio::test]
async fn a_refusal_goes_to_the_fallback() {
    let refusal = |message: Value, reason: &str| {
        respond(
            200,
            json!({"choices": [{"message": message, "finish_reason": reason}], "usage": {"prompt_tokens": 9}}),
        )
    };
    for refused in [
        refusal(json!({"content": null, "refusal": "I cannot help with that."}), "stop"),
        refusal(json!({"content": null}), "content_filter"),
        openai_error(400, "invalid_prompt"),
    ] {
        let (_vendors, llm) = Vendors::start([refused], [message("refusal", "")]).await;
        let outcome = ask(&llm).await;
        assert_eq!(outcomes(&outcome), [(OpenAi, Refused), (Anthropic, Refused)]);
        assert_eq!(code(&outcome), Code::AnswerUnusable);
    }
}

#[tokio::test]
async fn the_error_says_whether_waiting_helps() {
    let anthropic = |status, kind: &str| {
        respond(status, json!({"type": "error", "error": {"type": kind, "message": "canary"}}))
    };
    let overloaded = || anthropic(529, "overloaded_error");

    let (_vendors, llm) =
        Vendors::start([openai_error(401, "invalid_api_key")], [overloaded(), overloaded()]).await;
    let outcome = ask(&llm).await;
    assert_eq!(outcomes(&outcome), [(OpenAi, Failed), (Anthropic, Failed), (Anthropic, Failed)]);
    assert_eq!(code(&outcome), Code::AiUnavailable);
    assert_eq!(
        outcome.answer.unwrap_err().chain(),
        "openai answered 401 invalid_request_error/invalid_api_key for gpt-6-luna; \
         anthropic answered 529 overloaded_error for claude-haiku-5-5"
    );

    let (_vendors, llm) =
        Vendors::start([openai_error(429, "insufficient_quota")], [anthropic(402, "billing_error")]).await;
    assert_eq!(code(&ask(&llm).await), Code::AiRejected);

    let (_vendors, llm) =
        Vendors::start([openai_error(404, "model_not_found")], [message("refusal", "")]).await;
    assert_eq!(code(&ask(&llm).await), Code::AnswerUnusable);

    // A name that is not a known type is not repeated, even if it looks like one.
    let (_vendors, llm) =
        Vendors::start([openai_error(401, "canary_key")], [anthropic(401, "canary sk-1")]).await;
    let outcome = ask(&llm).await;
    assert_eq!(code(&outcome), Code::AiRejected);
    assert_eq!(
        outcome.answer.unwrap_err().chain(),
        "openai answered 401 invalid_request_error/(unknown) for gpt-6-luna; \
         anthropic answered 401 (unknown) for claude-haiku-5-5"
    );
}

#[tokio::test]
async fn nobody_listening_is_unavailable() {
    let (llm, shared) = (vendors::client("http://127.0.0.1:1"), without(Anthropic));
    let outcome = ask_within(&llm.sharing(&shared), Role::Premium, TODAY, Duration::from_secs(3)).await;
    assert_eq!(code(&outcome), Code::AiUnavailable);
    assert_eq!(
        outcome.answer.unwrap_err().chain(),
        "openai: no connection; anthropic is not asked at present, because its calls kept failing"
    );
}

#[tokio::test]
async fn a_model_past_its_date_is_skipped() {
    let text = include_str!("../../../models/models.toml")
        .replace("id = \"gpt-6-luna\"", "id = \"gpt-6-luna\"\nshutdown = \"2026-12-01\"");
    let (_vendors, llm) = Vendors::start(
        [openai_answer(r#"{"score":1}"#)],
        [message("end_turn", r#"{"score":2}"#), respond(401, json!({}))],
    )
    .await;
    let llm = llm.with_catalogue(Catalogue::parse(&text).unwrap());
    let time = Duration::from_secs(60);
    assert_eq!(ask_within(&llm, Role::Fast, date(2026, 11, 30), time).await.answer.unwrap(), 1);
    assert_eq!(ask_within(&llm, Role::Fast, date(2026, 12, 1), time).await.answer.unwrap(), 2);
    assert_eq!(code(&ask_within(&llm, Role::Fast, date(2026, 12, 1), time).await), Code::AiRejected);
}

#[tokio::test]
async fn an_effort_the_model_does_not_know_is_not_sent() {
    let text = include_str!("../../../models/models.toml").replace(
        "primary = \"gpt-6-luna\", fallback = \"claude-haiku-5-5\"",
        "primary = \"gpt-4o-mini\", fallback = \"plain\"",
    ) + "\n[[models]]\nid = \"plain\"\nprovider = \"anthropic\"\nprice = { input = 1, cached = 1, output = 1 }\nefforts = []\n";
    let (vendors, llm) =
        Vendors::start([openai_error(401, "x")], [message("end_turn", r#"{"score":2}"#)]).await;
    ask(&llm.with_catalogue(Catalogue::parse(&text).unwrap())).await.answer.unwrap();
    assert!(vendors.openai_requests()[0].body.get("reasoning_effort").is_none());
    assert!(vendors.anthropic_requests()[0].body["output_config"].get("effort").is_none());
}

#[tokio::test]
async fn long_cache_keys_are_cut() {
    let (vendors, llm) = Vendors::start([openai_answer("{}")], []).await;
    let key = "k".repeat(80);
    let question = Question { cache_key: &key, ..question(Role::Fast) };
    let deadline = Instant::now() + Duration::from_secs(60);
    llm.ask(&question, TODAY, deadline, |_| Ok(())).await.answer.unwrap();
    assert_eq!(vendors.openai_requests()[0].body["prompt_cache_key"].as_str().unwrap().len(), 64);
}

#[tokio::test]
async fn openai_tells_shutdown_dates() {
    let models = json!({"object": "list", "data": [
        {"id": "gpt-5", "object": "model", "created": 1, "owned_by": "openai", "shutdown_date": "2026-12-11"},
        {"id": "gpt-6-luna", "object": "model", "shutdown_date": null}, {"id": "gpt-6.1-sol"},
        {"id": "gpt-7", "shutdown_date": "soon"}, 7]});
    let answers = [respond(200, models), respond(200, json!([])), openai_error(401, "invalid_api_key")];
    let (vendors, llm) = Vendors::start(answers, []).await;
    let asked = async || llm.openai_shutdown_dates(Duration::from_secs(10)).await;
    let dates: Vec<_> = asked().await.unwrap().into_iter().collect();
    assert_eq!(dates, [("gpt-5".to_owned(), date(2026, 12, 11))]);
    assert_eq!(vendors.openai_requests()[0].path, "/openai/models");
    assert_eq!(vendors.openai_requests()[0].headers["authorization"], format!("Bearer {OPENAI_KEY}"));
    assert_eq!(asked().await.unwrap_err().code, Code::AiUnavailable);
    assert_eq!(asked().await.unwrap_err().code, Code::AiRejected);
}

#[tokio::test]
async fn the_log_is_critical_where_we_must_act_and_holds_nothing_private() {
    let log = vendors::Log::default();
    let _guard = log.keep();
    let text = include_str!("../../../models/models.toml")
        .replace("id = \"gpt-6-luna\"", "id = \"gpt-6-luna\"\nshutdown = \"2026-11-01\"");
    let (_vendors, llm) = Vendors::start(
        [openai_answer("{}"), openai_error(500, "canary"), openai_error(401, "invalid_api_key")],
        [message("refusal", "canary"), message("refusal", "canary")],
    )
    .await;
    ask_within(&llm, Role::Balanced, TODAY, Duration::from_secs(60)).await;
    ask_within(
        &llm.with_catalogue(Catalogue::parse(&text).unwrap()),
        Role::Fast,
        TODAY,
        Duration::from_secs(60),
    )
    .await;
    let lines = log.text();
    assert!(
        lines.contains("was shut down") && lines.contains("refuses us") && lines.contains("asked again"),
        "{lines}"
    );
    let critical: Vec<_> = lines.lines().filter(|line| line.contains("\"CRITICAL\"")).collect();
    assert_eq!(critical.len(), 2, "{lines}");
    for secret in [OPENAI_KEY, ANTHROPIC_KEY, "canary-"] {
        assert!(!lines.contains(secret), "{secret} in {lines}");
    }
}

#[tokio::test]
async fn keys_and_prompts_are_not_shown() {
    let shown = format!("{:?} {:?}", vendors::client("http://127.0.0.1:1"), question(Role::Fast));
    for secret in [OPENAI_KEY, ANTHROPIC_KEY, "canary"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
