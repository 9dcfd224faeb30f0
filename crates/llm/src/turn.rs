//! One vendor's turn at a question: it looks for a kept answer, repeats what failed, and asks for
//! corrections.

use crate::{
    Assignment, Call, CallOutcome, Llm, Provider, Question, Shared,
    attempt::{Fit, Problem, judge, unanswered},
    call::Content,
    failure::{Failure, Remedy},
};
use backon::{BackoffBuilder, ExponentialBuilder};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// The part of a vendor's time that its first attempt may use, so that a second one is possible.
const FIRST_ATTEMPT_SHARE: f64 = 2.0 / 3.0;
/// No model answers in less time.
pub(crate) const MIN_ATTEMPT: Duration = Duration::from_secs(1);
/// How long the turn waits for a kept answer. A kept answer saves money and seconds, so a missing one must
/// not cost either.
const RECALL_TIMEOUT: Duration = Duration::from_millis(300);

/// A vendor's turn at one question.
pub(crate) struct Turn<'a, S> {
    pub(crate) llm: &'a Llm<'a, S>,
    pub(crate) question: &'a Question<'a>,
    pub(crate) assignment: Assignment<'a>,
    pub(crate) ends: Instant,
    /// A call that got no answer within this time speaks against the vendor. After a shorter wait it does
    /// not.
    pub(crate) fair_time: Duration,
    /// Every call is added here.
    pub(crate) calls: &'a mut Vec<Call>,
}

/// How a turn ended well.
pub(crate) enum Answered<T, P> {
    /// With an answer that had been kept.
    Recalled(T),
    /// With a new answer, which is kept under this key. The permit is still to be given back.
    Fresh(Fit<T>, P, String),
}

impl<S: Shared> Turn<'_, S> {
    /// Asks until there is an answer, or no reason to ask this vendor again.
    pub(crate) async fn take<T>(
        mut self,
        read: &impl Fn(Value) -> Result<T, String>,
    ) -> Result<Answered<T, S::Permit>, Failure> {
        let provider = self.assignment.model.provider;
        let mut backoff = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(500))
            .with_max_times(1)
            .with_jitter()
            .build();
        let mut attempt_time = self.left().mul_f64(FIRST_ATTEMPT_SHARE);
        if attempt_time < MIN_ATTEMPT {
            return Err(Failure::NoTime { provider });
        }
        let mut body = self.llm.body(self.assignment, self.question, None);
        // The key of the question as it was first put: the answer to a correction answers that question, too.
        let key = key(provider, &body);
        if let Some((call, answer)) = self.recall(&key, read).await {
            self.calls.push(call);
            return Ok(Answered::Recalled(answer));
        }
        // Not earlier: an unused permit might be the one of the probe.
        let mut admitted = self.llm.shared.admit(provider).await;
        let mut is_corrected = false;
        loop {
            let Some(permit) = admitted else { return Err(Failure::NotAdmitted { provider }) };
            let failure = match self.call(&body, permit, attempt_time, read).await {
                Ok((fit, permit)) => return Ok(Answered::Fresh(fit, permit, key)),
                Err(Problem { failure, correction: Some(correction) }) if !is_corrected => {
                    is_corrected = true;
                    body = self.llm.body(self.assignment, self.question, Some(&correction));
                    failure
                }
                Err(Problem { failure, .. }) if failure.remedy() == Remedy::Wait => {
                    let Some(delay) = backoff.next() else { return Err(failure) };
                    let delay = failure.retry_after().unwrap_or(delay);
                    if self.left() < delay.saturating_add(MIN_ATTEMPT) {
                        return Err(failure);
                    }
                    tokio::time::sleep(delay).await;
                    failure
                }
                Err(Problem { failure, .. }) => return Err(failure),
            };
            attempt_time = self.left();
            if attempt_time < MIN_ATTEMPT {
                return Err(failure);
            }
            tracing::warn!(%failure, "a model is asked again");
            admitted = self.llm.shared.admit(provider).await;
        }
    }

    fn left(&self) -> Duration {
        self.ends.saturating_duration_since(Instant::now())
    }

    /// Returns the answer that was kept under a key, with the record of a call that cost nothing. An answer
    /// that does not fit counts as missing.
    async fn recall<T>(&self, key: &str, read: &impl Fn(Value) -> Result<T, String>) -> Option<(Call, T)> {
        let started = Instant::now();
        let text = timeout(RECALL_TIMEOUT, self.llm.shared.recall(key)).await.ok().flatten()?;
        match judge(&self.assignment.model.id, Content::Text(text), read) {
            Ok(Fit { answer, .. }) => {
                let call = unanswered(self.assignment, started, CallOutcome::Answered);
                Some((Call { cache_hit: true, ..call }, answer))
            }
            Err(Problem { failure, .. }) => {
                tracing::warn!(key, %failure, "a kept answer cannot be used");
                None
            }
        }
    }
}

/// The key of a question to a model, from the provider, model, schema, messages, effort and limit.
fn key(provider: Provider, body: &Value) -> String {
    let hash = Sha256::digest(format!("{provider}\n{body}"));
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}
