//! One vendor's turn at a question: repeating what failed, correcting what did not fit.

use crate::{
    Assignment, Call, CallOutcome, Llm, Provider, Question, anthropic,
    call::{Content, Reply},
    failure::{Failure, Remedy},
    openai,
};
use backon::{BackoffBuilder, ExponentialBuilder};
use reqwest::{RequestBuilder, header::HeaderMap};
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;

/// The part of a vendor's time that its first attempt may use, so that a second one is possible.
const FIRST_ATTEMPT_SHARE: f64 = 2.0 / 3.0;
/// No model answers in less.
const MIN_ATTEMPT: Duration = Duration::from_secs(1);
/// Longer explanations of what was wrong help no model.
const MAX_CORRECTION_CHARS: usize = 500;

/// A vendor's turn at one question.
pub(crate) struct Turn<'a> {
    pub(crate) llm: &'a Llm,
    pub(crate) question: &'a Question<'a>,
    pub(crate) assignment: Assignment<'a>,
    pub(crate) ends: Instant,
    /// Every call is added here.
    pub(crate) calls: &'a mut Vec<Call>,
}

impl Turn<'_> {
    /// Asks until there is an answer or no reason to ask this vendor again.
    pub(crate) async fn take<T>(mut self, read: impl Fn(Value) -> Result<T, String>) -> Result<T, Failure> {
        let mut backoff = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(500))
            .with_max_times(1)
            .with_jitter()
            .build();
        let mut correction = None;
        let mut timeout = self.left().mul_f64(FIRST_ATTEMPT_SHARE);
        if timeout < MIN_ATTEMPT {
            return Err(Failure::NoTime { provider: self.assignment.model.provider });
        }
        loop {
            let failure = match self
                .call(correction.as_deref(), timeout)
                .await
                .and_then(|content| self.judge(content, &read))
            {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(unfit)) if correction.is_none() => {
                    correction = Some(unfit.correction);
                    unfit.failure
                }
                Ok(Err(unfit)) => return Err(unfit.failure),
                Err(failure) if failure.remedy() == Remedy::Wait => {
                    let Some(delay) = backoff.next() else { return Err(failure) };
                    let delay = failure.retry_after().unwrap_or(delay);
                    if self.left() < delay + MIN_ATTEMPT {
                        return Err(failure);
                    }
                    tokio::time::sleep(delay).await;
                    failure
                }
                Err(failure) => return Err(failure),
            };
            timeout = self.left();
            if timeout < MIN_ATTEMPT {
                return Err(failure);
            }
            tracing::warn!(%failure, "a model is asked again");
        }
    }

    fn left(&self) -> Duration {
        self.ends.saturating_duration_since(Instant::now())
    }

    /// Makes one call and records it, for now as answered when it was.
    async fn call(&mut self, correction: Option<&str>, timeout: Duration) -> Result<Content, Failure> {
        let model = self.assignment.model;
        let request = self.llm.request(self.assignment, self.question, correction).timeout(timeout);
        let started = Instant::now();
        let received = receive(request, model.provider, &model.id).await;
        let mut call = Call {
            provider: model.provider,
            model: model.id.clone(),
            input_tokens: 0,
            cached_tokens: 0,
            output_tokens: 0,
            cost_usd: 0.0,
            duration_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            is_fallback: self.assignment.is_fallback,
            gateway_cache_hit: false,
            outcome: CallOutcome::Failed,
        };
        let content = match received.and_then(|(body, headers)| Ok((parse(model.provider, &body)?, headers)))
        {
            Ok((Reply { usage, content }, headers)) => {
                call.input_tokens = usage.input;
                call.cached_tokens = usage.cached;
                call.output_tokens = usage.output;
                call.gateway_cache_hit =
                    headers.get("cf-aig-cache-status").is_some_and(|status| status == "HIT");
                call.cost_usd = if call.gateway_cache_hit { 0.0 } else { usage.cost(model) };
                call.outcome = CallOutcome::Answered;
                Ok(content)
            }
            Err(failure) => {
                if matches!(failure, Failure::Refused { .. }) {
                    call.outcome = CallOutcome::Refused;
                }
                Err(failure)
            }
        };
        self.calls.push(call);
        content
    }

    /// Reads an answer. The outer error ends the turn, the inner one may be corrected.
    fn judge<T>(
        &mut self,
        content: Content,
        read: impl Fn(Value) -> Result<T, String>,
    ) -> Result<Result<T, Unfit>, Failure> {
        let model = || self.assignment.model.id.clone();
        let (outcome, judged) = match content {
            Content::Refused => (CallOutcome::Refused, Err(Failure::Refused { model: model() })),
            Content::Truncated => {
                let failure = Failure::Truncated { model: model() };
                let correction = "it was cut off at the limit of tokens. Be much briefer.".to_owned();
                (CallOutcome::Truncated, Ok(Err(Unfit { failure, correction })))
            }
            Content::Text(text) => {
                let parsed =
                    serde_json::from_str(&text).map_err(|error| format!("it is not JSON ({error})."));
                match parsed.and_then(read) {
                    Ok(answer) => return Ok(Ok(answer)),
                    Err(correction) => {
                        let correction = correction.chars().take(MAX_CORRECTION_CHARS).collect();
                        let failure = Failure::Unfit { model: model() };
                        (CallOutcome::Unfit, Ok(Err(Unfit { failure, correction })))
                    }
                }
            }
        };
        if let Some(call) = self.calls.last_mut() {
            call.outcome = outcome;
        }
        judged
    }
}

/// An answer that cannot be used.
struct Unfit {
    failure: Failure,
    /// What is wrong with it, for the model.
    correction: String,
}

/// A successful answer's body and headers.
pub(crate) async fn receive(
    request: RequestBuilder,
    provider: Provider,
    model: &str,
) -> Result<(Vec<u8>, HeaderMap), Failure> {
    let broken = |error: reqwest::Error| Failure::transport(provider, &error);
    let response = request.send().await.map_err(broken)?;
    let (status, headers) = (response.status(), response.headers().clone());
    let body = response.bytes().await.map_err(broken)?;
    if status.is_success() {
        Ok((body.into(), headers))
    } else {
        Err(Failure::status(provider, model, status.as_u16(), &headers, &body))
    }
}

/// The vendor's reply.
fn parse(provider: Provider, body: &[u8]) -> Result<Reply, Failure> {
    let reply = match provider {
        Provider::OpenAi => openai::reply(body),
        Provider::Anthropic => anthropic::reply(body),
    };
    // The parser's own error may quote the answer.
    reply.map_err(|_| Failure::Body { provider })
}
