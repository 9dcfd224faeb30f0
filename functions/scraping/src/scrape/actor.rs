//! The actor of a flight: it takes a slot, starts there, is waited for or aborted, and then its slot is given
//! back.

use super::{request::ScrapeRequest, tools::ScrapeTools};
use crate::{
    flights::{EndedActor, Flight, under_way},
    slots::{Lease, SlotRequest},
};
use jiff::Timestamp;
use oslira_apify::{ActorRun, ActorStatus, Apify};
use oslira_domain::{Code, Error, Result};
use oslira_stores::{Permit, Upstream};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// How long an actor may run. A restricted profile takes it almost a minute.
const ACTOR_TIMEOUT: Duration = Duration::from_secs(120);
/// The longest wait that Apify allows in one request.
const LONG_POLL: Duration = Duration::from_secs(60);
/// The shortest time between two questions whether an actor has ended, even when Apify answers at once.
const POLL_PAUSE: Duration = Duration::from_secs(1);

/// The actors of a flight, as one invocation works with them.
pub(super) struct Actors<'a> {
    pub(super) tools: &'a ScrapeTools,
    pub(super) apify: Apify,
    pub(super) flight: Flight<'a>,
    pub(super) request: &'a ScrapeRequest,
    /// When to stop waiting for an actor.
    pub(super) deadline: Instant,
}

impl Actors<'_> {
    /// Runs an actor to its end: the actor that already holds a slot, or a new one. After an error the actor
    /// may still be at work. Then a retry finds it by its lease, or the lease expires.
    pub(super) async fn run(&self, is_second: bool) -> Result<(EndedActor, ActorRun)> {
        let mut lease = self.lease().await?;
        let actor_run_id = match &lease.actor_run_id {
            Some(id) => id.clone(),
            None => self.start(&mut lease).await?,
        };
        let (run, stopped) = match self.wait(&actor_run_id).await {
            Ok(ended) => ended,
            Err(error) => return Err(self.release_if_unknown(&lease, error).await),
        };
        let ended = self.give_back(&lease, actor_run_id, &run, is_second).await?;
        match stopped {
            // What has been paid for is kept.
            Some(stopped) if run.status != ActorStatus::Succeeded => {
                self.record(&run, ended.payer).await?;
                self.forget().await;
                Err(stopped)
            }
            _ => Ok((ended, run)),
        }
    }

    async fn lease(&self) -> Result<Lease> {
        let request = SlotRequest {
            flight: self.flight.name(),
            run_id: self.request.run_id,
            account_id: self.request.account_id,
            run_kind: self.request.run_kind,
            want: self.request.want,
        };
        self.tools.slots.lease(request, ACTOR_TIMEOUT).await
    }

    /// Starts an actor in a slot, unless the run was cancelled while it waited for the slot.
    async fn start(&self, lease: &mut Lease) -> Result<String> {
        let Self { tools, apify, request, .. } = self;
        if let Err(error) = tools.progress.may_spend(request.run_id).await {
            return Err(self.release_after(lease, error).await);
        }
        let Some(permit) = tools.breakers.admit(Upstream::Apify).await else {
            // This error is retried for longer than the circuit breaker stays open.
            let error = Error::new(Code::ApifyBusy, "Instagram could not be read for some time.");
            return Err(self.release_after(lease, error).await);
        };
        let started = request.want.start(apify, &request.usernames, ACTOR_TIMEOUT).await;
        if let Ok(run) = &started {
            // This comes first: an actor that is not noted is lost, and costs money all the same.
            tools.slots.note_actor_run(lease, &run.id).await?;
        }
        self.report(permit, started.as_ref().err()).await;
        match started {
            Ok(run) => Ok(run.id),
            Err(error) if oslira_apify::may_have_started(&error) => Err(error),
            Err(error) => Err(self.release_after(lease, error).await),
        }
    }

    /// Waits until the actor run ends. When the run in charge is cancelled or settled meanwhile, it leaves
    /// the actor to the runs that wait for it. If no run waits, the actor is aborted, and the error that says
    /// why is returned with it.
    async fn wait(&self, actor_run_id: &str) -> Result<(ActorRun, Option<Error>)> {
        let mut stopped = None;
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            if left < Duration::from_secs(1) {
                return Err(Error::new(Code::ApifyUnavailable, "The scraper took too long."));
            }
            tokio::select! {
                run = self.poll(actor_run_id, left) => {
                    let run = match run {
                        Ok(run) => run,
                        Err(error) => {
                            self.report(Permit::unasked(), Some(&error)).await;
                            return Err(error);
                        }
                    };
                    if run.status.is_terminal() {
                        return Ok((run, stopped));
                    }
                }
                error = self.tools.progress.stopped(self.request.run_id), if stopped.is_none() => {
                    if self.flight.leave().await?.is_none() {
                        return Err(error);
                    }
                    self.apify.abort_run(actor_run_id).await?;
                    stopped = Some(error);
                }
            }
        }
    }

    /// Returns the actor run when it has ended. Otherwise returns it as it is after a minute, or when the
    /// time is over.
    async fn poll(&self, actor_run_id: &str, left: Duration) -> Result<ActorRun> {
        let next = Instant::now() + POLL_PAUSE;
        let run = self.apify.wait_for_run(actor_run_id, left.min(LONG_POLL)).await?;
        if !run.status.is_terminal() {
            sleep_until(next).await;
        }
        Ok(run)
    }

    /// Aborts the actor of a lease, gives the slot back when the actor has ended, and records its cost.
    /// `ended_before` is the actor that the flight notes.
    pub(super) async fn abort(
        &self,
        lease: Lease,
        actor_run_id: String,
        ended_before: Option<EndedActor>,
    ) -> Result<()> {
        if let Err(error) = self.apify.abort_run(&actor_run_id).await {
            return Err(self.release_if_unknown(&lease, error).await);
        }
        let run = loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            let run = self.poll(&actor_run_id, left).await?;
            if run.status.is_terminal() || left < Duration::from_secs(1) {
                break run;
            }
        };
        // An actor that does not end in time keeps its slot until the lease expires.
        if run.status.is_terminal() {
            let is_second = ended_before.is_some_and(|ended| ended.actor_run_id != actor_run_id);
            self.give_back(&lease, actor_run_id, &run, is_second).await?;
        }
        self.record(&run, lease.payer).await
    }

    /// Returns the slot that the flight still holds, and the actor in it.
    pub(super) async fn in_slot(&self) -> Result<Option<(Lease, String)>> {
        let lease = self.tools.slots.held_by(self.flight.name()).await?;
        Ok(lease.and_then(|lease| lease.actor_run_id.clone().map(|id| (lease, id))))
    }

    /// Gives back the slot of an actor that has ended. Before that, the flight notes the actor, so that the
    /// next run finds it there. So the slot becomes free whatever happens to the actor's finds.
    async fn give_back(
        &self,
        lease: &Lease,
        actor_run_id: String,
        run: &ActorRun,
        is_second: bool,
    ) -> Result<EndedActor> {
        let ended = EndedActor { actor_run_id, payer: lease.payer, is_second, lacks_posts: false };
        self.note(&ended, run).await?;
        self.tools.slots.release(lease).await?;
        Ok(ended)
    }

    /// Notes an actor that has ended. When another run is in charge meanwhile, this run waits like the
    /// others.
    pub(super) async fn note(&self, ended: &EndedActor, run: &ActorRun) -> Result<()> {
        if self.flight.note(ended, run.ended_at(Timestamp::now())).await? {
            return Ok(());
        }
        self.flight.wait().await?;
        Err(under_way())
    }

    /// Frees the slot of an actor that never ran or has ended. Returns the error that it was given.
    async fn release_after(&self, lease: &Lease, error: Error) -> Error {
        if let Err(failure) = self.tools.slots.release(lease).await {
            tracing::warn!(cause = failure.chain(), "slot not released; its lease will expire");
        }
        error
    }

    /// Frees the slot of an actor that Apify does not know: another run would ask for it in vain. Returns the
    /// error that it was given.
    pub(super) async fn release_if_unknown(&self, lease: &Lease, error: Error) -> Error {
        if oslira_apify::is_lost(&error) { self.release_after(lease, error).await } else { error }
    }

    /// Reports the outcome of a call to the circuit breaker. A call that Apify refused because of our request
    /// counts as answered.
    pub(super) async fn report(&self, permit: Permit, error: Option<&Error>) {
        let breakers = &self.tools.breakers;
        match error {
            Some(error) if oslira_apify::says_nothing_of_apify(error) => {
                breakers.undecided(Upstream::Apify, permit).await;
            }
            Some(error) if oslira_apify::speaks_against_apify(error) => {
                breakers.failed(Upstream::Apify, permit).await;
            }
            _ => breakers.succeeded(Upstream::Apify, permit).await,
        }
    }
}
