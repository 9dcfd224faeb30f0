//! `scrape-profiles`: one actor run for one to ten usernames, for their profiles or for their posts, into the cache.

use crate::{
    check::{not_found, private},
    slots::{Lane, Lease, ScrapeSlots},
    want::{Entry, Found, Judge, Want, cached, found, store},
};
use oslira_apify::{ActorRun, ActorStatus, Apify, ProfileOutcome};
use oslira_domain::{AccountId, Code, Error, Result, RunId, Step, Tier, Username};
use oslira_lambda::{CachedSecret, Invocation, note_account, note_run};
use oslira_postgres::{SystemDb, Type};
use oslira_stores::{Breakers, CachedProfile, Permit, ProfileStore, ProgressStore, Upstream};
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, time::Duration};
use tokio::time::Instant;
use uuid::Uuid;

/// How long an actor may run: a restricted profile takes it most of a minute.
const ACTOR_TIMEOUT: Duration = Duration::from_secs(120);
/// What is kept back of the invocation's time for writing down what was scraped, with stores that answer slowly.
const RESERVE: Duration = Duration::from_secs(30);
/// The longest that Apify lets one request wait.
const LONG_POLL: Duration = Duration::from_secs(60);

/// What the state machines pass.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScrapeRequest {
    /// The run that pays for it.
    run_id: RunId,
    /// `None`: a visitor's run.
    #[serde(default)]
    account_id: Option<AccountId>,
    tier: Tier,
    /// One to ten.
    usernames: Vec<Username>,
    #[serde(default)]
    lane: Lane,
    #[serde(default)]
    want: Want,
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

/// Scrapes and stores. A single username that has no public profile is the run's business error; in a group, it is
/// remembered in the cache, where its own run finds it.
///
/// An answer that was stored since the run began is used as it is: by an earlier try of this very step, whose own
/// answer was lost, or by another run that wanted the same profile.
pub async fn scrape_profiles(tools: &ScrapeTools, invocation: Invocation<ScrapeRequest>) -> Result<Scraped> {
    let Invocation { input, deadline } = invocation;
    note_run(input.run_id);
    if let Some(account_id) = input.account_id {
        note_account(account_id);
    }
    if !(1..=10).contains(&input.usernames.len()) {
        return Err(Error::new(Code::ValidationFailed, "An actor run takes one to ten usernames."));
    }
    let (begun, cached) = tokio::join!(
        tools.progress.begin(input.run_id, input.account_id, Step::Scraping),
        cached(&tools.profiles, input.want, &input.usernames)
    );
    let apify = Apify::new(tools.http.clone(), &tools.apify_url, &*tools.apify_token.get().await?);
    let begun = match begun {
        Err(error) if matches!(error.code, Code::RunCancelled | Code::RunSettled) => {
            if let Err(failure) = abort_left_over(tools, &apify, &input, deadline - RESERVE).await {
                tracing::warn!(cause = failure.chain(), "{failure}; an actor may be at work for nothing");
            }
            return Err(error);
        }
        begun => begun?,
    };
    let cached = cached?;
    if cached.len() == input.usernames.len()
        && cached.iter().all(|(_, entry)| entry.scraped_at() >= begun.created_at)
    {
        return answer(&input, cached);
    }

    let mut lease = tools.slots.lease(&input.want.holder(input.run_id), input.lane, ACTOR_TIMEOUT).await?;
    // After an error the actor may still be at work: then a retry finds it by the lease, or the lease expires.
    let (run, found) = scrape(tools, &apify, &input, &mut lease, deadline - RESERVE).await?;
    let judge = Judge {
        profiles: &tools.profiles,
        tier: input.tier,
        run_began: begun.created_at,
        deadline: deadline - RESERVE,
    };
    let entries = store(&judge, &run, found).await?;
    // Only now: a retry without the lease would start another actor.
    tools.slots.release(&lease).await?;
    if entries.is_empty() {
        return Err(Error::new(Code::ApifyUnavailable, "Instagram did not let the scraper in."));
    }
    answer(&input, entries)
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

/// Runs the actor to its end: the one a former try left in the lease, or a new one. A profile that has posts but came
/// without any is asked for once more; the second answer stands.
async fn scrape(
    tools: &ScrapeTools,
    apify: &Apify,
    input: &ScrapeRequest,
    lease: &mut Lease,
    deadline: Instant,
) -> Result<(ActorRun, Vec<(Username, Found)>)> {
    let lacks_posts = |(_, found): &(Username, Found)| match found {
        Found::Profile(ProfileOutcome::Found(profile)) => profile.posts_count > 0 && profile.posts.is_empty(),
        _ => false,
    };
    loop {
        let actor_run_id = match lease.actor_run_id.take() {
            Some(id) => id,
            None => {
                let Some(permit) = tools.breakers.admit(Upstream::Apify).await else {
                    return Err(release_after(tools, lease, out_of_order()).await);
                };
                let started = input.want.start(apify, &input.usernames, ACTOR_TIMEOUT).await;
                if let Ok(run) = &started {
                    // First of all: what is not noted is lost, and paid for all the same.
                    tools.slots.note_actor_run(lease, &run.id).await?;
                }
                report(tools, permit, started.as_ref().err()).await;
                let run = match started {
                    Ok(run) => run,
                    Err(error) if oslira_apify::may_have_started(&error) => return Err(error),
                    Err(error) => return Err(release_after(tools, lease, error).await),
                };
                run.id
            }
        };
        let (run, stopped) = wait(tools, apify, input.run_id, &actor_run_id, deadline).await?;
        record(tools, input, &run).await?;
        let stopped = match stopped {
            Some(stopped) if run.status != ActorStatus::Succeeded => {
                return Err(release_after(tools, lease, stopped).await);
            }
            stopped => stopped,
        };
        let found = match found(apify, &run, input.want, &input.usernames).await {
            Ok(found) => found,
            Err(error) => return Err(release_after(tools, lease, error).await),
        };
        if lease.is_second || !found.iter().any(lacks_posts) {
            return Ok((run, found));
        }
        // What has been paid for is kept; a second actor is not paid for a run that has ended.
        if let Some(stopped) = stopped {
            return Err(release_after(tools, lease, stopped).await);
        }
        *lease = tools.slots.renew(lease, ACTOR_TIMEOUT).await?;
    }
}

/// Waits until the actor run ends. When the run that pays for it is cancelled or settled meanwhile, the actor is aborted,
/// and the error that says so comes with it.
async fn wait(
    tools: &ScrapeTools,
    apify: &Apify,
    run_id: RunId,
    actor_run_id: &str,
    deadline: Instant,
) -> Result<(ActorRun, Option<Error>)> {
    let mut stopped = None;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left < Duration::from_secs(1) {
            return Err(Error::new(Code::ApifyUnavailable, "The scraper took too long."));
        }
        tokio::select! {
            run = apify.wait_for_run(actor_run_id, left.min(LONG_POLL)) => {
                let run = match run {
                    Ok(run) => run,
                    Err(error) => {
                        report(tools, Permit::unasked(), Some(&error)).await;
                        return Err(error);
                    }
                };
                if run.status.is_terminal() {
                    return Ok((run, stopped));
                }
            }
            error = tools.progress.stopped(run_id), if stopped.is_none() => {
                apify.abort_run(actor_run_id).await?;
                stopped = Some(error);
            }
        }
    }
}

/// Aborts the actor that an earlier try of this step left at work: nobody waits for it any more.
async fn abort_left_over(
    tools: &ScrapeTools,
    apify: &Apify,
    input: &ScrapeRequest,
    deadline: Instant,
) -> Result<()> {
    let lease = tools.slots.held_by(&input.want.holder(input.run_id)).await?;
    let Some((lease, actor_run_id)) =
        lease.and_then(|mut lease| lease.actor_run_id.take().map(|id| (lease, id)))
    else {
        return Ok(());
    };
    apify.abort_run(&actor_run_id).await?;
    let run = loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let run = apify.wait_for_run(&actor_run_id, left.min(LONG_POLL)).await?;
        if run.status.is_terminal() || left.is_zero() {
            break run;
        }
    };
    record(tools, input, &run).await?;
    // One that would not end in time keeps its slot until the lease expires.
    if run.status.is_terminal() { tools.slots.release(&lease).await } else { Ok(()) }
}

/// Tells the circuit breaker how a call of Apify went. One that was refused for what we asked is an answer.
async fn report(tools: &ScrapeTools, permit: Permit, error: Option<&Error>) {
    match error {
        Some(error) if oslira_apify::speaks_against_apify(error) => {
            tools.breakers.failed(Upstream::Apify, permit).await;
        }
        _ => tools.breakers.succeeded(Upstream::Apify, permit).await,
    }
}

fn out_of_order() -> Error {
    Error::new(Code::ApifyUnavailable, "Instagram cannot be read at the moment.")
}

/// Frees the slot of an actor that never ran or has ended; the error goes on.
async fn release_after(tools: &ScrapeTools, lease: &Lease, error: Error) -> Error {
    if let Err(failure) = tools.slots.release(lease).await {
        tracing::warn!(cause = failure.chain(), "slot not released; its lease will expire");
    }
    error
}

/// Writes down what the actor run cost. Its id makes the row, so writing it twice changes nothing. A visitor's run has no
/// place in Postgres: its cost is a line in the log.
async fn record(tools: &ScrapeTools, input: &ScrapeRequest, run: &ActorRun) -> Result<()> {
    let duration_ms = match (run.started_at, run.finished_at) {
        (Some(started), Some(finished)) => {
            i64::try_from(finished.duration_since(started).as_millis()).unwrap_or(0)
        }
        _ => 0,
    };
    let sql = "insert into public.ai_usage_logs
                   (ai_usage_log_id, account_id, run_id, task, provider, model, cost_usd, duration_ms, outcome)
                 select $2, r.account_id, r.run_id, $6, 'apify', $7, $3, $4, $5
                   from public.runs r where r.run_id = $1
                 on conflict (ai_usage_log_id) do nothing";
    let id = Uuid::new_v5(&input.run_id.0, run.id.as_bytes());
    let usual_cost_usd = input.want.usual_cost_usd() * input.usernames.len() as f64;
    let (task, actor) = input.want.names();
    let cost_usd = run.usage_total_usd.unwrap_or(usual_cost_usd).max(0.0);
    if input.account_id.is_none() {
        tracing::info!(runId = %input.run_id, task, actor, costUsd = cost_usd, durationMs = duration_ms, "visitor's scrape");
        return Ok(());
    }
    tools
        .db
        .query(
            sql,
            &[
                (&input.run_id.0, Type::UUID),
                (&id, Type::UUID),
                (&cost_usd, Type::FLOAT8),
                (&duration_ms.max(0), Type::INT8),
                (&run.status.as_str(), Type::TEXT),
                (&task, Type::TEXT),
                (&actor, Type::TEXT),
            ],
        )
        .await?;
    Ok(())
}
