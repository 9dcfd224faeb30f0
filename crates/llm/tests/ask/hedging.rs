//! Slow calls that are made a second time. The clock stands still except where a test moves it.

use crate::{
    Asked, TODAY, ask_this, outcomes, question,
    shared::Fake,
    vendors::{Vendors, frozen, held, openai_answer, openai_error},
};
use CallOutcome::{Abandoned, Answered, Failed, Unfit};
use Provider::OpenAi;
use oslira_domain::Role;
use oslira_llm::{CallOutcome, Llm, Provider, Question};
use std::time::Duration;

const SLOW: Duration = Duration::from_millis(3_500);
const MINUTE: Duration = Duration::from_secs(60);

async fn ask_hedged(llm: &Llm<'_, Fake>) -> Asked {
    let question = Question { hedge_after: Some(SLOW), ..question(Role::Fast) };
    ask_this(llm, &question, TODAY, MINUTE).await
}

/// Lets the first call become slow.
async fn slow(vendors: &Vendors) {
    vendors.were_asked(1).await;
    tokio::time::advance(SLOW + Duration::from_millis(100)).await;
}

/// Lets a waiting task ask the shared state.
async fn let_it_ask() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

fn count(shared: &Fake, entry: &str) -> usize {
    shared.log().iter().filter(|it| *it == entry).count()
}

#[tokio::test(start_paused = true)]
async fn the_second_call_wins_when_it_is_first_to_answer() {
    let _time = frozen();
    let (vendors, llm) =
        Vendors::start([held("never", openai_answer(r#"{"score":1}"#)), openai_answer(r#"{"score":2}"#)], [])
            .await;
    let shared = Fake::with_budget(1);
    let llm = llm.sharing(&shared);
    let (outcome, ()) = tokio::join!(ask_hedged(&llm), slow(&vendors));
    assert_eq!(outcomes(&outcome), [(OpenAi, Abandoned), (OpenAi, Answered)]);
    let [abandoned, answered] = outcome.calls.as_slice() else { panic!("{:?}", outcome.calls) };
    assert_eq!(
        (abandoned.cost_usd, abandoned.input_tokens, abandoned.output_tokens, abandoned.duration_ms),
        (0.0, 0, 0, 3_600)
    );
    // A quarter of the request's bytes in tokens, and the 1,000 tokens that the answer may have.
    let sent = vendors.openai_requests()[0].body.to_string().len() / 4;
    assert!((abandoned.estimated_usd - (sent as f64 * 0.10 + 1_000.0 * 0.50) / 1e6).abs() < 1e-12);
    assert!(answered.cost_usd > 0.0 && answered.duration_ms == 0 && answered.estimated_usd == 0.0);
    assert_eq!(serde_json::to_value(abandoned).unwrap()["outcome"], "abandoned");
    assert_eq!(outcome.answer.unwrap(), 2);
    let requests = vendors.openai_requests();
    assert_eq!(requests[0].body, requests[1].body, "the same question to the same model");
    assert_eq!(shared.kept.lock().unwrap().values().collect::<Vec<_>>(), [r#"{"score":2}"#]);
    assert_eq!(
        (count(&shared, "admit openai"), count(&shared, "succeeded openai"), count(&shared, "failed openai")),
        (2, 1, 0),
        "a dropped call reports nothing"
    );
    assert_eq!(*shared.given_back.lock().unwrap(), [1]);
}

#[tokio::test(start_paused = true)]
async fn the_first_call_wins_when_it_is_first_to_answer() {
    let _time = frozen();
    let (vendors, llm) = Vendors::start(
        [held("first", openai_answer(r#"{"score":1}"#)), held("never", openai_answer(r#"{"score":2}"#))],
        [],
    )
    .await;
    let shared = Fake::with_budget(1);
    let llm = llm.sharing(&shared);
    let course = async {
        slow(&vendors).await;
        vendors.were_asked(2).await;
        vendors.release("first");
    };
    let (outcome, ()) = tokio::join!(ask_hedged(&llm), course);
    assert_eq!(outcomes(&outcome), [(OpenAi, Answered), (OpenAi, Abandoned)]);
    assert_eq!(outcome.answer.unwrap(), 1);
    assert_eq!(*shared.given_back.lock().unwrap(), [0]);
}

#[tokio::test(start_paused = true)]
async fn when_one_of_two_fails_the_other_is_waited_for() {
    let _time = frozen();
    for failing in ["first", "second"] {
        let answer = |name: &str| {
            let is_failing = name == failing;
            held(name, if is_failing { openai_error(500, "x") } else { openai_answer(r#"{"score":3}"#) })
        };
        let (vendors, llm) = Vendors::start([answer("first"), answer("second")], []).await;
        let shared = Fake::with_budget(1);
        let llm = llm.sharing(&shared);
        let course = async {
            slow(&vendors).await;
            vendors.were_asked(2).await;
            vendors.release(failing);
            shared.was_asked("failed openai").await;
            vendors.release(if failing == "first" { "second" } else { "first" });
        };
        let (outcome, ()) = tokio::join!(ask_hedged(&llm), course);
        let (first, second) = if failing == "first" { (Failed, Answered) } else { (Answered, Failed) };
        assert_eq!(outcomes(&outcome), [(OpenAi, first), (OpenAi, second)]);
        assert_eq!(outcome.answer.unwrap(), 3);
        assert_eq!((count(&shared, "succeeded openai"), vendors.openai_requests().len()), (1, 2));
        assert_eq!(*shared.given_back.lock().unwrap(), if failing == "first" { [0, 1] } else { [1, 0] });
    }
}

#[tokio::test(start_paused = true)]
async fn when_neither_is_good_the_one_that_can_be_corrected_counts() {
    let _time = frozen();
    for unfit in ["first", "second"] {
        let answer =
            |name: &str| held(name, if name == unfit { openai_answer("{}") } else { openai_error(500, "x") });
        let (vendors, llm) =
            Vendors::start([answer("first"), answer("second"), openai_answer(r#"{"score":4}"#)], []).await;
        let shared = Fake::with_budget(1);
        let llm = llm.sharing(&shared);
        let course = async {
            slow(&vendors).await;
            vendors.were_asked(2).await;
            vendors.release("first");
            vendors.release("second");
        };
        let (outcome, ()) = tokio::join!(ask_hedged(&llm), course);
        let (first, second) = if unfit == "first" { (Unfit, Failed) } else { (Failed, Unfit) };
        assert_eq!(outcomes(&outcome), [(OpenAi, first), (OpenAi, second), (OpenAi, Answered)]);
        let last = vendors.openai_requests().remove(2).body["messages"][1]["content"].to_string();
        assert!(last.contains("score is missing"), "{last}");
        assert_eq!((count(&shared, "failed openai"), count(&shared, "succeeded openai")), (1, 2));
    }
}

#[tokio::test(start_paused = true)]
async fn no_second_call_is_made_without_budget_or_leave() {
    let _time = frozen();
    // The second call is refused, as it is while the first one is a probe. It takes nothing from the budget.
    let without_leave = Fake { open_after: vec![(OpenAi, 1)], ..Fake::with_budget(1) };
    for (shared, asked) in [(Fake::default(), 1), (without_leave, 0)] {
        let (vendors, llm) = Vendors::start(
            [held("first", openai_answer(r#"{"score":1}"#)), openai_answer(r#"{"score":2}"#)],
            [],
        )
        .await;
        let llm = llm.sharing(&shared);
        let course = async {
            slow(&vendors).await;
            let_it_ask().await;
            vendors.release("first");
        };
        let (outcome, ()) = tokio::join!(ask_hedged(&llm), course);
        assert_eq!(outcomes(&outcome), [(OpenAi, Answered)]);
        assert_eq!((outcome.answer.unwrap(), vendors.openai_requests().len()), (1, 1));
        assert_eq!(count(&shared, "may hedge"), asked);
        assert_eq!(count(&shared, "failed openai"), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn no_second_call_is_made_when_that_is_off_or_no_time_is_left_for_it() {
    let _time = frozen();
    // The first attempt at the first provider has 4.4 of the eleven seconds. Less than one second of it would
    // be left.
    for (hedge_after, time) in [(None, MINUTE), (Some(SLOW), Duration::from_secs(11))] {
        let (vendors, llm) = Vendors::start(
            [held("first", openai_answer(r#"{"score":1}"#)), openai_answer(r#"{"score":2}"#)],
            [],
        )
        .await;
        let shared = Fake::with_budget(1);
        let llm = llm.sharing(&shared);
        let question = Question { hedge_after, ..question(Role::Fast) };
        let course = async {
            slow(&vendors).await;
            let_it_ask().await;
            vendors.release("first");
        };
        let (outcome, ()) = tokio::join!(ask_this(&llm, &question, TODAY, time), course);
        assert_eq!(outcomes(&outcome), [(OpenAi, Answered)]);
        assert_eq!((outcome.answer.unwrap(), count(&shared, "may hedge")), (1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_quick_costs_nothing_of_the_budget() {
    let _time = frozen();
    let (vendors, llm) = Vendors::start([openai_answer(r#"{"score":1}"#)], []).await;
    let shared = Fake::with_budget(1);
    let llm = llm.sharing(&shared);
    assert_eq!(ask_hedged(&llm).await.answer.unwrap(), 1);
    assert_eq!((count(&shared, "may hedge"), vendors.openai_requests().len()), (0, 1));
}
