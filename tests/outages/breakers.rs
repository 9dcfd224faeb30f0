//! Fifty workers and one circuit breaker, in the real table.

use anyhow::{Context, Result};
use aws_sdk_dynamodb::{
    Client,
    config::{
        Builder, ConfigBag, Intercept, RuntimeComponents, interceptors::BeforeTransmitInterceptorContextRef,
    },
    error::BoxError,
};
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use oslira_stores::{Breakers, Permit, Upstream};
use oslira_tests::{NOWHERE, Stack, dynamodb_at};
use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

const WORKERS: usize = 50;
/// Enough for a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);

/// Counts what is sent to DynamoDB, retries included.
#[derive(Clone, Debug, Default)]
struct Sent(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    reads: AtomicUsize,
    writes: AtomicUsize,
}

#[derive(Debug, PartialEq, Eq)]
struct Requests {
    reads: usize,
    writes: usize,
}

impl Sent {
    /// What was sent since it was last asked.
    fn take(&self) -> Requests {
        Requests { reads: self.0.reads.swap(0, SeqCst), writes: self.0.writes.swap(0, SeqCst) }
    }
}

impl Intercept for Sent {
    fn name(&self) -> &'static str {
        "Sent"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let is_read = context
            .request()
            .headers()
            .get("x-amz-target")
            .is_some_and(|target| target.ends_with(".GetItem"));
        let counter = if is_read { &self.0.reads } else { &self.0.writes };
        counter.fetch_add(1, SeqCst);
        Ok(())
    }
}

/// The workers of one test: each has a client of its own, as Lambdas do.
struct Workers<'a> {
    stack: &'a Stack,
    breakers: Vec<Breakers>,
    sent: Sent,
}

impl<'a> Workers<'a> {
    fn new(stack: &'a Stack) -> Self {
        let sent = Sent::default();
        let table = &stack.description.tables["circuit-breakers"];
        let breakers = |_| Breakers::with(client(stack.dynamodb(), &sent), table, PATIENCE);
        Self { stack, breakers: (0..WORKERS).map(breakers).collect(), sent }
    }

    /// All ask at once; who got leave.
    async fn admit(&self) -> Vec<(&Breakers, Permit)> {
        let ask = async |breakers| Some((breakers, Breakers::admit(breakers, Upstream::OpenAi).await?));
        join_all(self.breakers.iter().map(ask)).await.into_iter().flatten().collect()
    }

    /// Opens it by failures of all.
    async fn open(&self) -> Result<()> {
        fail(self.admit().await).await;
        assert!(self.item().await?["openUntil"].is_object());
        Ok(())
    }

    /// What the table says.
    async fn item(&self) -> Result<Value> {
        let items = self.stack.aws.items(&self.stack.description.tables["circuit-breakers"]).await?;
        items.into_iter().find(|item| item["upstream"]["S"] == "openai").context("no item")
    }

    /// Lets the time of an attribute pass.
    async fn pass(&self, attribute: &str) -> Result<()> {
        let past = Timestamp::now() - SignedDuration::from_millis(1);
        let table = &self.stack.description.tables["circuit-breakers"];
        self.stack
            .aws
            .set_number(table, json!({"upstream": {"S": "openai"}}), attribute, past.as_millisecond())
            .await
    }
}

fn client(settings: Builder, sent: &Sent) -> Client {
    Client::from_conf(settings.interceptor(sent.clone()).build())
}

async fn succeed(permits: Vec<(&Breakers, Permit)>) {
    join_all(permits.into_iter().map(|(breakers, permit)| breakers.succeeded(Upstream::OpenAi, permit)))
        .await;
}

async fn fail(permits: Vec<(&Breakers, Permit)>) {
    join_all(permits.into_iter().map(|(breakers, permit)| breakers.failed(Upstream::OpenAi, permit))).await;
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "the figures are what is asked for")]
async fn closed_costs_no_writes_and_half_open_lets_one_of_fifty_through() -> Result<()> {
    let stack = Stack::connect_alone().await?;
    let workers = Workers::new(&stack);

    let admitted = workers.admit().await;
    assert_eq!(admitted.len(), WORKERS);
    succeed(admitted).await;
    let Requests { reads, writes } = workers.sent.take();
    assert_eq!(reads, 2 * WORKERS, "closed");
    assert_eq!(writes, 0, "closed");

    workers.open().await?;
    let writes_to_open = workers.sent.take().writes;
    assert_eq!(workers.admit().await.len(), 0, "open");
    assert_eq!(workers.sent.take(), Requests { reads: WORKERS, writes: 0 }, "open");

    // The probe fails: open again, for twice as long.
    workers.pass("openUntil").await?;
    let probe = workers.admit().await;
    assert_eq!(probe.len(), 1, "half-open");
    assert_eq!(workers.admit().await.len(), 0, "a probe is under way");
    fail(probe).await;
    assert_eq!(workers.admit().await.len(), 0, "the probe failed");
    assert_eq!(workers.item().await?["openForMs"]["N"], "60000");

    // The next one dies, and makes room when its time has passed; its late word counts for nothing.
    workers.pass("openUntil").await?;
    let dead = workers.admit().await;
    assert_eq!(dead.len(), 1);
    workers.pass("probeUntil").await?;
    let probe = workers.admit().await;
    assert_eq!(probe.len(), 1, "in the place of the dead one");
    fail(dead).await;
    succeed(probe).await;

    assert_eq!(workers.admit().await.len(), WORKERS, "the probe succeeded");
    println!(
        "note: {WORKERS} workers at one circuit breaker: closed {WORKERS} let through with {reads} reads and {writes} writes; \
         opened by {WORKERS} failures at once with {writes_to_open} writes sent; half-open 1 of {WORKERS} let through, 3 times"
    );
    stack.calm().await
}

#[tokio::test]
async fn results_from_before_it_opened_change_nothing() -> Result<()> {
    let stack = Stack::connect_alone().await?;
    let workers = Workers::new(&stack);
    let mut late = workers.admit().await;
    let later = late.split_off(WORKERS / 2);
    workers.open().await?;
    let open = workers.item().await?;
    fail(late).await;
    assert_eq!(workers.item().await?, open);

    workers.pass("openUntil").await?;
    succeed(workers.admit().await).await;
    fail(later).await;
    let closed = workers.item().await?;
    assert!(closed["openUntil"].is_null() && closed["failures"].is_null(), "{closed}");
    stack.calm().await
}

#[tokio::test]
async fn what_is_undecided_costs_and_changes_nothing_but_fails_as_a_probe() -> Result<()> {
    let stack = Stack::connect_alone().await?;
    let workers = Workers::new(&stack);
    let undecided = async |permits: Vec<(&Breakers, Permit)>| {
        let tell = permits.into_iter().map(|(breakers, permit)| breakers.undecided(Upstream::OpenAi, permit));
        join_all(tell).await;
    };
    let admitted = workers.admit().await;
    workers.sent.take();
    undecided(admitted).await;
    assert_eq!(workers.sent.take(), Requests { reads: 0, writes: 0 });

    workers.open().await?;
    workers.pass("openUntil").await?;
    let probe = workers.admit().await;
    assert_eq!(probe.len(), 1);
    undecided(probe).await;
    let open = workers.item().await?;
    assert_eq!(open["openForMs"]["N"], "60000", "{open}");
    assert!(open["probeUntil"].is_null(), "{open}");
    stack.calm().await
}

#[tokio::test]
async fn a_success_ends_the_row_of_failures() -> Result<()> {
    let stack = Stack::connect_alone().await?;
    let workers = Workers::new(&stack);
    for _ in 0..3 {
        let mut admitted = workers.admit().await;
        fail(admitted.drain(..4).collect()).await;
        assert_eq!(workers.item().await?["failures"]["N"], "4");
        succeed(admitted.drain(..1).collect()).await;
        assert!(workers.item().await?["failures"].is_null());
    }
    stack.calm().await
}

#[tokio::test]
async fn a_table_out_of_reach_counts_as_closed() {
    let breakers = Breakers::with(client(dynamodb_at(NOWHERE), &Sent::default()), "x", PATIENCE);
    let permit = breakers.admit(Upstream::Anthropic).await;
    assert!(permit.is_some());
    if let Some(permit) = permit {
        breakers.failed(Upstream::Anthropic, permit).await;
    }
}
