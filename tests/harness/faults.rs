//! What may go wrong with the services that the stand-ins imitate.

use serde_json::{Map, Value, json};
use std::{fmt, time::Duration};

/// A service that the stand-ins imitate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Upstream {
    /// Runs actors that scrape.
    Apify,
    /// Asks models.
    OpenAi,
    /// Asks models too.
    Anthropic,
}

impl Upstream {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Apify, Self::OpenAi, Self::Anthropic];
    /// Those that ask models.
    pub const AI: [Self; 2] = [Self::OpenAi, Self::Anthropic];

    /// The name in JSON, SQL and DynamoDB.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Apify => "apify",
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
        }
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A fault that is put in force: for all requests to a service, unless it says for which.
#[derive(Clone, Debug)]
pub struct Fault(Map<String, Value>);

impl Fault {
    fn new(upstream: Upstream, kind: &str) -> Self {
        Self(Map::from_iter([
            ("upstream".to_owned(), json!(upstream.name())),
            ("kind".to_owned(), json!(kind)),
        ]))
    }

    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// An error of the vendor's with this status.
    pub fn status(upstream: Upstream, status: u16) -> Self {
        Self::new(upstream, "status").with("status", status)
    }

    /// No answer until the client gives up.
    pub fn timeout(upstream: Upstream) -> Self {
        Self::new(upstream, "timeout")
    }

    /// The connection is reset.
    pub fn reset(upstream: Upstream) -> Self {
        Self::new(upstream, "reset")
    }

    /// The answer comes this much later.
    pub fn slow(upstream: Upstream, delay: Duration) -> Self {
        Self::new(upstream, "slow").with("delayMs", milliseconds(delay))
    }

    /// 200 with broken JSON.
    pub fn malformed(upstream: Upstream) -> Self {
        Self::new(upstream, "malformed")
    }

    /// This share of the requests, from 0 to 1, meets a 429, a 5xx or a reset. The seed decides which.
    pub fn random(upstream: Upstream, rate: f64, seed: usize) -> Self {
        Self::new(upstream, "random").with("rate", rate).with("seed", seed)
    }

    /// A well-formed answer whose content is not what was asked for.
    pub fn invalid_answer(upstream: Upstream) -> Self {
        Self::new(upstream, "invalidAnswer")
    }

    /// The model refuses.
    pub fn refusal(upstream: Upstream) -> Self {
        Self::new(upstream, "refusal")
    }

    /// A good answer with this usage, as JSON.
    pub fn usage(upstream: Upstream, usage: &str) -> Self {
        Self::new(upstream, "usage").with("usage", usage)
    }

    /// The actor run takes this much longer.
    pub fn slow_actor(delay: Duration) -> Self {
        Self::new(Upstream::Apify, "runSlow").with("delayMs", milliseconds(delay))
    }

    /// The actor run takes longer than any test waits: it ends when it is released or aborted.
    pub fn held_actor() -> Self {
        Self::slow_actor(Duration::from_mins(10))
    }

    /// The actor run fails.
    pub fn failed_actor() -> Self {
        Self::new(Upstream::Apify, "runFailed")
    }

    /// Only requests with this text in their body or path.
    pub fn of(self, text: impl Into<String>) -> Self {
        self.with("match", text.into())
    }

    /// Only so many requests.
    pub fn times(self, times: u64) -> Self {
        self.with("times", times)
    }

    /// Only every n-th request.
    pub fn every(self, n: u64) -> Self {
        self.with("every", n)
    }

    /// The vendor's code in the error.
    pub fn with_code(self, code: &str) -> Self {
        self.with("code", code)
    }

    /// What the error says.
    pub fn with_message(self, message: &str) -> Self {
        self.with("message", message)
    }

    pub(crate) fn into_json(self) -> Value {
        Value::Object(self.0)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Value::Object(self.0.clone()))
    }
}

fn milliseconds(delay: Duration) -> u64 {
    u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)
}
