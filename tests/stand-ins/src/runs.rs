//! Actor runs. A run's whole course is fixed when it starts, so its state at any moment is a matter of the clock:
//! nothing runs in the background, and a client that goes away changes nothing.

use crate::faults::FaultKind;
use jiff::Timestamp;
use parking_lot::Mutex;
use rand::RngExt;
use serde_json::{Value, json};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::{sync::Notify, time::Instant};

/// Runs remembered; beyond it the oldest finished ones are forgotten.
const KEPT: usize = 5_000;
/// How long an aborted run takes to stop.
const ABORTING: Duration = Duration::from_millis(100);

/// An actor imitated here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Actor {
    /// `apify~instagram-profile-scraper`.
    ProfileScraper,
    /// `apify~instagram-scraper`, results of type `posts`.
    PostScraper,
}

impl Actor {
    /// The actor of an id as it stands in a path.
    pub(crate) fn of_id(id: &str) -> Option<Self> {
        match id {
            "apify~instagram-profile-scraper" | "dSCLg0C3YEZ83HzYX" => Some(Self::ProfileScraper),
            "apify~instagram-scraper" | "shu8hvrXbJbY3Eb9W" => Some(Self::PostScraper),
            _ => None,
        }
    }

    const fn id(self) -> &'static str {
        match self {
            Self::ProfileScraper => "dSCLg0C3YEZ83HzYX",
            Self::PostScraper => "shu8hvrXbJbY3Eb9W",
        }
    }

    /// US dollars per dataset item.
    const fn item_usd(self) -> f64 {
        match self {
            Self::ProfileScraper => 0.002_3,
            Self::PostScraper => 0.001_5,
        }
    }
}

/// A run's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// Accepted.
    Ready,
    /// At work.
    Running,
    /// Done.
    Succeeded,
    /// The actor failed.
    Failed,
    /// Ran out of its own time.
    TimedOut,
    /// Being stopped.
    Aborting,
    /// Stopped.
    Aborted,
}

impl Status {
    /// Nothing changes any more.
    pub(crate) const fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::TimedOut | Self::Aborted)
    }

    /// The name in JSON.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "READY",
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::TimedOut => "TIMED-OUT",
            Self::Aborting => "ABORTING",
            Self::Aborted => "ABORTED",
        }
    }

    const fn message(self) -> &'static str {
        match self {
            Self::Ready | Self::Running => "Actor is running",
            Self::Succeeded => "Finished! Total results are in the default dataset.",
            Self::Failed => "The Actor process failed with exit code 1.",
            Self::TimedOut => "The Actor run has exceeded its timeout.",
            Self::Aborting => "Actor run is being aborted",
            Self::Aborted => "Actor run was aborted",
        }
    }
}

/// What is to be run.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    /// Which actor.
    pub(crate) actor: Actor,
    /// Accounts to scrape.
    pub(crate) usernames: Vec<String>,
    /// Posts wanted of each account, for the post scraper.
    pub(crate) limit: usize,
    /// The request body.
    pub(crate) body: String,
    /// Until the actor works.
    pub(crate) starts_after: Duration,
    /// When each account's items are in the dataset, counted from the start of the run.
    pub(crate) due: Vec<Duration>,
    /// The run's own time limit.
    pub(crate) timeout: Option<Duration>,
    /// Memory asked for, in MB.
    pub(crate) memory_mb: u64,
    /// How the run is to go wrong, if it is.
    pub(crate) fault: Option<FaultKind>,
}

/// One run.
#[derive(Debug)]
pub(crate) struct Run {
    /// Its id.
    pub(crate) id: String,
    /// Its default dataset's id.
    pub(crate) dataset_id: String,
    /// What was ordered.
    pub(crate) order: Order,
    started_at: Timestamp,
    started: Instant,
    ends_after: Duration,
    end: Status,
    aborted: Mutex<Option<Instant>>,
    released: Mutex<Option<Instant>>,
    changed: Notify,
}

impl Run {
    fn new(order: Order) -> Self {
        let natural = order.due.iter().copied().max().unwrap_or(order.starts_after);
        let (mut ends_after, mut end) = match order.fault {
            Some(FaultKind::RunFailed) => (order.starts_after, Status::Failed),
            Some(FaultKind::RunAborted) => (order.starts_after, Status::Aborted),
            Some(FaultKind::RunTimedOut) => (order.starts_after, Status::TimedOut),
            _ => (natural, Status::Succeeded),
        };
        if let Some(timeout) = order.timeout.filter(|timeout| *timeout < ends_after) {
            (ends_after, end) = (timeout, Status::TimedOut);
        }
        Self {
            id: object_id(),
            dataset_id: object_id(),
            order,
            started_at: Timestamp::now(),
            started: Instant::now(),
            ends_after,
            end,
            aborted: Mutex::new(None),
            released: Mutex::new(None),
            changed: Notify::new(),
        }
    }

    /// When it ends if nobody aborts it, counted from its start, and how.
    fn course(&self) -> (Duration, Status) {
        match *self.released.lock() {
            Some(at) => (at.duration_since(self.started), Status::Succeeded),
            None => (self.ends_after, self.end),
        }
    }

    /// The status now.
    pub(crate) fn status(&self) -> Status {
        let elapsed = self.started.elapsed();
        let (ends_after, end) = self.course();
        match *self.aborted.lock() {
            Some(at) if at.elapsed() < ABORTING => Status::Aborting,
            Some(_) => Status::Aborted,
            None if elapsed >= ends_after => end,
            None if elapsed < self.order.starts_after / 3 => Status::Ready,
            None => Status::Running,
        }
    }

    /// The accounts whose items are in the dataset by now.
    pub(crate) fn finished_usernames(&self) -> impl Iterator<Item = &str> {
        let (ends_after, end) = self.course();
        let worked = match *self.aborted.lock() {
            Some(at) => at.duration_since(self.started),
            None => self.started.elapsed().min(ends_after),
        };
        let is_released = self.released.lock().is_some();
        let is_whole = end == Status::Succeeded || self.order.timeout == Some(ends_after);
        self.order
            .usernames
            .iter()
            .zip(&self.order.due)
            .filter(move |(_, due)| is_released || is_whole && **due <= worked)
            .map(|(username, _)| username.as_str())
    }

    /// Waits until the run is terminal, or for `patience`.
    pub(crate) async fn settled(&self, patience: Duration) -> Status {
        let deadline = Instant::now() + patience;
        loop {
            // Registered before the status is read, so that an abort in between is not missed.
            let changed = self.changed.notified();
            let status = self.status();
            if status.is_terminal() || Instant::now() >= deadline {
                return status;
            }
            let end = match *self.aborted.lock() {
                Some(at) => at + ABORTING,
                None => self.started + self.course().0,
            };
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep_until(end.min(deadline)) => {}
            }
        }
    }

    /// The run as the API shows it; `items` is what its dataset holds.
    pub(crate) fn to_json(&self, items: usize) -> Value {
        let status = self.status();
        let worked = match *self.aborted.lock() {
            Some(at) => at.duration_since(self.started) + ABORTING,
            None => self.started.elapsed().min(self.course().0),
        };
        let finished_at = status.is_terminal().then(|| {
            Timestamp::from_millisecond(self.started_at.as_millisecond() + worked.as_millis() as i64).ok()
        });
        let exit_code = match status {
            Status::Succeeded => json!(0),
            Status::Failed => json!(1),
            _ => Value::Null,
        };
        let compute_units = self.order.memory_mb as f64 / 1_024.0 * worked.as_secs_f64() / 3_600.0;
        let usage_usd = ((0.000_5 + items as f64 * self.order.actor.item_usd()) * 1e6).round() / 1e6;
        json!({
            "id": self.id, "actId": self.order.actor.id(), "userId": "hGnyJVjWtgcUPOqjB",
            "startedAt": self.started_at, "finishedAt": finished_at.flatten(),
            "status": status.as_str(), "statusMessage": status.message(),
            "isStatusMessageTerminal": status.is_terminal(), "exitCode": exit_code,
            "meta": { "origin": "API" },
            "defaultDatasetId": self.dataset_id,
            "buildNumber": "0.0.1",
            "options": {
                "build": "latest", "memoryMbytes": self.order.memory_mb,
                "timeoutSecs": self.order.timeout.map_or(0, |timeout| timeout.as_secs()),
            },
            "stats": {
                "inputBodyLen": self.order.body.len(), "restartCount": 0, "runTimeSecs": worked.as_secs_f64(),
                "durationMillis": worked.as_millis() as u64, "computeUnits": compute_units,
            },
            "chargedEventCounts": { "apify-actor-start": 1, "apify-default-dataset-item": items },
            "usageTotalUsd": usage_usd,
        })
    }
}

/// An id as Apify makes them: 17 letters and digits.
fn object_id() -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHJKLMNPQRSTWXYZabcdefghijkmnopqrstuvwxyz23456789";
    let mut rng = rand::rng();
    (0..17).map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())])).collect()
}

/// All runs.
#[derive(Debug, Default)]
pub(crate) struct Runs(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    by_id: HashMap<String, Arc<Run>>,
    by_dataset: HashMap<String, Arc<Run>>,
    started: u64,
    max_in_flight: usize,
    aborted: u64,
}

impl Inner {
    fn in_flight(&self) -> usize {
        self.by_id.values().filter(|run| !run.status().is_terminal()).count()
    }

    fn forget_oldest(&mut self) {
        let oldest =
            self.by_id.values().filter(|run| run.status().is_terminal()).min_by_key(|run| run.started);
        if let Some(run) = oldest.cloned() {
            self.by_id.remove(&run.id);
            self.by_dataset.remove(&run.dataset_id);
        }
    }
}

impl Runs {
    /// Starts a run; `None` when `max_in_flight` are under way.
    pub(crate) fn start(&self, order: Order, max_in_flight: usize) -> Option<Arc<Run>> {
        let mut inner = self.0.lock();
        let in_flight = inner.in_flight();
        if in_flight >= max_in_flight {
            return None;
        }
        if inner.by_id.len() >= KEPT {
            inner.forget_oldest();
        }
        let run = Arc::new(Run::new(order));
        inner.by_id.insert(run.id.clone(), Arc::clone(&run));
        inner.by_dataset.insert(run.dataset_id.clone(), Arc::clone(&run));
        inner.started += 1;
        inner.max_in_flight = inner.max_in_flight.max(in_flight + 1);
        Some(run)
    }

    /// The run of an id.
    pub(crate) fn find(&self, id: &str) -> Option<Arc<Run>> {
        self.0.lock().by_id.get(id).cloned()
    }

    /// The run that fills a dataset.
    pub(crate) fn find_by_dataset(&self, dataset_id: &str) -> Option<Arc<Run>> {
        self.0.lock().by_dataset.get(dataset_id).cloned()
    }

    /// Stops a run; one that is terminal stays as it is.
    pub(crate) fn abort(&self, run: &Run) {
        let mut inner = self.0.lock();
        if !run.status().is_terminal() && run.aborted.lock().is_none() {
            *run.aborted.lock() = Some(Instant::now());
            inner.aborted += 1;
            run.changed.notify_waiters();
        }
    }

    /// Lets the runs under way with a text in their input succeed now.
    pub(crate) fn release(&self, text: &str) -> usize {
        let inner = self.0.lock();
        let under_way = inner.by_id.values().filter(|run| !run.status().is_terminal());
        let released = under_way.filter(|run| run.aborted.lock().is_none() && run.order.body.contains(text));
        released
            .map(|run| {
                *run.released.lock() = Some(Instant::now());
                run.changed.notify_waiters();
            })
            .count()
    }

    /// The numbers for the counters.
    pub(crate) fn summary(&self) -> Value {
        let inner = self.0.lock();
        json!({
            "actorRuns": inner.started, "runsInFlight": inner.in_flight(),
            "maxRunsInFlight": inner.max_in_flight, "aborted": inner.aborted,
        })
    }

    /// How many runs that are remembered have a text in their input.
    pub(crate) fn containing(&self, text: &str) -> usize {
        self.0.lock().by_id.values().filter(|run| run.order.body.contains(text)).count()
    }

    /// How many of these were aborted.
    pub(crate) fn aborted_containing(&self, text: &str) -> usize {
        let inner = self.0.lock();
        let aborted = inner.by_id.values().filter(|run| run.aborted.lock().is_some());
        aborted.filter(|run| run.order.body.contains(text)).count()
    }

    /// Counts from zero. Runs under way go on.
    pub(crate) fn reset_counters(&self) {
        let mut inner = self.0.lock();
        // What is over is forgotten, so that counting by content starts from zero too.
        inner.by_id.retain(|_, run| !run.status().is_terminal());
        inner.by_dataset.retain(|_, run| !run.status().is_terminal());
        (inner.started, inner.aborted, inner.max_in_flight) = (0, 0, inner.in_flight());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn order(due_ms: &[u64]) -> Order {
        Order {
            actor: Actor::ProfileScraper,
            usernames: due_ms.iter().map(|ms| format!("user{ms}")).collect(),
            limit: 12,
            body: String::new(),
            starts_after: Duration::from_millis(300),
            due: due_ms.iter().map(|ms| Duration::from_millis(*ms)).collect(),
            timeout: None,
            memory_mb: 1_024,
            fault: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_goes_from_ready_to_succeeded() {
        let runs = Runs::default();
        let run = runs.start(order(&[400, 500]), 1).unwrap();
        assert_eq!(run.status(), Status::Ready);
        assert_eq!(run.settled(Duration::from_millis(450)).await, Status::Running);
        assert_eq!(run.finished_usernames().collect::<Vec<_>>(), ["user400"]);
        assert!(runs.start(order(&[1]), 1).is_none());
        assert_eq!(run.settled(Duration::from_secs(60)).await, Status::Succeeded);
        assert_eq!(run.started.elapsed(), Duration::from_millis(500));
        assert_eq!(run.finished_usernames().count(), 2);
        assert_eq!(run.to_json(2)["usageTotalUsd"], 0.0051);
        assert_eq!(runs.summary()["maxRunsInFlight"], 1);
        assert_eq!(runs.summary()["runsInFlight"], 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_is_over_stays_as_it_is() {
        let runs = Runs::default();
        let run = runs.start(order(&[400]), 1).unwrap();
        assert_eq!(run.settled(Duration::from_secs(1)).await, Status::Succeeded);
        runs.abort(&run);
        assert_eq!(run.status(), Status::Succeeded);
        assert_eq!(runs.summary()["aborted"], 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_release_wakes_whoever_waits_with_everything_there() {
        let runs = Arc::new(Runs::default());
        let mut slow = order(&[3_600_000]);
        slow.body = "slow".to_owned();
        slow.timeout = Some(Duration::from_secs(120));
        let run = runs.start(slow, 1).unwrap();
        assert_eq!(runs.release("fast"), 0);
        let (waited, ()) = tokio::join!(run.settled(Duration::from_secs(60)), async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert_eq!(runs.release("slow"), 1);
        });
        assert_eq!(waited, Status::Succeeded);
        assert_eq!(run.started.elapsed(), Duration::from_secs(1));
        assert_eq!(run.finished_usernames().count(), 1);
        assert_eq!(runs.release("slow"), 0, "it has ended");
    }

    #[tokio::test(start_paused = true)]
    async fn an_abort_wakes_whoever_waits() {
        let runs = Arc::new(Runs::default());
        let run = runs.start(order(&[3_600_000]), 1).unwrap();
        let (waited, ()) = tokio::join!(run.settled(Duration::from_secs(60)), async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            runs.abort(&run);
            assert_eq!(run.status(), Status::Aborting);
            runs.abort(&run);
        });
        assert_eq!(waited, Status::Aborted);
        assert_eq!(run.started.elapsed(), Duration::from_secs(1) + ABORTING);
        assert_eq!(runs.summary()["aborted"], 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_out_of_time_keeps_what_it_has() {
        let runs = Runs::default();
        let timeout = Some(Duration::from_secs(1));
        let run = runs.start(Order { timeout, ..order(&[400, 5_000]) }, 1).unwrap();
        assert_eq!(run.settled(Duration::from_secs(60)).await, Status::TimedOut);
        assert_eq!(run.finished_usernames().collect::<Vec<_>>(), ["user400"]);
    }

    #[tokio::test(start_paused = true)]
    async fn faults_decide_how_a_run_ends() {
        for (fault, end) in [
            (FaultKind::RunFailed, Status::Failed),
            (FaultKind::RunAborted, Status::Aborted),
            (FaultKind::RunTimedOut, Status::TimedOut),
        ] {
            let run = Runs::default().start(Order { fault: Some(fault), ..order(&[400]) }, 1).unwrap();
            assert_eq!(run.settled(Duration::from_secs(60)).await, end);
            assert_eq!(run.finished_usernames().count(), 0);
            assert_eq!(run.to_json(0)["status"], end.as_str());
        }
    }
}
