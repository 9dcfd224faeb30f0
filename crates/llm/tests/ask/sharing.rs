//! What circuit breakers and kept answers do to a question.

use crate::{
    TODAY, ask, ask_this, ask_within, code, outcomes, question, read,
    shared::{Fake, without},
    vendors::{self, Vendors, frozen, hangs, message, openai_answer, openai_error, respond},
};
use CallOutcome::{Answered, Failed, Unfit};
use Provider::{Anthropic, OpenAi};
use oslira_domain::{Code, Effort, Role};
use oslira_llm::{CallOutcome, Provider, Question};
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn every_call_asks_for_leave_and_tells_how_it_ended() {
    let down = || openai_error(503, "server_error");
    let (_vendors, llm) =
        Vendors::start([down(), down()], [message("end_turn", "{}"), message("end_turn", r#"{"score":6}"#)])
            .await;
    let shared = Fake::default();
    let outcome = ask(&llm.sharing(&shared)).await;
    assert_eq!(outcome.answer.unwrap(), 6);
    assert_eq!(
        shared.log(),
        [
            "recall",
            "admit openai",
            "failed openai",
            "admit openai",
            "failed openai",
            "recall",
            "admit anthropic",
            // It answered, though not well.
            "succeeded anthropic",
            "admit anthropic",
            "succeeded anthropic",
            "keep"
        ]
    );
}

#[tokio::test]
async fn success_is_told_after_the_answer_is_there() {
    let (_vendors, llm) = Vendors::start([openai_answer(r#"{"score":6}"#)], []).await;
    let shared = Fake::default();
    let llm = llm.sharing(&shared);
    let outcome = llm.ask(&question(Role::Fast), TODAY, Instant::now() + MINUTE, read).await;
    assert_eq!(outcome.answer.unwrap(), 6);
    assert_eq!(shared.log(), ["recall", "admit openai"]);
    outcome.afterwards.await;
    assert_eq!(shared.log()[2..], ["succeeded openai", "keep"]);
}

#[tokio::test]
async fn what_speaks_against_a_provider_and_what_does_not() {
    let speaks = [
        openai_error(401, "invalid_api_key"),
        openai_error(402, "billing"),
        openai_error(403, "forbidden"),
        openai_error(408, "timeout"),
        openai_error(429, "rate_limit_exceeded"),
        openai_error(429, "insufficient_quota"),
        openai_error(500, "server_error"),
        openai_error(529, "overloaded"),
        respond(200, json!("<html>")),
    ];
    let does_not = [
        openai_error(400, "x"),
        openai_error(404, "model_not_found"),
        openai_error(413, "x"),
        openai_error(400, "invalid_prompt"),
        respond(
            400,
            json!({"error": {"type": "x", "message": "Output blocked by content filtering policy"}}),
        ),
        respond(
            500,
            json!({"error": {"type": "model_error", "message": "The model produced invalid content."}}),
        ),
        respond(200, json!({"choices": [{"message": {"refusal": "no"}}]})),
        respond(200, json!({"choices": [{"message": {"content": "{"}, "finish_reason": "length"}]})),
        openai_answer("{}"),
    ];
    let cases = speaks.map(|answer| (answer, "failed openai")).into_iter();
    for (answer, told) in cases.chain(does_not.map(|answer| (answer, "succeeded openai"))) {
        let status = answer.status();
        let (_vendors, llm) = Vendors::start([answer], [message("end_turn", r#"{"score":6}"#)]).await;
        let shared = Fake { open_after: vec![(OpenAi, 1)], ..Fake::default() };
        ask(&llm.sharing(&shared)).await.answer.unwrap();
        assert_eq!(shared.log()[2], told, "{status}");
    }

    let shared = without(Anthropic);
    let llm = vendors::client("http://127.0.0.1:1");
    ask_within(&llm.sharing(&shared), Role::Fast, TODAY, Duration::from_secs(3)).await;
    assert_eq!(shared.log()[..3], ["recall", "admit openai", "failed openai"], "no connection");
}

#[tokio::test(start_paused = true)]
async fn a_time_out_speaks_against_a_provider_that_had_its_time() {
    let _time = frozen();
    let (vendors, llm) = Vendors::start([hangs(), hangs()], [hangs(), hangs()]).await;
    let shared = Fake::default();
    let llm = llm.sharing(&shared);
    // OpenAI has 36 of the 60 seconds, and its first call 24. Some 24 are left for Claude, 16 of them for its
    // first call.
    let time_passes = async {
        for (call, seconds) in [(1, 24), (2, 12), (3, 16), (4, 8)] {
            vendors.were_asked(call).await;
            tokio::time::advance(Duration::from_secs(seconds)).await;
            shared.were_given_back(call).await;
            // The client's own back-off.
            tokio::time::advance(Duration::from_secs(1)).await;
        }
    };
    let (outcome, ()) = tokio::join!(ask(&llm), time_passes);
    assert_eq!(
        outcomes(&outcome),
        [(OpenAi, Failed), (OpenAi, Failed), (Anthropic, Failed), (Anthropic, Failed)]
    );
    assert_eq!(
        shared.verdicts(),
        ["failed openai", "undecided openai", "undecided anthropic", "undecided anthropic"]
    );
    assert!(outcome.calls.iter().all(|call| call.estimated_usd > 0.0 && call.cost_usd == 0.0));
}

#[tokio::test(start_paused = true)]
async fn a_fallback_that_had_the_time_and_did_not_answer_speaks_against_itself() {
    let _time = frozen();
    let (vendors, llm) = Vendors::start([], [hangs()]).await;
    let shared = Fake { open_after: vec![(OpenAi, 0), (Anthropic, 1)], ..Fake::default() };
    let llm = llm.sharing(&shared);
    let time_passes = async {
        vendors.were_asked(1).await;
        tokio::time::advance(Duration::from_secs(40)).await;
        shared.were_given_back(1).await;
        tokio::time::advance(Duration::from_secs(1)).await;
    };
    let (outcome, ()) = tokio::join!(ask(&llm), time_passes);
    assert_eq!(outcomes(&outcome), [(Anthropic, Failed)]);
    assert_eq!(shared.verdicts(), ["failed anthropic"]);
}

#[tokio::test]
async fn a_provider_that_is_not_admitted_leaves_all_the_time_to_the_other() {
    let (vendors, llm) = Vendors::start([], [message("end_turn", r#"{"score":6}"#)]).await;
    let shared = without(OpenAi);
    // Too short for a call, if the first provider's part of it were used up.
    let outcome = ask_within(&llm.sharing(&shared), Role::Fast, TODAY, Duration::from_millis(1_900)).await;
    assert_eq!(outcomes(&outcome), [(Anthropic, Answered)]);
    assert!(outcome.calls[0].is_fallback && vendors.openai_requests().is_empty());
}

#[tokio::test]
async fn when_neither_is_admitted_waiting_helps() {
    let (vendors, llm) = Vendors::start([], []).await;
    let shared = Fake { open_after: vec![(OpenAi, 0), (Anthropic, 0)], ..Fake::default() };
    let outcome = ask(&llm.sharing(&shared)).await;
    assert_eq!((code(&outcome), outcome.calls.len()), (Code::AiUnavailable, 0));
    assert!(vendors.openai_requests().is_empty() && vendors.anthropic_requests().is_empty());
}

#[tokio::test]
async fn a_breaker_that_opens_meanwhile_ends_the_turn() {
    let (_vendors, llm) =
        Vendors::start([openai_error(500, "x")], [message("end_turn", r#"{"score":6}"#)]).await;
    let shared = Fake { open_after: vec![(OpenAi, 1)], ..Fake::default() };
    let outcome = ask(&llm.sharing(&shared)).await;
    assert_eq!(outcomes(&outcome), [(OpenAi, Failed), (Anthropic, Answered)]);
}

#[tokio::test]
async fn the_same_question_is_answered_once() {
    let (vendors, llm) = Vendors::start([openai_answer(r#"{"score":81}"#)], []).await;
    // This also holds when the provider could not be asked again.
    let shared = Fake { open_after: vec![(OpenAi, 1)], ..Fake::default() };
    let llm = llm.sharing(&shared);
    let first = ask(&llm).await;
    assert!(first.calls[0].cost_usd > 0.0 && !first.calls[0].cache_hit);
    let again = ask(&llm).await;
    assert_eq!((again.answer.unwrap(), vendors.openai_requests().len()), (81, 1));
    let [call] = again.calls.as_slice() else { panic!("{:?}", again.calls) };
    assert_eq!((call.provider, call.model.as_str(), call.outcome), (OpenAi, "gpt-6-luna", Answered));
    assert_eq!((call.input_tokens, call.cached_tokens, call.output_tokens), (0, 0, 0));
    assert!(call.cache_hit && !call.is_fallback);
    assert_eq!(call.cost_usd, 0.0);
    assert_eq!(shared.log().iter().filter(|it| *it == "keep").count(), 1, "what is kept is not kept again");
}

#[tokio::test]
async fn a_kept_answer_that_does_not_fit_is_none() {
    for kept in ["{}", "not json", ""] {
        let (_vendors, llm) = Vendors::start([openai_answer(r#"{"score":81}"#)], []).await;
        let shared = Fake { recalls: Some(kept), ..Fake::default() };
        let outcome = ask(&llm.sharing(&shared)).await;
        assert_eq!(outcomes(&outcome), [(OpenAi, Answered)], "{kept}");
        assert!(!outcome.calls[0].cache_hit && outcome.answer.unwrap() == 81);
    }
}

#[tokio::test(start_paused = true)]
async fn a_kept_answer_is_not_waited_for() {
    let _time = frozen();
    let (vendors, llm) = Vendors::start([openai_answer(r#"{"score":81}"#)], []).await;
    let shared = Fake { recall_hangs: true, ..Fake::default() };
    let llm = llm.sharing(&shared);
    let began = Instant::now();
    let time_passes = async {
        shared.was_asked("recall").await;
        tokio::time::advance(Duration::from_millis(299)).await;
        assert!(vendors.openai_requests().is_empty());
        tokio::time::advance(Duration::from_millis(2)).await;
    };
    let (outcome, ()) = tokio::join!(ask(&llm), time_passes);
    assert_eq!(outcome.answer.unwrap(), 81);
    assert_eq!(began.elapsed(), Duration::from_millis(301));
}

#[tokio::test]
async fn only_answers_that_fit_are_kept_and_a_corrected_one_answers_the_question() {
    let (vendors, llm) = Vendors::start([openai_answer("{}"), openai_answer(r#"{"score":7}"#)], []).await;
    let shared = Fake::default();
    let llm = llm.sharing(&shared);
    assert_eq!(outcomes(&ask(&llm).await), [(OpenAi, Unfit), (OpenAi, Answered)]);
    assert_eq!(shared.kept.lock().unwrap().values().collect::<Vec<_>>(), [r#"{"score":7}"#]);
    assert_eq!(ask(&llm).await.answer.unwrap(), 7);
    assert_eq!(vendors.openai_requests().len(), 2);

    let refused = respond(200, json!({"choices": [{"message": {"refusal": "no"}}]}));
    let (_vendors, llm) = Vendors::start([refused], [message("refusal", "")]).await;
    let shared = Fake::default();
    assert_eq!(code(&ask(&llm.sharing(&shared)).await), Code::AnswerUnusable);
    assert!(shared.kept.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_is_kept_is_found_by_all_that_decides_the_answer() {
    let other_schema = json!({"type": "object", "properties": {}, "additionalProperties": false});
    let usual = question(Role::Fast);
    let questions = [
        usual,
        question(Role::Balanced),
        Question { effort: Effort::Medium, ..usual },
        Question { max_output_tokens: 2_000, ..usual },
        Question { instructions: "others", ..usual },
        Question { data: "<profile/>", ..usual },
        Question { schema_name: "other", ..usual },
        Question { schema: &other_schema, ..usual },
        usual,
    ];
    let (_vendors, llm) = Vendors::start([], []).await;
    let shared = Fake { open_after: vec![(OpenAi, 0), (Anthropic, 0)], ..Fake::default() };
    let llm = llm.sharing(&shared);
    for question in &questions {
        ask_this(&llm, question, TODAY, MINUTE).await;
    }
    // Each question has two keys, one for each provider.
    let mut keys = shared.keys();
    assert!(keys.iter().all(|key| key.len() == 64 && key.bytes().all(|byte| byte.is_ascii_hexdigit())));
    let last = keys.split_off(16);
    assert_eq!(keys[..2], last, "the same question has the same keys");
    keys.sort();
    keys.dedup();
    // Anthropic is not sent the schema's name, so the name does not change its key.
    assert_eq!(keys.len(), 15);
}
