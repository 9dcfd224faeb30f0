//! `scrape-profiles`: one actor run for one to ten usernames, into the cache.

use crate::{
    check::{not_found, private},
    slots::{Lane, Lease, ScrapeSlots},
};
use futures::future::try_join_all;
use jiff::Timestamp;
use oslira_apify::{ActorRun, Apify, ProfileOutcome};
use oslira_domain::{AccountId, Code, Error, ProfileSource, Result, RunId, Snapshot, Step, Username};
use oslira_lambda::{CachedSecret, Invocation, note_account, note_run};
use oslira_postgres::{SystemDb, Type};
use oslira_stores::{CachedProfile, ProfileStore, ProgressStore};
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, time::Duration};
use tokio::time::Instant;
use uuid::Uuid;

/// How long an actor may run: a restricted profile takes it most of a minute.
const ACTOR_TIMEOUT: Duration = Duration::from_secs(120);
/// What is kept back of the invocation's time for writing down what was scraped, with stores that answer slowly.
const RESERVE: Duration = Duration::from_secs(30);
/// What a profile costs, in US dollars, where Apify has not counted yet: about 2.6 a thousand (third parties, 2026).
const USUAL_COST_USD: f64 = 0.0026;
/// The longest that Apify lets one request wait.
const LONG_POLL: Duration = Duration::from_secs(60);

/// What the state machine passes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScrapeRequest {
    /// The run that pays for it.
    run_id: RunId,
    account_id: AccountId,
    /// One to ten.
    usernames: Vec<Username>,
    #[serde(default)]
    lane: Lane,
}

/// What it passes on.
#[derive(Debug, Serialize)]
pub struct Scraped {
    /// Where each found profile is.
    profiles: HashMap<Username, ProfileSource>,
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
    note_account(input.account_id);
    if !(1..=10).contains(&input.usernames.len()) {
        return Err(Error::new(Code::ValidationFailed, "An actor run takes one to ten usernames."));
    }
    let (begun, cached) = tokio::join!(
        tools.progress.begin(input.run_id, input.account_id, Step::Scraping),
        cached(&tools.profiles, &input.usernames)
    );
    let (begun, cached) = (begun?, cached?);
    if cached.len() == input.usernames.len()
        && cached.iter().all(|(_, entry)| entry.scraped_at() >= begun.created_at)
    {
        return answer(&input, cached);
    }

    let apify = Apify::new(tools.http.clone(), &tools.apify_url, &*tools.apify_token.get().await?);
    let mut lease = tools.slots.lease(&input.run_id.to_string(), input.lane, ACTOR_TIMEOUT).await?;
    // After an error the actor may still be at work: then a retry finds it by the lease, or the lease expires.
    let (run, outcomes) = scrape(tools, &apify, &input, &mut lease, deadline - RESERVE).await?;
    let entries = store(&tools.profiles, &run, outcomes).await?;
    // Only now: a retry without the lease would start another actor.
    tools.slots.release(&lease).await?;
    if entries.is_empty() {
        return Err(Error::new(Code::ApifyUnavailable, "Instagram did not let the scraper in."));
    }
    answer(&input, entries)
}

async fn cached(profiles: &ProfileStore, usernames: &[Username]) -> Result<Vec<(Username, CachedProfile)>> {
    let entries = usernames.iter().map(async |username| {
        Ok::<_, Error>(profiles.cached(username).await?.map(|entry| (username.clone(), entry)))
    });
    Ok(try_join_all(entries).await?.into_iter().flatten().collect())
}

fn answer(input: &ScrapeRequest, entries: Vec<(Username, CachedProfile)>) -> Result<Scraped> {
    let is_single = input.usernames.len() == 1;
    let mut profiles = HashMap::new();
    for (username, entry) in entries {
        match entry {
            CachedProfile::Found { snapshot_key, .. } => {
                profiles.insert(username, ProfileSource { snapshot_key, cache_hit: false });
            }
            CachedProfile::NotFound { .. } if is_single => return Err(not_found()),
            CachedProfile::Private { .. } if is_single => return Err(private()),
            CachedProfile::NotFound { .. } | CachedProfile::Private { .. } => {}
        }
    }
    Ok(Scraped { profiles })
}

/// Puts what was seen into the cache. Instagram's refusal to show a profile says nothing about it, so it is not kept.
async fn store(
    profiles: &ProfileStore,
    run: &ActorRun,
    outcomes: Vec<(Username, ProfileOutcome)>,
) -> Result<Vec<(Username, CachedProfile)>> {
    let scraped_at = run.finished_at.unwrap_or_else(Timestamp::now);
    let stored = outcomes.into_iter().map(async |(username, outcome)| {
        let entry = match outcome {
            ProfileOutcome::Found(profile) => {
                let snapshot_key = profiles.store(&Snapshot { scraped_at, profile }, &run.id).await?;
                return Ok(Some((username, CachedProfile::Found { snapshot_key, scraped_at })));
            }
            ProfileOutcome::NotFound => CachedProfile::NotFound { scraped_at },
            ProfileOutcome::Private => CachedProfile::Private { scraped_at },
            ProfileOutcome::Blocked => return Ok(None),
        };
        profiles.remember(&username, &entry).await?;
        Ok::<_, Error>(Some((username, entry)))
    });
    Ok(try_join_all(stored).await?.into_iter().flatten().collect())
}

/// Runs the actor to its end: the one a former try left in the lease, or a new one. A profile that has posts but came
/// without any is asked for once more; the second answer stands.
async fn scrape(
    tools: &ScrapeTools,
    apify: &Apify,
    input: &ScrapeRequest,
    lease: &mut Lease,
    deadline: Instant,
) -> Result<(ActorRun, Vec<(Username, ProfileOutcome)>)> {
    let lacks_posts = |(_, outcome): &(Username, ProfileOutcome)| match outcome {
        ProfileOutcome::Found(profile) => profile.posts_count > 0 && profile.posts.is_empty(),
        _ => false,
    };
    loop {
        let actor_run_id = match lease.actor_run_id.take() {
            Some(id) => id,
            None => {
                let run = match apify.start_profiles_run(&input.usernames, ACTOR_TIMEOUT).await {
                    Ok(run) => run,
                    Err(error) if oslira_apify::may_have_started(&error) => return Err(error),
                    Err(error) => return Err(release_after(tools, lease, error).await),
                };
                tools.slots.note_actor_run(lease, &run.id).await?;
                run.id
            }
        };
        let run = wait(apify, &actor_run_id, deadline).await?;
        record(tools, input, &run).await?;
        let outcomes = match apify.profiles(&run, &input.usernames).await {
            Ok(outcomes) => outcomes,
            Err(error) => return Err(release_after(tools, lease, error).await),
        };
        if lease.is_second || !outcomes.iter().any(lacks_posts) {
            return Ok((run, outcomes));
        }
        *lease = tools.slots.renew(lease, ACTOR_TIMEOUT).await?;
    }
}

async fn wait(apify: &Apify, actor_run_id: &str, deadline: Instant) -> Result<ActorRun> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left < Duration::from_secs(1) {
            return Err(Error::new(Code::ApifyUnavailable, "The scraper took too long."));
        }
        let run = apify.wait_for_run(actor_run_id, left.min(LONG_POLL)).await?;
        if run.status.is_terminal() {
            return Ok(run);
        }
    }
}

/// Frees the slot of an actor that never ran or has ended; the error goes on.
async fn release_after(tools: &ScrapeTools, lease: &Lease, error: Error) -> Error {
    if let Err(failure) = tools.slots.release(lease).await {
        tracing::warn!(cause = failure.chain(), "slot not released; its lease will expire");
    }
    error
}

/// Writes down what the actor run cost. Its id makes the row, so writing it twice changes nothing.
async fn record(tools: &ScrapeTools, input: &ScrapeRequest, run: &ActorRun) -> Result<()> {
    let duration_ms = match (run.started_at, run.finished_at) {
        (Some(started), Some(finished)) => {
            i64::try_from(finished.duration_since(started).as_millis()).unwrap_or(0)
        }
        _ => 0,
    };
    let sql = "insert into public.ai_usage_logs
                   (ai_usage_log_id, account_id, run_id, task, provider, model, cost_usd, duration_ms, outcome)
                 select $2, r.account_id, r.run_id, 'scrape', 'apify', 'instagram-profile-scraper', $3, $4, $5
                   from public.runs r where r.run_id = $1
                 on conflict (ai_usage_log_id) do nothing";
    let id = Uuid::new_v5(&input.run_id.0, run.id.as_bytes());
    let usual_cost_usd = USUAL_COST_USD * input.usernames.len() as f64;
    let cost_usd = run.usage_total_usd.unwrap_or(usual_cost_usd).max(0.0);
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
            ],
        )
        .await?;
    Ok(())
}
