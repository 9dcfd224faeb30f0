//! One HTTP call to a model, and the check of its answer.

use crate::{
    Assignment, Call, CallOutcome, Provider, anthropic,
    call::{Content, Reply},
    failure::Failure,
    openai,
    usage::{Bounds, Counted},
};
use oslira_upstream::BodyError;
use reqwest::{RequestBuilder, header::HeaderMap};
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;

/// The longest correction, in characters. Longer explanations do not help a model.
const MAX_CORRECTION_CHARS: usize = 500;

/// The largest body that is read, in bytes. The longest answer that a task allows has 4,000 tokens, and a
/// token has about 130 bytes at most. So no profile can make a vendor send more, as long as the vendor keeps
/// to that limit. OpenAI's list of models has a tenth of this size.
const MAX_BODY_BYTES: usize = 1 << 20;

/// An answer that can be used.
pub(crate) struct Fit<T> {
    pub(crate) answer: T,
    /// The answer as the model wrote it.
    pub(crate) text: String,
}

/// Why an answer cannot be used.
pub(crate) struct Problem {
    pub(crate) failure: Failure,
    /// What the model could correct, in words for the model. `None` when a correction makes no sense.
    pub(crate) correction: Option<String>,
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Self { failure, correction: None }
    }
}

/// Makes one call and checks its answer. `bounds` limit the usage that the vendor reports, and give an
/// estimate where the vendor reports none.
pub(crate) async fn attempt<T>(
    assignment: Assignment<'_>,
    request: RequestBuilder,
    timeout: Duration,
    bounds: Bounds,
    read: &impl Fn(Value) -> Result<T, String>,
) -> (Call, Result<Fit<T>, Problem>) {
    let model = assignment.model;
    let started = Instant::now();
    let received = receive(request.timeout(timeout), model.provider, &model.id).await;
    let mut call = unanswered(assignment, started, CallOutcome::Failed);
    let judged = match received.and_then(|(body, headers)| Ok((parse(model.provider, &body)?, headers))) {
        Ok((Reply { told, content }, headers)) => {
            let Counted { usage, estimated } = bounds.count(assignment, told);
            call.input_tokens = usage.input;
            call.cached_tokens = usage.cached;
            call.output_tokens = usage.output;
            call.cache_hit = headers.get("cf-aig-cache-status").is_some_and(|status| status == "HIT");
            if !call.cache_hit {
                call.cost_usd = usage.cost(model);
                call.estimated_usd = estimated.cost(model);
            }
            judge(&model.id, content, read)
        }
        Err(failure) => {
            if failure.may_be_charged() {
                call.estimated_usd = bounds.estimate().cost(model);
            }
            Err(failure.into())
        }
    };
    call.outcome = match &judged {
        Ok(_) => CallOutcome::Answered,
        Err(problem) => problem.failure.outcome(),
    };
    (call, judged)
}

/// The record of a call without known usage: it failed, it was abandoned, or a kept answer made it
/// unnecessary.
pub(crate) fn unanswered(
    Assignment { model, is_fallback, .. }: Assignment<'_>,
    started: Instant,
    outcome: CallOutcome,
) -> Call {
    Call {
        provider: model.provider,
        model: model.id.clone(),
        input_tokens: 0,
        cached_tokens: 0,
        output_tokens: 0,
        cost_usd: 0.0,
        estimated_usd: 0.0,
        duration_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        is_fallback,
        cache_hit: false,
        outcome,
    }
}

/// Reads an answer and decides whether it can be used.
pub(crate) fn judge<T>(
    model: &str,
    content: Content,
    read: &impl Fn(Value) -> Result<T, String>,
) -> Result<Fit<T>, Problem> {
    let model = model.to_owned();
    match content {
        Content::Refused => Err(Failure::Refused { model }.into()),
        Content::Truncated => {
            let correction = "it was cut off at the limit of tokens. Be much briefer.".to_owned();
            Err(Problem { failure: Failure::Truncated { model }, correction: Some(correction) })
        }
        Content::Text(text) => {
            // A model may repeat a profile's text and cut it inside an emoji. That spoils one character, not
            // the answer.
            let parsed = oslira_upstream::json(text.as_bytes());
            let parsed = parsed.map_err(|error| format!("it is not JSON ({error})."));
            match parsed.and_then(read) {
                Ok(answer) => Ok(Fit { answer, text }),
                Err(correction) => {
                    let correction = correction.chars().take(MAX_CORRECTION_CHARS).collect();
                    Err(Problem { failure: Failure::Unfit { model }, correction: Some(correction) })
                }
            }
        }
    }
}

/// Receives the body and the headers of a successful answer.
pub(crate) async fn receive(
    request: RequestBuilder,
    provider: Provider,
    model: &str,
) -> Result<(Vec<u8>, HeaderMap), Failure> {
    let broken = |error: reqwest::Error| Failure::transport(provider, &error);
    let response = request.send().await.map_err(broken)?;
    let (status, headers) = (response.status(), response.headers().clone());
    let body = match oslira_upstream::read(response, MAX_BODY_BYTES).await {
        Ok(body) => body,
        Err(BodyError::Transport(error)) => return Err(broken(error)),
        Err(BodyError::TooLarge { .. }) if status.is_success() => return Err(Failure::Body { provider }),
        // The status says enough without the body.
        Err(BodyError::TooLarge { .. }) => Vec::new(),
    };
    if status.is_success() {
        Ok((body, headers))
    } else {
        Err(Failure::status(provider, model, status.as_u16(), &headers, &body))
    }
}

fn parse(provider: Provider, body: &[u8]) -> Result<Reply, Failure> {
    let reply = match provider {
        Provider::OpenAi => openai::reply(body),
        Provider::Anthropic => anthropic::reply(body),
    };
    // The parser's own message is left out, because it may quote the answer.
    reply.map_err(|_| Failure::Body { provider })
}
