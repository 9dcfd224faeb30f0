//! Answers with things that nobody asked for: half characters, other forms, absurd figures, too much of
//! everything. A profile's author may cause some of them, and none is a provider's failure.

use crate::{
    ask, outcomes,
    shared::{Fake, without},
    vendors::{Log, Vendors, message, openai_answer, respond, respond_with},
};
use CallOutcome::{Answered, Failed, Refused, Unfit};
use Provider::{Anthropic, OpenAi};
use oslira_llm::{Call, CallOutcome, Provider};
use serde_json::json;

/// An answer of OpenAI with this JSON as the message's content.
fn openai_content(content: &str) -> String {
    format!(r#"{{"choices": [{{"message": {{"content": {content}}}, "finish_reason": "stop"}}]}}"#)
}

/// An answer of Anthropic with this JSON as its content.
fn anthropic_content(content: &str) -> String {
    format!(r#"{{"content": {content}, "stop_reason": "end_turn"}}"#)
}

#[tokio::test]
async fn half_an_emoji_spoils_no_answer() {
    for text in [
        // Once in the vendor's JSON, and once in the model's own JSON inside it.
        r#""{\"score\": 5, \"note\": \"\ud83d\"}""#,
        r#""{\"score\": 5, \"note\": \"\\ud83d\"}""#,
    ] {
        let (_vendors, llm) = Vendors::start([respond_with(200, openai_content(text))], []).await;
        let shared = Fake::default();
        let outcome = ask(&llm.sharing(&shared)).await;
        assert_eq!((outcomes(&outcome), outcome.answer.unwrap()), (vec![(OpenAi, Answered)], 5), "{text}");
        assert_eq!(shared.verdicts(), ["succeeded openai"], "{text}");

        let content = anthropic_content(&format!(r#"[{{"type": "text", "text": {text}}}]"#));
        let (_vendors, llm) = Vendors::start([], [respond_with(200, content)]).await;
        let shared = without(OpenAi);
        assert_eq!(ask(&llm.sharing(&shared)).await.answer.unwrap(), 5, "{text}");
        assert_eq!(shared.verdicts(), ["succeeded anthropic"], "{text}");
    }
    let (vendors, llm) = Vendors::start([], []).await;
    let shared = Fake { recalls: Some(r#"{"score": 5, "note": "\ud83d"}"#), ..Fake::default() };
    assert_eq!(ask(&llm.sharing(&shared)).await.answer.unwrap(), 5, "an answer that was kept");
    assert!(vendors.openai_requests().is_empty());
}

#[tokio::test]
async fn what_a_vendor_adds_to_an_answer_or_leaves_out_of_it_does_not_matter() {
    let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
    for answer in [
        openai_content(r#"[{"type": "text", "text": "{\"score\""}, {"type": "text", "text": ": 5}"}]"#),
        openai_content(&format!(
            r#"[7, {{}}, {{"type": 1e999}}, {deep}, {{"type": "text", "text": "{{\"score\": 5}}"}}]"#
        )),
        format!(
            r#"{{"id": 1e999, "choices": [{{"message": {{"content": "{{\"score\": 5}}", "refusal": null, "audio": {deep}}},
                "finish_reason": 7, "logprobs": 1e999}}, {{"message": {{"content": "another"}}}}, null], "usage": 7}}"#
        ),
        r#"{"choices": [{"message": {"content": "{\"score\": 5}", "refusal": ""}}]}"#.to_owned(),
        r#"{"choices": [{"message": {"content": "{\"score\": 5}", "refusal": 7}}]}"#.to_owned(),
    ] {
        let (_vendors, llm) = Vendors::start([respond_with(200, answer.clone())], []).await;
        let outcome = ask(&llm).await;
        assert_eq!((outcomes(&outcome), outcome.answer.unwrap()), (vec![(OpenAi, Answered)], 5), "{answer}");
    }
    for content in [
        r#""{\"score\": 5}""#.to_owned(),
        r#"[{"thinking": "no type"}, 7, {"type": "text"}, {"type": "text", "text": "{\"score\": 5}"}]"#
            .to_owned(),
        format!(
            r#"[{{"type": "image", "of": {deep}}}, {{"type": "text", "text": "{{\"score\": 5}}", "citations": 1e999}}]"#
        ),
    ] {
        let (_vendors, llm) = Vendors::start([], [respond_with(200, anthropic_content(&content))]).await;
        let shared = without(OpenAi);
        let outcome = ask(&llm.sharing(&shared)).await;
        assert_eq!(
            (outcomes(&outcome), outcome.answer.unwrap()),
            (vec![(Anthropic, Answered)], 5),
            "{content}"
        );
    }
}

#[tokio::test]
async fn an_answer_that_says_nothing_does_not_fit_and_speaks_against_nobody() {
    for empty in ["null", "7", "[]", r#"[{"type": "image"}]"#] {
        let answer = || respond_with(200, openai_content(empty));
        let content = || respond_with(200, anthropic_content(empty));
        let (_vendors, llm) = Vendors::start([answer(), answer()], [content(), content()]).await;
        let shared = Fake::default();
        let outcome = ask(&llm.sharing(&shared)).await;
        let unfit = [(OpenAi, Unfit), (OpenAi, Unfit), (Anthropic, Unfit), (Anthropic, Unfit)];
        assert_eq!(outcomes(&outcome), unfit, "{empty}");
        assert!(shared.verdicts().iter().all(|verdict| verdict.starts_with("succeeded")), "{empty}");
    }
}

#[tokio::test]
async fn what_is_no_message_is_no_answer_and_speaks_against_the_provider() {
    for body in ["{}", r#"{"type": "error", "error": {"type": "overloaded_error", "message": "x"}}"#] {
        let answer = || respond_with(200, body.to_owned());
        let (_vendors, llm) = Vendors::start([answer(), answer()], [answer(), answer()]).await;
        let shared = Fake::default();
        let outcome = ask(&llm.sharing(&shared)).await;
        let failed = [(OpenAi, Failed), (OpenAi, Failed), (Anthropic, Failed), (Anthropic, Failed)];
        assert_eq!(outcomes(&outcome), failed, "{body}");
        assert!(shared.verdicts().iter().all(|verdict| verdict.starts_with("failed")), "{body}");
    }
}

#[tokio::test]
async fn what_the_vendors_will_not_have_written_goes_to_the_fallback() {
    let blocked = json!({"type": "error", "error": {"type": "invalid_request_error",
        "message": "Output blocked by content filtering policy"}});
    let invalid = json!({"error": {"type": "model_error", "message": "The model produced invalid content."}});
    let (_vendors, llm) = Vendors::start([respond(500, invalid)], [respond(400, blocked)]).await;
    let shared = Fake::default();
    let outcome = ask(&llm.sharing(&shared)).await;
    assert_eq!(outcomes(&outcome), [(OpenAi, Unfit), (Anthropic, Refused)]);
    assert_eq!(shared.verdicts(), ["succeeded openai", "succeeded anthropic"]);
    assert!(outcome.calls[0].estimated_usd > 0.0, "what was written may be charged");
}

#[tokio::test]
async fn a_body_is_not_read_beyond_its_limit() {
    let padding = "x".repeat(1 << 20);
    // A good answer, apart from its size.
    let good = openai_content(r#""{\"score\": 4}""#);
    let huge = || respond_with(200, good.replacen('{', &format!(r#"{{"padding": "{padding}", "#), 1));
    let fits = openai_answer(&json!({"score": 5, "note": "x".repeat(500_000)}).to_string());
    let (_vendors, llm) = Vendors::start([huge(), fits], []).await;
    let outcome = ask(&llm).await;
    assert_eq!(
        (outcomes(&outcome), outcome.answer.unwrap()),
        (vec![(OpenAi, Failed), (OpenAi, Answered)], 5)
    );

    let refusal = respond_with(401, padding);
    let (_vendors, llm) = Vendors::start([refusal], [message("end_turn", r#"{"score": 6}"#)]).await;
    assert_eq!(
        outcomes(&ask(&llm).await),
        [(OpenAi, Failed), (Anthropic, Answered)],
        "the status says enough"
    );
}

/// The call that was recorded for an answer with this in place of its usage.
async fn call_with_usage(provider: Provider, usage: &str) -> Call {
    let answer = r#""{\"score\": 5}""#;
    let (openai, anthropic) = (openai_content(answer), anthropic_content(answer));
    let with_usage =
        |answer: &str| respond_with(200, answer.replacen('{', &format!(r#"{{"usage": {usage}, "#), 1));
    let (_vendors, llm) = Vendors::start([with_usage(&openai)], [with_usage(&anthropic)]).await;
    let other = if provider == OpenAi { Anthropic } else { OpenAi };
    let shared = without(other);
    let mut outcome = ask(&llm.sharing(&shared)).await;
    assert_eq!(outcome.answer.unwrap(), 5, "{usage}");
    assert_eq!(shared.verdicts(), [format!("succeeded {provider}")], "{usage}");
    outcome.calls.remove(0)
}

#[tokio::test]
async fn no_usage_is_worth_more_than_the_answer_beside_it() {
    // The bytes of either question's body. The estimate is one token for every four.
    let most_input = |provider| if provider == OpenAi { 430..500 } else { 380..450 };
    for figure in
        ["1000000000000000000", "3000000000", "-5", "\"12\"", "1e999", "12.5", "1e30", "null", "[]", "true"]
    {
        let is_number = figure.bytes().all(|byte| byte.is_ascii_digit());
        for (provider, usage) in [
            (OpenAi, format!(r#"{{"prompt_tokens": {figure}, "completion_tokens": 20}}"#)),
            (Anthropic, format!(r#"{{"input_tokens": {figure}, "output_tokens": 20}}"#)),
        ] {
            let call = call_with_usage(provider, &usage).await;
            assert_eq!(call.output_tokens, 20, "the other figure counts: {usage}");
            if is_number {
                assert!(most_input(provider).contains(&call.input_tokens), "{usage}: {call:?}");
                assert_eq!(call.estimated_usd, 0.0, "{usage}");
            } else {
                assert_eq!(call.input_tokens, 0, "{usage}");
                let estimate = most_input(provider).start as f64 / 4.0 * 0.10 / 1e6;
                assert!(
                    call.estimated_usd > estimate && call.estimated_usd < estimate * 2.0,
                    "{usage}: {call:?}"
                );
            }
        }
        for (provider, usage) in [
            (OpenAi, format!(r#"{{"prompt_tokens": 150, "completion_tokens": {figure}}}"#)),
            (Anthropic, format!(r#"{{"input_tokens": 150, "output_tokens": {figure}}}"#)),
        ] {
            let call = call_with_usage(provider, &usage).await;
            assert_eq!(
                (call.input_tokens, call.output_tokens),
                (150, if is_number { 1_000 } else { 0 }),
                "{usage}"
            );
            assert_eq!(call.estimated_usd, if is_number { 0.0 } else { 1_000.0 * 0.50 / 1e6 }, "{usage}");
        }
    }
    for usage in ["null", "7", "\"much\"", "[\"a\"]", "1e999", "{}"] {
        for provider in [OpenAi, Anthropic] {
            let call = call_with_usage(provider, usage).await;
            assert_eq!((call.input_tokens, call.output_tokens, call.cost_usd), (0, 0, 0.0), "{usage}");
            assert!(call.estimated_usd > 1_000.0 * 0.50 / 1e6, "{usage}: {call:?}");
        }
    }
}

#[tokio::test]
async fn what_comes_from_the_cache_is_part_of_the_prompt() {
    let call = call_with_usage(
        OpenAi,
        r#"{"prompt_tokens": 150, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 3000000000}}"#,
    )
    .await;
    assert_eq!((call.input_tokens, call.cached_tokens), (0, 150));
    let call = call_with_usage(
        Anthropic,
        r#"{"input_tokens": 30, "cache_creation_input_tokens": 10, "cache_read_input_tokens": 3000000000, "output_tokens": 1}"#,
    )
    .await;
    assert_eq!(call.input_tokens, 40);
    assert!((340..410).contains(&call.cached_tokens), "{call:?}");
}

#[tokio::test]
async fn usage_that_cannot_be_is_logged_in_figures() {
    let log = Log::default();
    let _guard = log.keep();
    call_with_usage(OpenAi, r#"{"prompt_tokens": 3000000000, "completion_tokens": "canary"}"#).await;
    let lines = log.text();
    let told = ["usage was not as it can be", "openai", "gpt-6-luna", "3000000000"];
    assert!(told.iter().all(|part| lines.contains(part)) && !lines.contains("canary"), "{lines}");

    let log = Log::default();
    let _guard = log.keep();
    let details = r#""prompt_tokens_details": {"cached_tokens": 1000000000000000000}"#;
    let usage = format!(r#"{{"prompt_tokens": 20, "completion_tokens": 1, {details}}}"#);
    assert_eq!(call_with_usage(OpenAi, &usage).await.cached_tokens, 20);
    let lines = log.text();
    let told = ["usage was not as it can be", "prompt: Some(20)", "cached: Some(1000000000000000000)"];
    assert!(told.iter().all(|part| lines.contains(part)), "{lines}");
}
