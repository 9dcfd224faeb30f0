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

/// How long a call may be delayed by asking the breaker, or by reporting to it.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often a write is tried again when another write came first. However many calls fail at once, each
/// round lets one of them write. After five of those writes the breaker is open, and the others have nothing
/// left to write.
const TRIES: usize = 10;

/// A service that may be down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upstream {
    OpenAi,
    Anthropic,
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

/// The permission to make one call. Report how the call ended with [`Breakers::succeeded`],
/// [`Breakers::failed`] or [`Breakers::undecided`]. Drop the permit when the call itself was dropped.
#[derive(Debug)]
pub struct Permit(Given);

#[derive(Debug)]
enum Given {
    /// Given at this time while the breaker was closed. Any number of callers may have one.
    At(Timestamp),
    /// Given to the one probe of a half-open breaker, which is named by the revision that it wrote.
    Probe(String),
}

impl Permit {
    /// A permit for a call that is made even when the breaker is open, such as asking about work that was
    /// begun before.
    pub fn unasked() -> Self {
        Self(Given::At(Timestamp::now()))
    }
}

#[derive(Clone, Debug)]
pub struct Breakers {
    client: Client,
    table: String,
    patience: Duration,
}

/// An item as it was read, with the revision that a write must still find.
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

/// The outcome of a write.
enum Written {
    /// The write succeeded, under this revision.
    As(String),
    /// Another write came first. This is the item as it is now.
    Not(Seen),
}

impl Breakers {
    /// Needs the variable `CIRCUIT_BREAKERS_TABLE`.
    pub fn new(env: &Env) -> Result<Self> {
        Ok(Self::with(Client::new(env.sdk()), env.var(Variable::CircuitBreakersTable)?, PATIENCE))
    }

    /// Uses this table. When it does not answer within `patience`, all breakers count as closed.
    pub fn with(client: Client, table: impl Into<String>, patience: Duration) -> Self {
        Self { client, table: table.into(), patience }
    }

    /// Asks whether a call may be made. `None` when the breaker is open, or half-open with another probe
    /// under way.
    ///
    /// It never fails. When the table does not answer, the breaker counts as closed, with a warning in the
    /// log: a run must not fail because of that.
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

    /// Reports that the call got an answer. While the breaker is closed without failures, this reads once and
    /// writes nothing.
    pub async fn succeeded(&self, upstream: Upstream, permit: Permit) {
        self.report(upstream, permit, Report::Succeeded).await;
    }

    /// Reports that the call failed in a way that speaks against the upstream.
    pub async fn failed(&self, upstream: Upstream, permit: Permit) {
        self.report(upstream, permit, Report::Failed).await;
    }

    /// Reports that the call ended in a way that says nothing about the upstream. This writes nothing, except
    /// for a probe: a probe has then failed, since it did not show that the upstream works.
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
            tracing::warn!(
                upstream = upstream.as_str(),
                cause = error.chain(),
                "call not reported to the circuit breaker"
            );
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
                // The probe took so long that another probe took its place, or has already decided.
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

    /// Reads with strong consistency: the very next call must see that the breaker is open.
    async fn read(&self, upstream: Upstream) -> Result<Seen> {
        let request = self.client.get_item().table_name(&self.table).key("upstream", key(upstream));
        let answer = request.consistent_read(true).send().await.map_err(aws_error)?;
        Ok(Seen::new(answer.item.as_ref()))
    }

    /// Replaces what was read by `next`, if nobody has written since.
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
                    // The SDK tried twice. The first try was written, and only its answer was lost.
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

/// Logs for operators that the breaker opened or closed.
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
