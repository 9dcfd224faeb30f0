//! `scrape-profiles`: one actor run for one to ten usernames, for their profiles or for their posts, into the cache.
//!
//! This file is the stage: what comes in, what goes out, and which part the run has in the flight. `in_charge` is the part
//! of the run that scrapes, and `leave` that of a run that was cancelled. `actor` takes a slot and brings an actor in it to
//! its end; `ended` reads what it found then; `cost` writes down what it cost.

mod actor;
mod cost;
mod ended;
mod in_charge;
mod leave;
pub(crate) mod request;
pub(crate) mod tools;

use crate::{
    cache::{Entry, RunsCache},
    flights::under_way,
    want::Want,
};
use actor::Actors;
use in_charge::RunInCharge;
use leave::leave;
use oslira_apify::Apify;
use oslira_domain::{Code, Error, Result, Step, Username};
use oslira_lambda::{Invocation, note_account, note_run};
use request::ScrapeRequest;
use serde::Serialize;
use std::{collections::HashMap, time::Duration};
use tokio::time::sleep;
use tools::ScrapeTools;

/// What is kept back of the invocation's time for writing down what was scraped, with stores that answer slowly.
const RESERVE: Duration = Duration::from_secs(30);
/// How long a run that waits for another one's scrape looks out for it before it hands the waiting over to the state
/// machine.
const LOOK_OUT: Duration = Duration::from_secs(1);

/// What it passes on.
#[derive(Debug, Serialize)]
pub struct Scraped {
    /// Where each profile that was found is, or its posts.
    found: HashMap<Username, Key>,
}

/// The key of a snapshot, under the name that the next states know it by.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
enum Key {
    SnapshotKey(String),
    PostsKey(String),
}

/// Scrapes and stores, or waits for another run that does. A single username that has no public profile is the run's
/// business error; in a group, it is remembered in the cache, where its own run finds it.
///
/// # Errors
/// `ScrapeUnderWay` while another run scrapes it.
pub async fn scrape_profiles(tools: &ScrapeTools, invocation: Invocation<ScrapeRequest>) -> Result<Scraped> {
    let Invocation { input: request, deadline } = invocation;
    note_run(request.run_id);
    if let Some(account_id) = request.account_id {
        note_account(account_id);
    }
    if !(1..=10).contains(&request.usernames.len()) {
        return Err(Error::new(Code::ValidationFailed, "An actor run takes one to ten usernames."));
    }
    let begun = tools.progress.begin(request.run_id, request.account_id, Step::Scraping).await;
    let actors = &Actors {
        tools,
        apify: Apify::new(tools.http.clone(), &tools.apify_url, &*tools.apify_token.get().await?),
        flight: tools.flights.flight(request.want.flight(&request.usernames, request.run_id), request.run_id),
        request: &request,
        deadline: deadline - RESERVE,
    };
    let run_began = match begun {
        Err(error) if is_over(&error) => {
            // If this fails the step must come back, or an actor goes on for nobody.
            leave(actors).await?;
            return Err(error);
        }
        begun => begun?.created_at,
    };
    let cache = &RunsCache {
        profiles: &tools.profiles,
        progress: &tools.progress,
        run_id: request.run_id,
        tier: request.tier,
        run_began,
        deadline: actors.deadline,
    };
    let entries = match actors.flight.join().await? {
        Some(in_charge) => RunInCharge { actors, cache }.scrape(in_charge).await?,
        None => look_out(cache, &request).await?,
    };
    answer(&request, entries)
}

/// The run was cancelled or settled: nothing may be spent on it any more.
const fn is_over(error: &Error) -> bool {
    matches!(error.code, Code::RunCancelled | Code::RunSettled)
}

/// Looks whether the run in charge has stored what it scrapes.
async fn look_out(cache: &RunsCache<'_>, request: &ScrapeRequest) -> Result<Vec<(Username, Entry)>> {
    let ScrapeRequest { want, usernames, .. } = request;
    if let Some(entries) = cache.read(*want, usernames).await? {
        return Ok(entries);
    }
    sleep(LOOK_OUT).await;
    cache.read(*want, usernames).await?.ok_or_else(under_way)
}

fn answer(request: &ScrapeRequest, entries: Vec<(Username, Entry)>) -> Result<Scraped> {
    let is_single = request.usernames.len() == 1;
    let mut found = HashMap::new();
    for (username, entry) in entries {
        match (entry.key, request.want) {
            (Ok(key), Want::Profiles) => found.insert(username, Key::SnapshotKey(key)),
            (Ok(key), Want::Posts) => found.insert(username, Key::PostsKey(key)),
            (Err(refusal), _) if is_single => return Err(refusal.into()),
            (Err(_), _) => None,
        };
    }
    Ok(Scraped { found })
}
