//! A slow call is made a second time, and the first good answer of the two wins.

use crate::{
    Call, CallOutcome, Shared,
    attempt::{Fit, Problem, attempt, unanswered},
    failure::{Failure, Verdict},
    turn::{MIN_ATTEMPT, Turn},
    usage::Bounds,
};
use serde_json::Value;
use std::{pin::pin, time::Duration};
use tokio::time::Instant;

impl<S: Shared> Turn<'_, S> {
    /// Makes a call within `time`, and a second one when the first is slow and the budget allows it. When one
    /// call ends without a good answer, the other keeps its time. When one call has a good answer, the other
    /// is dropped. All calls are recorded, and failures are reported to the circuit breaker.
    pub(crate) async fn call<T>(
        &mut self,
        body: &Value,
        permit: S::Permit,
        time: Duration,
        read: &impl Fn(Value) -> Result<T, String>,
    ) -> Result<(Fit<T>, S::Permit), Problem> {
        let (llm, assignment) = (self.llm, self.assignment);
        let bounds = Bounds::new(body, self.question.max_output_tokens);
        let make = |time| {
            let request = llm.request(assignment.model.provider, body);
            attempt(assignment, request, time, bounds, read)
        };

        let first_began = Instant::now();
        let mut first = pin!(make(time));
        let second_permit = tokio::select! {
            biased;
            (call, judged) = &mut first => {
                self.calls.push(call);
                return self.settled(judged, permit, time).await;
            }
            second_permit = self.hedge(time) => second_permit,
        };
        let Some(second_permit) = second_permit else {
            let (call, judged) = first.await;
            self.calls.push(call);
            return self.settled(judged, permit, time).await;
        };

        let second_began = Instant::now();
        let second_time = time.saturating_sub(first_began.elapsed());
        let mut second = pin!(make(second_time));
        let (is_first, (call, judged)) = tokio::select! {
            biased;
            done = &mut first => (true, done),
            done = &mut second => (false, done),
        };
        let in_order = |call, other| if is_first { [call, other] } else { [other, call] };
        let (given, second_given) = ((permit, time), (second_permit, second_time));
        let ((permit, time), (other_permit, other_time)) =
            if is_first { (given, second_given) } else { (second_given, given) };
        let problem = match judged {
            Ok(fit) => {
                let loser_began = if is_first { second_began } else { first_began };
                let loser = unanswered(assignment, loser_began, CallOutcome::Abandoned);
                let estimated_usd = bounds.estimate().cost(assignment.model);
                self.calls.extend(in_order(call, Call { estimated_usd, ..loser }));
                return Ok((fit, permit));
            }
            Err(problem) => problem,
        };
        tracing::warn!(failure = %problem.failure, "one of two calls brought no good answer");
        let other = if is_first { second } else { first };
        let ((), (other_call, other_judged)) =
            tokio::join!(self.report(&problem.failure, permit, time), other);
        self.calls.extend(in_order(call, other_call));
        self.settled(other_judged, other_permit, other_time).await.map_err(|other| {
            // A problem that can be corrected is worth more than one that can only be repeated.
            if problem.correction.is_some() && other.correction.is_none() { problem } else { other }
        })
    }

    /// Waits until the call is slow, then asks for permission to make a second one.
    async fn hedge(&self, time: Duration) -> Option<S::Permit> {
        let after = self.question.hedge_after.filter(|after| *after + MIN_ATTEMPT <= time)?;
        tokio::time::sleep(after).await;
        let (shared, model) = (self.llm.shared, self.assignment.model);
        // The circuit breaker is asked before the budget: a call that the breaker forbids must not use up the
        // budget.
        let permit = shared.admit(model.provider).await?;
        if !shared.may_hedge().await {
            shared.undecided(model.provider, permit).await;
            return None;
        }
        tracing::info!(model = model.id, "a call is slow and made a second time");
        Some(permit)
    }

    /// Returns a good answer with its permit at once, so that its use is not delayed. Returns a problem after
    /// it was reported.
    async fn settled<T>(
        &self,
        judged: Result<Fit<T>, Problem>,
        permit: S::Permit,
        time: Duration,
    ) -> Result<(Fit<T>, S::Permit), Problem> {
        match judged {
            Ok(fit) => Ok((fit, permit)),
            Err(problem) => {
                self.report(&problem.failure, permit, time).await;
                Err(problem)
            }
        }
    }

    /// Reports to the circuit breaker that a call with this much time brought no good answer.
    async fn report(&self, failure: &Failure, permit: S::Permit, time: Duration) {
        let (shared, provider) = (self.llm.shared, self.assignment.model.provider);
        match failure.verdict(time >= self.fair_time) {
            Verdict::For => shared.succeeded(provider, permit).await,
            Verdict::Against => shared.failed(provider, permit).await,
            Verdict::None => shared.undecided(provider, permit).await,
        }
    }
}
