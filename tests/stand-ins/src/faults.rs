//! Faults on request: which request meets which misfortune.

use crate::{Upstream, random::seeded};
use axum::http::StatusCode;
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};
use std::num::NonZeroU64;

/// What a `slow` or `runSlow` fault adds unless told.
const DEFAULT_DELAY_MS: u64 = 10_000;

/// A fault as a test asks for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct FaultRule {
    /// Whose requests it concerns.
    pub(crate) upstream: Upstream,
    /// Only requests whose body or path (with its query) contains this text.
    #[serde(rename = "match", default, skip_serializing_if = "Option::is_none")]
    pub(crate) matching: Option<String>,
    /// What happens.
    pub(crate) kind: FaultKind,
    /// The status of a `status` fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    /// The vendor's error code of a `status` fault, where the status has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
    /// What a `status` fault's error says, in place of the vendor's usual sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
    /// Seconds that a `status` fault asks the client to wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) retry_after_seconds: Option<f64>,
    /// Milliseconds that a `slow` or `runSlow` fault adds (default 10,000).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) delay_ms: Option<u64>,
    /// Probability, from 0 to 1, that it strikes a request that it concerns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rate: Option<f64>,
    /// Decides which requests a fault with a `rate` strikes, by their order; chosen at random when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) seed: Option<u64>,
    /// Strikes only every n-th of the requests that it concerns: a share of them that is no chance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) every: Option<NonZeroU64>,
    /// How many requests it hits; always when absent or null.
    #[serde(default)]
    pub(crate) times: Option<u64>,
}

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum FaultKind {
    /// An error of the vendor's.
    Status,
    /// No answer until the client gives up, at most 10 minutes.
    Timeout,
    /// The connection is reset.
    Reset,
    /// The answer comes late.
    Slow,
    /// 200 with broken JSON.
    Malformed,
    /// A well-formed answer whose content is not what was asked for.
    InvalidAnswer,
    /// The model refuses.
    Refusal,
    /// The model ran into its output limit.
    Truncated,
    /// The actor run ends as `FAILED`.
    RunFailed,
    /// The actor run ends as `ABORTED`.
    RunAborted,
    /// The actor run ends as `TIMED-OUT`.
    RunTimedOut,
    /// The actor run takes longer.
    RunSlow,
    /// Now and then a 429, a 5xx or a reset.
    Random,
}

/// The point of a request's life at which a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Before the service looks at the request.
    Transport,
    /// While an actor run is started or a model answers: only valid requests come here.
    Answer,
}

impl FaultKind {
    const fn stage(self) -> Stage {
        match self {
            Self::Status | Self::Timeout | Self::Reset | Self::Slow | Self::Malformed | Self::Random => {
                Stage::Transport
            }
            Self::InvalidAnswer
            | Self::Refusal
            | Self::Truncated
            | Self::RunFailed
            | Self::RunAborted
            | Self::RunTimedOut
            | Self::RunSlow => Stage::Answer,
        }
    }
}

impl FaultRule {
    /// What a `slow` or `runSlow` fault adds.
    pub(crate) fn delay_ms(&self) -> u64 {
        self.delay_ms.unwrap_or(DEFAULT_DELAY_MS)
    }

    /// Why the rule could never work, as a sentence; `Ok` when it can.
    ///
    /// # Errors
    /// A sentence for whoever wrote the rule.
    pub(crate) fn check(&self) -> Result<(), String> {
        let is_run_fault = matches!(
            self.kind,
            FaultKind::RunFailed | FaultKind::RunAborted | FaultKind::RunTimedOut | FaultKind::RunSlow
        );
        let is_model_fault = matches!(self.kind, FaultKind::Refusal | FaultKind::Truncated);
        if is_run_fault && self.upstream != Upstream::Apify {
            return Err("only apify has actor runs".into());
        }
        if is_model_fault && !self.upstream.is_ai() {
            return Err("only openai and anthropic have models".into());
        }
        if self.kind == FaultKind::InvalidAnswer
            && !(self.upstream.is_ai() || self.upstream == Upstream::Apify)
        {
            return Err("invalidAnswer is for apify, openai and anthropic".into());
        }
        match (self.kind, self.status) {
            (FaultKind::Status, Some(400..=599)) => {}
            (FaultKind::Status, _) => return Err("a status fault needs a status from 400 to 599".into()),
            (_, Some(_)) => return Err("only a status fault has a status".into()),
            _ => {}
        }
        if self.message.is_some() && self.kind != FaultKind::Status {
            return Err("only a status fault has a message".into());
        }
        if self.rate.is_none() && self.seed.is_some() {
            return Err("only a fault with a rate has a seed".into());
        }
        if self.kind == FaultKind::Random && self.rate.is_none() {
            return Err("a random fault needs a rate".into());
        }
        if self.rate.is_some_and(|rate| !(0.0..=1.0).contains(&rate)) {
            return Err("a rate is from 0 to 1".into());
        }
        if self.retry_after_seconds.is_some_and(|seconds| !(0.0..=86_400.0).contains(&seconds)) {
            return Err("retryAfterSeconds is from 0 to 86400".into());
        }
        Ok(())
    }

    fn concerns(&self, upstream: Upstream, stage: Stage, path: &str, body: &str) -> bool {
        self.upstream == upstream
            && self.kind.stage() == stage
            && self.matching.as_deref().is_none_or(|text| body.contains(text) || path.contains(text))
    }

    /// What a `random` fault turns out to be this time.
    fn settled(mut self, rng: &mut impl Rng) -> Self {
        if self.kind == FaultKind::Random {
            let overloaded = if self.upstream == Upstream::Anthropic { 529 } else { 503 };
            let outcomes = [Some(429), Some(500), Some(overloaded), None];
            self.status = outcomes[rng.random_range(0..outcomes.len())];
            self.kind = if self.status.is_some() { FaultKind::Status } else { FaultKind::Reset };
        }
        self
    }

    /// The status of a `status` fault.
    pub(crate) fn http_status(&self) -> StatusCode {
        self.status
            .and_then(|status| StatusCode::from_u16(status).ok())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// A rule in force.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Fault {
    /// Names it for `DELETE`.
    pub(crate) id: u64,
    /// Requests it has struck.
    pub(crate) hits: u64,
    /// Requests it might have struck.
    #[serde(skip)]
    seen: u64,
    #[serde(skip)]
    seed: u64,
    /// What was asked for.
    #[serde(flatten)]
    pub(crate) rule: FaultRule,
}

impl Fault {
    /// What it does to a request, if it does anything.
    fn strike(&mut self, upstream: Upstream, stage: Stage, path: &str, body: &str) -> Option<FaultRule> {
        let is_spent = self.rule.times.is_some_and(|times| self.hits >= times);
        if is_spent || !self.rule.concerns(upstream, stage, path, body) {
            return None;
        }
        let mut rng = seeded(&format!("fault {} {}", self.seed, self.seen));
        self.seen += 1;
        let is_its_turn = self.rule.every.is_none_or(|every| self.seen % every == 0);
        if !is_its_turn || self.rule.rate.is_some_and(|rate| !rng.random_bool(rate)) {
            return None;
        }
        self.hits += 1;
        Some(self.rule.clone().settled(&mut rng))
    }
}

/// The rules in force, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    list: Vec<Fault>,
    last_id: u64,
}

impl Faults {
    /// Puts a rule in force.
    pub(crate) fn add(&mut self, rule: FaultRule) -> Fault {
        self.last_id += 1;
        let seed = rule.seed.unwrap_or_else(rand::random);
        let fault = Fault { id: self.last_id, hits: 0, seen: 0, seed, rule };
        self.list.push(fault.clone());
        fault
    }

    /// All rules, spent ones included.
    pub(crate) fn list(&self) -> &[Fault] {
        &self.list
    }

    /// Withdraws one rule; whether there was one.
    pub(crate) fn remove(&mut self, id: u64) -> bool {
        let before = self.list.len();
        self.list.retain(|fault| fault.id != id);
        self.list.len() < before
    }

    /// Withdraws all rules.
    pub(crate) fn clear(&mut self) {
        self.list.clear();
    }

    /// The fault that strikes a request: the oldest rule that concerns it and is not spent.
    pub(crate) fn strike(
        &mut self,
        upstream: Upstream,
        stage: Stage,
        path: &str,
        body: &str,
    ) -> Option<FaultRule> {
        self.list.iter_mut().find_map(|fault| fault.strike(upstream, stage, path, body))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use serde_json::{Value, json};

    fn rule(value: Value) -> FaultRule {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_fault_strikes_only_what_it_matches_and_only_so_often() {
        let mut faults = Faults::default();
        faults.add(rule(json!({"upstream": "apify", "match": "nasa", "kind": "reset", "times": 2})));
        let mut strike =
            |upstream, path, body| faults.strike(upstream, Stage::Transport, path, body).is_some();
        assert!(!strike(Upstream::Apify, "/apify/v2", "nike"));
        assert!(!strike(Upstream::Openai, "/openai", "nasa"));
        assert!(strike(Upstream::Apify, "/apify/v2", "{\"usernames\":[\"nasa\"]}"));
        assert!(strike(Upstream::Apify, "/apify/v2?q=nasa", ""));
        assert!(!strike(Upstream::Apify, "/apify/v2", "nasa"));
        assert_eq!(faults.list()[0].hits, 2);
    }

    #[test]
    fn a_fault_can_strike_every_third_time() {
        let mut faults = Faults::default();
        faults.add(rule(json!({"upstream": "openai", "kind": "slow", "every": 3})));
        let struck: Vec<bool> = (0..6)
            .map(|_| {
                // What it does not concern does not count.
                assert!(faults.strike(Upstream::Apify, Stage::Transport, "", "").is_none());
                faults.strike(Upstream::Openai, Stage::Transport, "", "").is_some()
            })
            .collect();
        assert_eq!(struck, [false, false, true, false, false, true]);
        assert!(
            serde_json::from_value::<FaultRule>(json!({"upstream": "openai", "kind": "slow", "every": 0}))
                .is_err()
        );
    }

    #[test]
    fn faults_of_the_answer_wait_for_a_valid_request() {
        let mut faults = Faults::default();
        faults.add(rule(json!({"upstream": "openai", "kind": "refusal"})));
        assert!(faults.strike(Upstream::Openai, Stage::Transport, "", "").is_none());
        assert_eq!(faults.strike(Upstream::Openai, Stage::Answer, "", "").unwrap().kind, FaultKind::Refusal);
    }

    #[test]
    fn the_oldest_rule_goes_first_and_can_be_withdrawn() {
        let mut faults = Faults::default();
        let first =
            faults.add(rule(json!({"upstream": "openai", "kind": "status", "status": 429, "times": 1})));
        let second = faults.add(rule(json!({"upstream": "openai", "kind": "timeout"})));
        let kind = |faults: &mut Faults| {
            faults.strike(Upstream::Openai, Stage::Transport, "", "").map(|rule| rule.kind)
        };
        assert_eq!(kind(&mut faults), Some(FaultKind::Status));
        assert_eq!(kind(&mut faults), Some(FaultKind::Timeout));
        assert!(faults.remove(second.id));
        assert!(!faults.remove(second.id));
        assert_eq!(kind(&mut faults), None);
        assert!(faults.remove(first.id));
    }

    #[test]
    fn random_faults_keep_to_their_rate() {
        let mut faults = Faults::default();
        faults.add(rule(json!({"upstream": "anthropic", "kind": "random", "rate": 0.0})));
        assert!(faults.strike(Upstream::Anthropic, Stage::Transport, "", "").is_none());
        faults.add(rule(json!({"upstream": "anthropic", "kind": "random", "rate": 1.0})));
        for _ in 0..50 {
            let rule = faults.strike(Upstream::Anthropic, Stage::Transport, "", "").unwrap();
            match rule.kind {
                FaultKind::Status => assert!([429, 500, 529].contains(&rule.status.unwrap())),
                kind => assert_eq!(kind, FaultKind::Reset),
            }
        }
    }

    #[test]
    fn a_seed_decides_which_requests_are_struck() {
        let struck = |seed: Value| {
            let mut faults = Faults::default();
            faults.add(rule(json!({"upstream": "apify", "kind": "random", "rate": 0.05, "seed": seed})));
            let strike = |_| faults.strike(Upstream::Apify, Stage::Transport, "", "").map(|rule| rule.status);
            (0..1_000).map(strike).collect::<Vec<_>>()
        };
        let hits = |struck: &[Option<_>]| struck.iter().flatten().count();
        assert_eq!(struck(json!(7)), struck(json!(7)));
        assert_ne!(struck(json!(7)), struck(json!(8)));
        assert_ne!(struck(Value::Null), struck(Value::Null));
        assert!((20..=90).contains(&hits(&struck(json!(7)))), "{}", hits(&struck(json!(7))));
    }

    #[test]
    fn impossible_rules_are_refused() {
        for value in [
            json!({"upstream": "openai", "kind": "runFailed"}),
            json!({"upstream": "apify", "kind": "refusal"}),
            json!({"upstream": "jwks", "kind": "invalidAnswer"}),
            json!({"upstream": "openai", "kind": "status"}),
            json!({"upstream": "openai", "kind": "status", "status": 200}),
            json!({"upstream": "openai", "kind": "reset", "status": 500}),
            json!({"upstream": "openai", "kind": "reset", "message": "x"}),
            json!({"upstream": "openai", "kind": "random"}),
            json!({"upstream": "openai", "kind": "random", "rate": 2}),
            json!({"upstream": "openai", "kind": "reset", "seed": 7}),
            json!({"upstream": "openai", "kind": "status", "status": 429, "retryAfterSeconds": -1}),
        ] {
            assert!(rule(value.clone()).check().is_err(), "{value}");
        }
        assert!(rule(json!({"upstream": "jwks", "kind": "status", "status": 503})).check().is_ok());
    }
}
