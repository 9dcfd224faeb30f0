//! A slow call is made a second time, and the first good answer of the two wins.

use crate::{
    CallOutcome, Shared,
    attempt::{Fit, Problem, attempt, unanswered},
    failure::Failure,
    turn::{MIN_ATTEMPT, Turn},
};
use serde_json::Value;
use std::{pin::pin, time::Duration};
use tokio::time::Instant;

impl<S: Shared> Turn<'_, S> {
    /// Makes a call within `time`, and once more when it is slow and the budget allows. A call that ends without a good
    /// answer leaves the other one its time; the one that is overtaken is dropped. All are recorded, and what ended
    /// badly is reported.
    pub(crate) async fn call<T>(
        &mut self,
        body: &Value,
        permit: S::Permit,
        time: Duration,
        read: &impl Fn(Value) -> Result<T, String>,
    ) -> Result<(Fit<T>, S::Permit), Problem> {
        let (llm, assignment) = (self.llm, self.assignment);
        let make = |time| attempt(assignment, llm.request(assignment.model.provider, body), time, read);

        let first_began = Instant::now();
        let mut first = pin!(make(time));
        let second_permit = tokio::select! {
            biased;
            (call, judged) = &mut first => {
                self.calls.push(call);
                return self.settled(judged, permit).await;
            }
            second_permit = self.hedge(time) => second_permit,
        };
        let Some(second_permit) = second_permit else {
            let (call, judged) = first.await;
            self.calls.push(call);
            return self.settled(judged, permit).await;
        };

        let second_began = Instant::now();
        let mut second = pin!(make(time.saturating_sub(first_began.elapsed())));
        let (is_first, (call, judged)) = tokio::select! {
            biased;
            done = &mut first => (true, done),
            done = &mut second => (false, done),
        };
        let in_order = |call, other| if is_first { [call, other] } else { [other, call] };
        let (permit, other_permit) = if is_first { (permit, second_permit) } else { (second_permit, permit) };
        let problem = match judged {
            Ok(fit) => {
                let loser_began = if is_first { second_began } else { first_began };
                let loser = unanswered(assignment, loser_began, CallOutcome::Abandoned);
                self.calls.extend(in_order(call, loser));
                return Ok((fit, permit));
            }
            Err(problem) => problem,
        };
        tracing::warn!(failure = %problem.failure, "one of two calls gave nothing");
        let other = if is_first { second } else { first };
        let ((), (other_call, other_judged)) = tokio::join!(self.report(&problem.failure, permit), other);
        self.calls.extend(in_order(call, other_call));
        self.settled(other_judged, other_permit).await.map_err(|other| {
            // What can be corrected is worth more than what can only be repeated.
            if problem.correction.is_some() && other.correction.is_none() { problem } else { other }
        })
    }

    /// Waits until the call is slow, and asks for leave to make another.
    async fn hedge(&self, time: Duration) -> Option<S::Permit> {
        let after = self.question.hedge_after.filter(|after| *after + MIN_ATTEMPT <= time)?;
        tokio::time::sleep(after).await;
        if !self.llm.shared.may_hedge().await {
            return None;
        }
        let model = self.assignment.model;
        tracing::info!(model = model.id, "a call is slow and made a second time");
        self.llm.shared.admit(model.provider).await
    }

    /// A good answer with its permit, which its use must not wait for; a problem once it is reported.
    async fn settled<T>(
        &self,
        judged: Result<Fit<T>, Problem>,
        permit: S::Permit,
    ) -> Result<(Fit<T>, S::Permit), Problem> {
        match judged {
            Ok(fit) => Ok((fit, permit)),
            Err(problem) => {
                self.report(&problem.failure, permit).await;
                Err(problem)
            }
        }
    }

    async fn report(&self, failure: &Failure, permit: S::Permit) {
        let (shared, provider) = (self.llm.shared, self.assignment.model.provider);
        if failure.speaks_against_the_provider() {
            shared.failed(provider, permit).await;
        } else {
            shared.succeeded(provider, permit).await;
        }
    }
}
