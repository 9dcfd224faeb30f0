//! `scrape-profiles`: one actor run for one to ten usernames gets their profiles or their posts into the
//! cache.
//!
//! This file is the stage itself: its input, its output, and the run's part in the flight. `in_charge` is the
//! part of the run that scrapes, and `leave` the part of a cancelled run. `actor` takes a slot and runs an
//! actor in it to its end. `ended` reads what the actor found, and `cost` records what it cost.

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

/// The part of the invocation's time that is kept for storing what was scraped, with slow stores in mind.
const RESERVE: Duration = Duration::from_secs(30);
/// How long a waiting run watches for another run's result inside the Lambda. After that it waits in the
/// state machine.
const LOOK_OUT: Duration = Duration::from_secs(1);

/// The output.
#[derive(Debug, Serialize)]
pub struct Scraped {
    /// The key of each profile that was found, or of its posts.
    found: HashMap<Username, Key>,
}

/// The key of a snapshot, under the name that the next states use.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
enum Key {
    SnapshotKey(String),
    PostsKey(String),
}

/// Scrapes and stores, or waits for another run that does. When a single username has no public profile, the
/// run fails with a business error. In a group the cache keeps that, and the username's own run finds it
/// there.
///
/// # Errors
/// `ScrapeUnderWay` while another run scrapes the same.
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
            // If this fails, the step must be tried again. Otherwise an actor would go on for nobody.
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
        fresh_since: request.fresh_since,
        deadline: actors.deadline,
    };
    let entries = match actors.flight.join().await? {
        Some(in_charge) => RunInCharge { actors, cache }.scrape(in_charge).await?,
        None => look_out(cache, &request).await?,
    };
    answer(&request, entries)
}

/// Whether the run was cancelled or settled: nothing may be spent on it any more.
const fn is_over(error: &Error) -> bool {
    matches!(error.code, Code::RunCancelled | Code::RunSettled)
}

/// Looks into the cache twice, a second apart.
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
