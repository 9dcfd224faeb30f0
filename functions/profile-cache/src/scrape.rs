//! `scrape-profiles`: one actor run for one to ten usernames, for their profiles or for their posts, into the cache.

use crate::{
    check::{not_found, private},
    cost,
    flights::{ScrapeFlights, Seat},
    slots::{Asker, Lane, Lease, ScrapeSlots},
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
use tokio::time::{Instant, sleep};

/// How long an actor may run: a restricted profile takes it most of a minute.
const ACTOR_TIMEOUT: Duration = Duration::from_secs(120);
/// What is kept back of the invocation's time for writing down what was scraped, with stores that answer slowly.
const RESERVE: Duration = Duration::from_secs(30);
/// The longest that Apify lets one request wait.
const LONG_POLL: Duration = Duration::from_secs(60);
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
    lane: Lane,
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
    let entries = if scrape.seat.board().await? {
        scrape.in_charge(run_began).await?
    } else {
        scrape.look_out(run_began).await?
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
    async fn in_charge(&self, run_began: Timestamp) -> Result<Vec<(Username, Entry)>> {
        let outcome = tokio::select! {
            outcome = self.fetch(run_began) => outcome,
            () = self.seat.stay_in_charge() => {
                self.seat.wait().await?;
                return Err(under_way());
            }
        };
        let told = match &outcome {
            Ok(_) => self.seat.end().await,
            Err(error) if self.is_for_all(error).await => self.seat.fail(error).await,
            Err(error) => self.seat.hand_over(error.code.is_retried()).await,
        };
        if let Err(failure) = told {
            tracing::warn!(cause = failure.chain(), "{failure}; who waits goes on in a quarter of a minute");
        }
        outcome
    }

    /// Whether those who wait share this failure. Otherwise it is this run's own misfortune, and another may be luckier or
    /// have slots of its own; and an actor that is still in its slot is still wanted.
    async fn is_for_all(&self, error: &Error) -> bool {
        matches!(error.code, Code::ApifyUnavailable | Code::ApifyRejected)
            && matches!(self.left_over().await, Ok(None))
    }

    /// What was stored since the run began is used as it is: by an earlier try of this very step, whose own answer was lost,
    /// or by another run that wanted the same. What is not there is scraped.
    async fn fetch(&self, run_began: Timestamp) -> Result<Vec<(Username, Entry)>> {
        if let Some(entries) = self.cached(run_began).await? {
            if let Err(failure) = self.release_ended().await {
                tracing::warn!(cause = failure.chain(), "slot not released; its lease will expire");
            }
            return Ok(entries);
        }
        let Self { tools, input, .. } = self;
        let asker = Asker {
            holder: self.seat.wanted(),
            run_id: input.run_id,
            account_id: input.account_id,
            lane: input.lane,
            want: input.want,
        };
        let mut lease = tools.slots.lease(asker, ACTOR_TIMEOUT).await?;
        // After an error the actor may still be at work: then a retry finds it by the lease, or the lease expires.
        let (run, found) = self.run_actor(&mut lease).await?;
        let judge = Judge {
            profiles: &tools.profiles,
            progress: &tools.progress,
            run_id: input.run_id,
            tier: input.tier,
            run_began,
            deadline: self.deadline,
        };
        let entries = match store(&judge, &run, found).await {
            // Those who wait find the actor that has ended; without any, its slot is of no use.
            Err(error) if is_over(&error) && self.seat.leave().await? => {
                return Err(self.release_after(&lease, error).await);
            }
            entries => entries?,
        };
        // Only now: a retry without the lease would start another actor.
        tools.slots.release(&lease).await?;
        if entries.is_empty() {
            return Err(Error::new(Code::ApifyUnavailable, "Instagram did not let the scraper in."));
        }
        Ok(entries)
    }

    /// Runs the actor to its end: the one that the lease names, or a new one. A profile that has posts but came without any
    /// is asked for once more; the second answer stands.
    async fn run_actor(&self, lease: &mut Lease) -> Result<(ActorRun, Vec<(Username, Found)>)> {
        let Self { tools, apify, input, .. } = self;
        let lacks_posts = |(_, found): &(Username, Found)| match found {
            Found::Profile(ProfileOutcome::Found(profile)) => {
                profile.posts_count > 0 && profile.posts.is_empty()
            }
            _ => false,
        };
        loop {
            let actor_run_id = match &lease.actor_run_id {
                Some(id) => id.clone(),
                None => self.start(lease).await?,
            };
            let (run, stopped) = self.wait(&actor_run_id).await?;
            self.record(&run, lease.payer).await?;
            let stopped = match stopped {
                Some(stopped) if run.status != ActorStatus::Succeeded => {
                    return Err(self.release_after(lease, stopped).await);
                }
                stopped => stopped,
            };
            let found = match found(apify, &run, input.want, &input.usernames).await {
                Ok(found) => found,
                // It is paid for: the next try reads it, as long as the lease names it.
                Err(error) if run.status == ActorStatus::Succeeded => {
                    self.report(Permit::unasked(), Some(&error)).await;
                    return Err(error);
                }
                Err(error) => return Err(self.release_after(lease, error).await),
            };
            if lease.is_second || !found.iter().any(lacks_posts) {
                return Ok((run, found));
            }
            // What has been paid for is kept; a second actor is not paid for a run that has ended.
            if let Some(stopped) = stopped {
                return Err(self.release_after(lease, stopped).await);
            }
            *lease = tools.slots.renew(lease, input.run_id, ACTOR_TIMEOUT).await?;
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
                run = self.apify.wait_for_run(actor_run_id, left.min(LONG_POLL)) => {
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
                    if !self.seat.leave().await? {
                        return Err(error);
                    }
                    self.apify.abort_run(actor_run_id).await?;
                    stopped = Some(error);
                }
            }
        }
    }

    /// Leaves the flight for good. The last to leave aborts the actor that is still at work: nobody waits for it any more.
    async fn leave(&self) -> Result<()> {
        if !self.seat.leave().await? {
            return Ok(());
        }
        tokio::select! {
            aborted = self.abort_left_over() => aborted?,
            () = self.seat.stay_in_charge() => return Ok(()),
        }
        self.seat.end().await
    }

    async fn abort_left_over(&self) -> Result<()> {
        let Self { tools, apify, .. } = self;
        let Some((lease, actor_run_id)) = self.left_over().await? else { return Ok(()) };
        apify.abort_run(&actor_run_id).await?;
        let run = loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            let run = apify.wait_for_run(&actor_run_id, left.min(LONG_POLL)).await?;
            if run.status.is_terminal() || left < Duration::from_secs(1) {
                break run;
            }
        };
        self.record(&run, lease.payer).await?;
        // One that would not end in time keeps its slot until the lease expires.
        if run.status.is_terminal() { tools.slots.release(&lease).await } else { Ok(()) }
    }

    /// Frees the slot of an actor that has ended, which an earlier try could not free any more.
    async fn release_ended(&self) -> Result<()> {
        let Some((lease, actor_run_id)) = self.left_over().await? else { return Ok(()) };
        let run = self.apify.wait_for_run(&actor_run_id, Duration::ZERO).await?;
        if !run.status.is_terminal() {
            return Ok(());
        }
        self.record(&run, lease.payer).await?;
        self.tools.slots.release(&lease).await
    }

    /// The slot that what is wanted still holds, and the actor in it.
    async fn left_over(&self) -> Result<Option<(Lease, String)>> {
        let lease = self.tools.slots.held_by(self.seat.wanted()).await?;
        Ok(lease.and_then(|lease| lease.actor_run_id.clone().map(|id| (lease, id))))
    }

    /// Tells the circuit breaker how a call of Apify went. One that was refused for what we asked is an answer.
    async fn report(&self, permit: Permit, error: Option<&Error>) {
        match error {
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

    async fn record(&self, run: &ActorRun, payer: RunId) -> Result<()> {
        cost::record(&self.tools.db, run, payer, self.input).await
    }
}
