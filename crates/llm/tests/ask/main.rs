//! Asking, against servers that speak the two vendors' APIs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod answers;
mod hedging;
mod hostile;
mod shared;
mod sharing;
mod vendors;

use jiff::civil::{Date, date};
use oslira_domain::{Code, Effort, Role};
use oslira_llm::{CallOutcome, Llm, Outcome, Provider, Question, Shared};
use serde_json::{Value, json};
use std::{sync::LazyLock, time::Duration};
use tokio::time::Instant;
use vendors::{ANTHROPIC_KEY, OPENAI_KEY};

const INSTRUCTIONS: &str = "canary-instructions: score the lead.";
const DATA: &str = "<profile>canary-bio</profile>";

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    json!({"type": "object", "properties": {"score": {"type": "integer"}}, "required": ["score"],
        "additionalProperties": false})
});

fn question(role: Role) -> Question<'static> {
    Question {
        role,
        effort: Effort::Low,
        max_output_tokens: 1_000,
        instructions: INSTRUCTIONS,
        data: DATA,
        schema_name: "lead_score",
        schema: &SCHEMA,
        cache_key: "business-42",
        hedge_after: None,
    }
}

const TODAY: Date = date(2026, 11, 20);

type Asked = Outcome<'static, u64>;

fn read(json: Value) -> Result<u64, String> {
    json["score"].as_u64().ok_or("canary-answer: score is missing.".to_owned())
}

/// Asks, does the work that is left afterwards, and checks that an error reveals no secrets.
async fn ask_this<S: Shared>(
    llm: &Llm<'_, S>,
    question: &Question<'_>,
    today: Date,
    time: Duration,
) -> Asked {
    let Outcome { calls, answer, afterwards } = llm.ask(question, today, Instant::now() + time, read).await;
    afterwards.await;
    if let Err(error) = &answer {
        let shown = format!("{error} {error:?} {}", error.chain());
        for secret in [OPENAI_KEY, ANTHROPIC_KEY, "canary"] {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
    }
    Outcome { calls, answer, afterwards: Box::pin(async {}) }
}

async fn ask_within<S: Shared>(llm: &Llm<'_, S>, role: Role, today: Date, time: Duration) -> Asked {
    ask_this(llm, &question(role), today, time).await
}

async fn ask<S: Shared>(llm: &Llm<'_, S>) -> Asked {
    ask_within(llm, Role::Fast, TODAY, Duration::from_secs(60)).await
}

fn outcomes(outcome: &Asked) -> Vec<(Provider, CallOutcome)> {
    outcome.calls.iter().map(|call| (call.provider, call.outcome)).collect()
}

fn code(outcome: &Asked) -> Code {
    outcome.answer.as_ref().unwrap_err().code
}
