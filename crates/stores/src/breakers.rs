//! One circuit breaker per upstream, shared by all Lambdas.

use crate::{
    Item,
    circuit::{Admission, Circuit, Report},
    text,
};
use aws_sdk_dynamodb::{
    Client,
    error::SdkError,
    operation::put_item::PutItemError,
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure},
};
use jiff::Timestamp;
use oslira_domain::{Error, Result};
use oslira_lambda::{Env, Variable, aws_error, aws_refused};
use std::time::Duration;
use tokio::time::timeout;
use uuid::Uuid;

/// How long a call may be held up by asking for leave, or by reporting on it.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often a write is tried again because another came first. However many fail at once, one of them gets its write in
/// each time, and at the fifth the breaker is open and the others have nothing left to write.
const TRIES: usize = 10;

/// A service that may be down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upstream {
    /// OpenAI's API.
    OpenAi,
    /// Anthropic's API.
    Anthropic,
    /// Apify's API.
    Apify,
}

impl Upstream {
    /// The name in the table and in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Apify => "apify",
        }
    }
}

/// Leave to make one call; report on it with [`Breakers::succeeded`], [`Breakers::failed`] or [`Breakers::undecided`], or
/// drop it for a call that came to no end.
#[derive(Debug)]
pub struct Permit(Given);

#[derive(Debug)]
enum Given {
    /// To anyone, while closed.
    At(Timestamp),
    /// To one caller while half-open; named by the revision that it wrote.
    Probe(String),
}

impl Permit {
    /// For a call that is made whether or not the breaker is open, such as asking after work that was begun before.
    pub fn unasked() -> Self {
        Self(Given::At(Timestamp::now()))
    }
}

/// The table of circuit breakers.
#[derive(Clone, Debug)]
pub struct Breakers {
    client: Client,
    table: String,
    patience: Duration,
}

/// An item, and the revision that a write must find.
#[derive(Debug)]
struct Seen {
    circuit: Circuit,
    revision: Option<String>,
}

impl Seen {
    fn new(item: Option<&Item>) -> Self {
        let revision =
            item.and_then(|item| item.get("revision")).and_then(|value| value.as_s().ok().cloned());
        Self { circuit: item.map_or(Circuit::CLEAN, Circuit::read), revision }
    }
}

/// What became of a write.
enum Written {
    /// Done, under this revision.
    As(String),
    /// Another came first.
    Not(Seen),
}

impl Breakers {
    /// Needs the variable `CIRCUIT_BREAKERS_TABLE`.
    pub fn new(env: &Env) -> Result<Self> {
        Ok(Self::with(Client::new(env.sdk()), env.var(Variable::CircuitBreakersTable)?, PATIENCE))
    }

    /// The breakers in this table, which count as closed when it does not answer within `patience`.
    pub fn with(client: Client, table: impl Into<String>, patience: Duration) -> Self {
        Self { client, table: table.into(), patience }
    }

    /// Asks for leave to call. `None`: it is open, or half-open with another's probe under way.
    ///
    /// Never an error: a table out of reach counts as closed, with a warning, since a run must not fail for it.
    pub async fn admit(&self, upstream: Upstream) -> Option<Permit> {
        match self.within_patience(self.try_admit(upstream)).await {
            Ok(permit) => permit,
            Err(error) => {
                tracing::warn!(
                    upstream = upstream.as_str(),
                    cause = error.chain(),
                    "circuit breaker not read"
                );
                Some(Permit::unasked())
            }
        }
    }

    /// The call that the permit was for got an answer. Closed and without failures: one read, no write.
    pub async fn succeeded(&self, upstream: Upstream, permit: Permit) {
        self.report(upstream, permit, Report::Succeeded).await;
    }

    /// It failed in a way that speaks against the upstream.
    pub async fn failed(&self, upstream: Upstream, permit: Permit) {
        self.report(upstream, permit, Report::Failed).await;
    }

    /// It ended in a way that says nothing about the upstream. That costs nothing; only a probe has failed by that, for the
    /// upstream was not shown to work.
    pub async fn undecided(&self, upstream: Upstream, permit: Permit) {
        if matches!(permit.0, Given::Probe(_)) {
            self.failed(upstream, permit).await;
        }
    }

    async fn try_admit(&self, upstream: Upstream) -> Result<Option<Permit>> {
        let mut seen = self.read(upstream).await?;
        for _ in 0..TRIES {
            let now = Timestamp::now();
            let probing = match seen.circuit.admit(now) {
                Admission::Yes => return Ok(Some(Permit(Given::At(now)))),
                Admission::No => return Ok(None),
                Admission::AsProbe(probing) => probing,
            };
            match self.write(upstream, &seen, &probing).await? {
                Written::As(revision) => return Ok(Some(Permit(Given::Probe(revision)))),
                Written::Not(newer) => seen = newer,
            }
        }
        Ok(None)
    }

    async fn report(&self, upstream: Upstream, permit: Permit, report: Report) {
        if let Err(error) = self.within_patience(self.try_report(upstream, &permit, report)).await {
            tracing::warn!(upstream = upstream.as_str(), cause = error.chain(), "circuit breaker not told");
        }
    }

    async fn try_report(&self, upstream: Upstream, permit: &Permit, report: Report) -> Result<()> {
        let mut seen = self.read(upstream).await?;
        for _ in 0..TRIES {
            let now = Timestamp::now();
            let next = match &permit.0 {
                Given::At(admitted_at) => seen.circuit.after_call(report, *admitted_at, now),
                Given::Probe(revision) if seen.revision.as_ref() == Some(revision) => {
                    seen.circuit.after_probe(report, now)
                }
                // It took so long that another probe has taken its place, or decided.
                Given::Probe(_) => None,
            };
            let Some(next) = next else { return Ok(()) };
            match self.write(upstream, &seen, &next).await? {
                Written::As(_) => {
                    tell(upstream, &seen.circuit, &next);
                    return Ok(());
                }
                Written::Not(newer) => seen = newer,
            }
        }
        Ok(())
    }

    async fn within_patience<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        timeout(self.patience, work).await.unwrap_or_else(|elapsed| Err(Error::store(elapsed)))
    }

    /// Strongly consistent: the very next call must see that the breaker is open.
    async fn read(&self, upstream: Upstream) -> Result<Seen> {
        let request = self.client.get_item().table_name(&self.table).key("upstream", key(upstream));
        let answer = request.consistent_read(true).send().await.map_err(aws_error)?;
        Ok(Seen::new(answer.item.as_ref()))
    }

    /// Writes `next` in the place of what was seen, if that is still there.
    async fn write(&self, upstream: Upstream, seen: &Seen, next: &Circuit) -> Result<Written> {
        let revision = Uuid::new_v4().to_string();
        let mut put = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("upstream", key(upstream))
            .item("revision", text(&revision))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        for (name, value) in next.attributes() {
            put = put.item(name, value);
        }
        put = match &seen.revision {
            Some(revision) => put
                .condition_expression("revision = :seen")
                .expression_attribute_values(":seen", text(revision)),
            None => put.condition_expression("attribute_not_exists(revision)"),
        };
        match put.send().await {
            Ok(_) => Ok(Written::As(revision)),
            Err(SdkError::ServiceError(error)) => match error.into_err() {
                PutItemError::ConditionalCheckFailedException(refused) => {
                    let newer = Seen::new(refused.item.as_ref());
                    // The first of two tries of the SDK was done, and only its answer lost.
                    let is_ours = newer.revision.as_ref() == Some(&revision);
                    Ok(if is_ours { Written::As(revision) } else { Written::Not(newer) })
                }
                error => Err(aws_refused(&error)),
            },
            Err(error) => Err(aws_error(error)),
        }
    }
}

fn key(upstream: Upstream) -> AttributeValue {
    text(upstream.as_str())
}

/// Tells operators that it opened or closed.
fn tell(upstream: Upstream, before: &Circuit, after: &Circuit) {
    let upstream = upstream.as_str();
    match (before, after) {
        (_, Circuit::Open { until, .. }) => {
            tracing::warn!(upstream, %until, "circuit breaker open");
        }
        (Circuit::Open { .. }, Circuit::Closed { .. }) => tracing::info!(upstream, "circuit breaker closed"),
        (Circuit::Closed { .. }, Circuit::Closed { .. }) => {}
    }
}
