//! `scrape-profiles`: one actor run for one to ten usernames, for their profiles or for their posts, into the cache.

use crate::{
    check::{not_found, private},
    cost,
    flights::{Charge, Ended, ScrapeFlights, Seat},
    slots::{Asker, Lease, RunKind, ScrapeSlots},
    want::{Entry, Found, Judge, Want, cached, found, store},
};
use jiff::Timestamp;
use oslira_apify::{ActorRun, ActorStatus, Apify, ProfileOutcome};
use oslira_domain::{AccountId, Code, Error, Result, RunId, Step, Tier, Username};
use oslira_lambda::{CachedSecret, Invocation, note_account, note_run};
use oslira_postgres::SystemDb;
use oslira_stores::{Breakers, CachedProfile, Permit, ProfileStore, ProgressStore, Upstream};
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, time::Duration};
use tokio::time::{Instant, sleep, sleep_until};

/// How long an actor may run: a restricted profile takes it most of a minute.
const ACTOR_TIMEOUT: Duration = Duration::from_secs(120);
/// What is kept back of the invocation's time for writing down what was scraped, with stores that answer slowly.
const RESERVE: Duration = Duration::from_secs(30);
/// The longest that Apify lets one request wait.
const LONG_POLL: Duration = Duration::from_secs(60);
/// How long after a question whether an actor has ended the next one comes, also when Apify answers at once.
const POLL_PAUSE: Duration = Duration::from_secs(1);
/// How long a run that waits for another one's scrape looks out for it before it hands the waiting over to the state
/// machine.
const LOOK_OUT: Duration = Duration::from_secs(1);

/// What the state machine passes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScrapeRequest {
    /// The run that pays for it.
    pub(crate) run_id: RunId,
    /// None for a visitor's run.
    #[serde(default)]
    pub(crate) account_id: Option<AccountId>,
    tier: Tier,
    /// One to ten.
    pub(crate) usernames: Vec<Username>,
    #[serde(default)]
    run_kind: RunKind,
    #[serde(default)]
    pub(crate) want: Want,
}

/// What it passes on.
#[derive(Debug, Serialize)]
pub struct Scraped {
    /// Where each profile that was found is, or its posts.
    found: HashMap<Username, Key>,
}

/// The key of a snapshot, under the name that the next steps know it by.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
enum Key {
    SnapshotKey(String),
    PostsKey(String),
}

/// What a scrape works with.
#[derive(Debug)]
pub struct ScrapeTools {
    /// The HTTP client.
    pub http: reqwest::Client,
    /// Apify's address.
    pub apify_url: String,
    /// Apify's token.
    pub apify_token: CachedSecret,
    /// Who scrapes, and who waits for that.
    pub flights: ScrapeFlights,
    /// The ten slots.
    pub slots: ScrapeSlots,
    /// Whether Apify is to be called at all.
    pub breakers: Breakers,
    /// The cache.
    pub profiles: ProfileStore,
    /// The progress bar.
    pub progress: ProgressStore,
    /// For what it cost.
    pub db: SystemDb,
}

/// Scrapes and stores, or waits for another run that does. A single username that has no public profile is the run's
/// business error; in a group, it is remembered in the cache, where its own run finds it.
///
/// # Errors
/// `ScrapeUnderWay` while another run scrapes it.
pub async fn scrape_profiles(tools: &ScrapeTools, invocation: Invocation<ScrapeRequest>) -> Result<Scraped> {
    let Invocation { input, deadline } = invocation;
    note_run(input.run_id);
    if let Some(account_id) = input.account_id {
        note_account(account_id);
    }
    if !(1..=10).contains(&input.usernames.len()) {
        return Err(Error::new(Code::ValidationFailed, "An actor run takes one to ten usernames."));
    }
    let begun = tools.progress.begin(input.run_id, input.account_id, Step::Scraping).await;
    let scrape = Scrape {
        tools,
        apify: Apify::new(tools.http.clone(), &tools.apify_url, &*tools.apify_token.get().await?),
        seat: tools.flights.seat(input.want.wanted(&input.usernames, input.run_id), input.run_id),
        input: &input,
        deadline: deadline - RESERVE,
    };
    let run_began = match begun {
        Err(error) if is_over(&error) => {
            // If this fails the step must come back, or an actor goes on for nobody.
            scrape.leave().await?;
            return Err(error);
        }
        begun => begun?.created_at,
    };
    let entries = match scrape.seat.board().await? {
        Some(charge) => scrape.in_charge(run_began, charge).await?,
        None => scrape.look_out(run_began).await?,
    };
    answer(&input, entries)
}

/// The run was cancelled or settled: nothing may be spent on it any more.
const fn is_over(error: &Error) -> bool {
    matches!(error.code, Code::RunCancelled | Code::RunSettled)
}

fn under_way() -> Error {
    Error::new(Code::ScrapeUnderWay, "Another analysis was reading this profile.")
}

fn out_of_order() -> Error {
    // Retried for longer than the circuit breaker stays open.
    Error::new(Code::ApifyBusy, "Instagram could not be read for some time.")
}

/// Apify says of an actor that has ended that it has not: some of its servers know later than others.
fn behind() -> Error {
    Error::new(Code::ApifyUnavailable, "Instagram could not be read at the moment.")
}

fn answer(input: &ScrapeRequest, entries: Vec<(Username, Entry)>) -> Result<Scraped> {
    let is_single = input.usernames.len() == 1;
    let mut found = HashMap::new();
    for (username, entry) in entries {
        let key = match entry {
            Entry::Profile(CachedProfile::Found { snapshot_key, .. }) => Key::SnapshotKey(snapshot_key),
            Entry::Posts(posts) => Key::PostsKey(posts.posts_key),
            Entry::Profile(CachedProfile::NotFound { .. }) if is_single => return Err(not_found()),
            Entry::Profile(CachedProfile::Private { .. }) if is_single => return Err(private()),
            Entry::Profile(CachedProfile::NotFound { .. } | CachedProfile::Private { .. }) => continue,
        };
        found.insert(username, key);
    }
    Ok(Scraped { found })
}

/// What one invocation works with.
struct Scrape<'a> {
    tools: &'a ScrapeTools,
    apify: Apify,
    seat: Seat<'a>,
    input: &'a ScrapeRequest,
    /// When to stop waiting for others.
    deadline: Instant,
}

impl Scrape<'_> {
    /// What is in the cache of all usernames, and serves a run that began then.
    async fn cached(&self, run_began: Timestamp) -> Result<Option<Vec<(Username, Entry)>>> {
        let ScrapeRequest { want, usernames, tier, .. } = self.input;
        let entries = cached(&self.tools.profiles, *want, usernames).await?;
        let is_whole = entries.len() == usernames.len()
            && entries.iter().all(|(_, entry)| entry.serves(*tier, run_began));
        Ok(is_whole.then_some(entries))
    }

    /// Looks whether the run in charge has stored what it scrapes.
    async fn look_out(&self, run_began: Timestamp) -> Result<Vec<(Username, Entry)>> {
        if let Some(entries) = self.cached(run_began).await? {
            return Ok(entries);
        }
        sleep(LOOK_OUT).await;
        self.cached(run_began).await?.ok_or_else(under_way)
    }

    /// Gets what is wanted into the cache, for all who wait for it.
    async fn in_charge(&self, run_began: Timestamp, charge: Charge) -> Result<Vec<(Username, Entry)>> {
        let outcome = tokio::select! {
            outcome = self.fetch(run_began, charge) => outcome,
            () = self.seat.stay_in_charge() => {
                self.seat.wait().await?;
                return Err(under_way());
            }
        };
        let told = match &outcome {
            Ok(_) => self.seat.end().await,
            Err(error) => self.pass_on(error).await,
        };
        if let Err(failure) = told {
            tracing::warn!(cause = failure.chain(), "{failure}; who waits goes on in a quarter of a minute");
        }
        outcome
    }

    /// Lets those who wait share the failure, or go on where this run could not.
    async fn pass_on(&self, error: &Error) -> Result<()> {
        if self.is_for_all(error).await && self.seat.fail(error).await? {
            return Ok(());
        }
        self.seat.hand_over(error.code.is_retried()).await
    }

    /// Whether those who wait share this failure. Otherwise it is this run's own misfortune, and another may be luckier or
    /// have slots of its own; and an actor that is still in its slot is still wanted.
    async fn is_for_all(&self, error: &Error) -> bool {
        matches!(error.code, Code::ApifyUnavailable | Code::ApifyRejected)
            && matches!(self.left_over().await, Ok(None))
    }

    /// What was stored since the run began is used as it is: by an earlier try of this very step, whose own answer was lost,
    /// or by another run that wanted the same. What is not there is scraped.
    async fn fetch(&self, run_began: Timestamp, charge: Charge) -> Result<Vec<(Username, Entry)>> {
        if let Some(entries) = self.cached(run_began).await? {
            if let Err(failure) = self.settle_ended(charge).await {
                tracing::warn!(
                    cause = failure.chain(),
                    "a slot, or a cost, is left over; the lease will expire"
                );
            }
            return Ok(entries);
        }
        let (run, found) = self.scrape(charge).await?;
        let Self { tools, input, .. } = self;
        let judge = Judge {
            profiles: &tools.profiles,
            progress: &tools.progress,
            run_id: input.run_id,
            tier: input.tier,
            run_began,
            deadline: self.deadline,
        };
        let entries = store(&judge, &run, found).await?;
        if entries.is_empty() {
            self.forget().await;
            return Err(Error::new(Code::ApifyUnavailable, "Instagram did not let the scraper in."));
        }
        Ok(entries)
    }

    /// What an actor found: the one that the flight notes as ended, the one that is in a slot, or a new one. A profile that
    /// has posts but came without any is asked for once more; the second answer stands.
    async fn scrape(&self, charge: Charge) -> Result<(ActorRun, Vec<(Username, Found)>)> {
        let lacks_posts = |(_, found): &(Username, Found)| match found {
            Found::Profile(ProfileOutcome::Found(profile)) => {
                profile.posts_count > 0 && profile.posts.is_empty()
            }
            _ => false,
        };
        let first = match charge.ended {
            None => Some(self.see_to_its_end(self.lease().await?, false).await?),
            Some(ended) if ended.lacks_posts => None,
            Some(ended) => {
                self.release_slot_of(&ended).await?;
                let run = self.ask(&ended).await?;
                Some((ended, run))
            }
        };
        if let Some((ended, run)) = first {
            let found = self.read(&ended, &run).await?;
            if ended.is_second || !found.iter().any(lacks_posts) {
                return Ok((run, found));
            }
            // Or every try that gets no slot for the second would read the first again, and at last start it again.
            self.note(&Ended { lacks_posts: true, ..ended }, &run).await?;
        }
        let (ended, run) = self.see_to_its_end(self.lease().await?, true).await?;
        let found = self.read(&ended, &run).await?;
        Ok((run, found))
    }

    async fn lease(&self) -> Result<Lease> {
        let Self { tools, input, .. } = self;
        let asker = Asker {
            holder: self.seat.wanted(),
            run_id: input.run_id,
            account_id: input.account_id,
            run_kind: input.run_kind,
            want: input.want,
        };
        tools.slots.lease(asker, ACTOR_TIMEOUT).await
    }

    /// Gives the slot of an actor back that is noted as ended, if that was not done any more.
    async fn release_slot_of(&self, ended: &Ended) -> Result<()> {
        match self.left_over().await? {
            Some((lease, id)) if id == ended.actor_run_id => self.tools.slots.release(&lease).await,
            _ => Ok(()),
        }
    }

    /// Runs the actor to its end: the one that the lease names, or a new one. After an error it may still be at work: then a
    /// retry finds it by the lease, or the lease expires.
    async fn see_to_its_end(&self, mut lease: Lease, is_second: bool) -> Result<(Ended, ActorRun)> {
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

    /// Gives the slot of an actor back that has ended. First of all the flight notes the actor: who comes after us finds it
    /// there. So the slot is free whatever becomes of what the actor found.
    async fn give_back(
        &self,
        lease: &Lease,
        actor_run_id: String,
        run: &ActorRun,
        is_second: bool,
    ) -> Result<Ended> {
        let ended = Ended { actor_run_id, payer: lease.payer, is_second, lacks_posts: false };
        self.note(&ended, run).await?;
        self.tools.slots.release(lease).await?;
        Ok(ended)
    }

    /// Notes an actor that has ended. When another run is in charge meanwhile, this one waits like others.
    async fn note(&self, ended: &Ended, run: &ActorRun) -> Result<()> {
        if self.seat.note(ended, run.ended_at(Timestamp::now())).await? {
            return Ok(());
        }
        self.seat.wait().await?;
        Err(under_way())
    }

    /// The actor run that has ended, from Apify.
    async fn ask(&self, ended: &Ended) -> Result<ActorRun> {
        match self.apify.wait_for_run(&ended.actor_run_id, Duration::ZERO).await {
            Ok(run) if run.status.is_terminal() => Ok(run),
            Ok(_) => Err(behind()),
            Err(error) => Err(self.not_read(error).await),
        }
    }

    /// What an actor run found. It is paid for: after a failure that passes, the next try reads it.
    async fn read(&self, ended: &Ended, run: &ActorRun) -> Result<Vec<(Username, Found)>> {
        let Self { apify, input, .. } = self;
        self.record(run, ended.payer).await?;
        match found(apify, run, input.want, &input.usernames).await {
            Ok(found) => Ok(found),
            Err(error) => Err(self.not_read(error).await),
        }
    }

    /// Tells the circuit breaker, and forgets an actor of which no more will be known.
    async fn not_read(&self, error: Error) -> Error {
        self.report(Permit::unasked(), Some(&error)).await;
        if oslira_apify::is_lost(&error) {
            self.forget().await;
        }
        error
    }

    async fn forget(&self) {
        if let Err(failure) = self.seat.forget().await {
            tracing::warn!(
                cause = failure.chain(),
                "an actor is not forgotten; the next try reads it in vain"
            );
        }
    }

    /// Starts an actor in a slot, unless the run was cancelled while it waited for that.
    async fn start(&self, lease: &mut Lease) -> Result<String> {
        let Self { tools, apify, input, .. } = self;
        if let Err(error) = tools.progress.may_spend(input.run_id).await {
            return Err(self.release_after(lease, error).await);
        }
        let Some(permit) = tools.breakers.admit(Upstream::Apify).await else {
            return Err(self.release_after(lease, out_of_order()).await);
        };
        let started = input.want.start(apify, &input.usernames, ACTOR_TIMEOUT).await;
        if let Ok(run) = &started {
            // First of all: what is not noted is lost, and paid for all the same.
            tools.slots.note_actor_run(lease, &run.id).await?;
        }
        self.report(permit, started.as_ref().err()).await;
        match started {
            Ok(run) => Ok(run.id),
            Err(error) if oslira_apify::may_have_started(&error) => Err(error),
            Err(error) => Err(self.release_after(lease, error).await),
        }
    }

    /// Waits until the actor run ends. When the run in charge is cancelled or settled meanwhile, it leaves the actor to
    /// those who wait for it too. If there are none, the actor is aborted, and the error that says why comes with it.
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
                error = self.tools.progress.stopped(self.input.run_id), if stopped.is_none() => {
                    if self.seat.leave().await?.is_none() {
                        return Err(error);
                    }
                    self.apify.abort_run(actor_run_id).await?;
                    stopped = Some(error);
                }
            }
        }
    }

    /// The actor run when it has ended, or as it is after a minute or what is left of the time.
    async fn poll(&self, actor_run_id: &str, left: Duration) -> Result<ActorRun> {
        let next = Instant::now() + POLL_PAUSE;
        let run = self.apify.wait_for_run(actor_run_id, left.min(LONG_POLL)).await?;
        if !run.status.is_terminal() {
            sleep_until(next).await;
        }
        Ok(run)
    }

    /// Leaves the flight for good. The last to leave aborts the actor that is still at work: nobody waits for it any more.
    async fn leave(&self) -> Result<()> {
        let Some(charge) = self.seat.leave().await? else { return Ok(()) };
        tokio::select! {
            stopped = self.stop(charge) => stopped?,
            () = self.seat.stay_in_charge() => return Ok(()),
        }
        self.seat.end().await
    }

    /// Sees to it that no actor is at work any more, and that what it cost is on record.
    async fn stop(&self, charge: Charge) -> Result<()> {
        let Some((lease, actor_run_id)) = self.left_over().await? else {
            return self.record_ended(charge).await;
        };
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
        // One that would not end in time keeps its slot until the lease expires.
        if run.status.is_terminal() {
            let is_second = charge.ended.is_some_and(|ended| ended.actor_run_id != actor_run_id);
            self.give_back(&lease, actor_run_id, &run, is_second).await?;
        }
        self.record(&run, lease.payer).await
    }

    /// What an earlier try could not do any more for an actor that has ended: its cost, its slot.
    async fn settle_ended(&self, charge: Charge) -> Result<()> {
        let Some((lease, actor_run_id)) = self.left_over().await? else {
            return self.record_ended(charge).await;
        };
        let run = match self.apify.wait_for_run(&actor_run_id, Duration::ZERO).await {
            Ok(run) => run,
            Err(error) => return Err(self.release_if_unknown(&lease, error).await),
        };
        if !run.status.is_terminal() {
            return Ok(());
        }
        let recorded = self.record(&run, lease.payer).await;
        self.tools.slots.release(&lease).await?;
        recorded
    }

    /// Puts what the noted actor cost on record, if Apify still knows it.
    async fn record_ended(&self, charge: Charge) -> Result<()> {
        let Some(ended) = charge.ended else { return Ok(()) };
        match self.apify.wait_for_run(&ended.actor_run_id, Duration::ZERO).await {
            Ok(run) if run.status.is_terminal() => self.record(&run, ended.payer).await,
            Ok(_) => Err(behind()),
            Err(error) if oslira_apify::is_lost(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The slot that what is wanted still holds, and the actor in it.
    async fn left_over(&self) -> Result<Option<(Lease, String)>> {
        let lease = self.tools.slots.held_by(self.seat.wanted()).await?;
        Ok(lease.and_then(|lease| lease.actor_run_id.clone().map(|id| (lease, id))))
    }

    /// Tells the circuit breaker how a call of Apify went. One that was refused for what we asked is an answer.
    async fn report(&self, permit: Permit, error: Option<&Error>) {
        match error {
            Some(error) if oslira_apify::says_nothing_of_apify(error) => {
                self.tools.breakers.undecided(Upstream::Apify, permit).await;
            }
            Some(error) if oslira_apify::speaks_against_apify(error) => {
                self.tools.breakers.failed(Upstream::Apify, permit).await;
            }
            _ => self.tools.breakers.succeeded(Upstream::Apify, permit).await,
        }
    }

    /// Frees the slot of an actor that never ran or has ended; the error goes on.
    async fn release_after(&self, lease: &Lease, error: Error) -> Error {
        if let Err(failure) = self.tools.slots.release(lease).await {
            tracing::warn!(cause = failure.chain(), "slot not released; its lease will expire");
        }
        error
    }

    /// Frees the slot of an actor that Apify does not know: whoever wants it would ask in vain. The error goes on.
    async fn release_if_unknown(&self, lease: &Lease, error: Error) -> Error {
        if oslira_apify::is_lost(&error) { self.release_after(lease, error).await } else { error }
    }

    async fn record(&self, run: &ActorRun, payer: RunId) -> Result<()> {
        cost::record(&self.tools.db, run, payer, self.input).await
    }
}
