//! What is scraped: what its actor brings, and what is kept of it in the cache.

use futures::future::try_join_all;
use jiff::Timestamp;
use oslira_apify::{ActorRun, Apify, ProfileOutcome};
use oslira_domain::{Error, Post, Posts, Result, RunId, Snapshot, Tier, Username, is_fresh};
use oslira_stores::{CachedPosts, CachedProfile, ProfileStore};
use serde::Deserialize;
use std::{collections::HashMap, time::Duration};
use tokio::time::{Instant, sleep};

/// What is scraped: one actor for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Want {
    /// Profiles, with the posts that they show by themselves.
    #[default]
    Profiles,
    /// The latest 50 posts.
    Posts,
}

impl Want {
    /// The task and the actor in our records.
    pub(crate) const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Profiles => ("scrape", "instagram-profile-scraper"),
            Self::Posts => ("scrape_posts", "instagram-scraper"),
        }
    }

    /// What one username costs, in US dollars, where Apify has not counted yet: about 2.6 for a thousand profiles, and
    /// 1.5 for a thousand posts (third parties, 2026).
    pub(crate) const fn usual_cost_usd(self) -> f64 {
        match self {
            Self::Profiles => 0.002_6,
            Self::Posts => 50.0 * 0.001_5,
        }
    }

    /// Starts the actor.
    pub(crate) async fn start(
        self,
        apify: &Apify,
        usernames: &[Username],
        timeout: Duration,
    ) -> Result<ActorRun> {
        match self {
            Self::Profiles => apify.start_profiles_run(usernames, timeout).await,
            Self::Posts => apify.start_posts_run(usernames, timeout).await,
        }
    }

    /// Who holds the slot: a run may scrape both at the same time, in two of them.
    pub(crate) fn holder(self, run_id: RunId) -> String {
        match self {
            Self::Profiles => run_id.to_string(),
            Self::Posts => format!("{run_id}:posts"),
        }
    }
}

/// What an actor run brought of one username.
pub(crate) enum Found {
    Profile(ProfileOutcome),
    Posts(Vec<Post>),
}

/// What is in the cache of one username.
pub(crate) enum Entry {
    Profile(CachedProfile),
    Posts(CachedPosts),
}

impl Entry {
    pub(crate) const fn scraped_at(&self) -> Timestamp {
        match self {
            Self::Profile(profile) => profile.scraped_at(),
            Self::Posts(posts) => posts.scraped_at,
        }
    }
}

/// What is in the cache already, fresh or not.
pub(crate) async fn cached(
    profiles: &ProfileStore,
    want: Want,
    usernames: &[Username],
) -> Result<Vec<(Username, Entry)>> {
    let entries = usernames.iter().map(async |username| {
        let entry = match want {
            Want::Profiles => profiles.cached(username).await?.map(Entry::Profile),
            Want::Posts => profiles.cached_posts(username).await?.map(Entry::Posts),
        };
        Ok::<_, Error>(entry.map(|entry| (username.clone(), entry)))
    });
    Ok(try_join_all(entries).await?.into_iter().flatten().collect())
}

/// What the actor run brought, one entry per username.
pub(crate) async fn found(
    apify: &Apify,
    run: &ActorRun,
    want: Want,
    usernames: &[Username],
) -> Result<Vec<(Username, Found)>> {
    match want {
        Want::Profiles => {
            let outcomes = apify.profiles(run, usernames).await?;
            Ok(outcomes.into_iter().map(|(username, outcome)| (username, Found::Profile(outcome))).collect())
        }
        Want::Posts => {
            let mut by_owner: HashMap<Username, Vec<Post>> = apify.posts(run).await?.into_iter().collect();
            let found = usernames.iter().map(|username| {
                let posts = by_owner.remove(username).unwrap_or_default();
                (username.clone(), Found::Posts(posts))
            });
            Ok(found.collect())
        }
    }
}

/// Puts what was seen into the cache. Instagram's refusal to show something says nothing about it, so it is not kept.
pub(crate) async fn store(
    judge: &Judge<'_>,
    run: &ActorRun,
    found: Vec<(Username, Found)>,
) -> Result<Vec<(Username, Entry)>> {
    let profiles = judge.profiles;
    let scraped_at = run.finished_at.unwrap_or_else(Timestamp::now);
    let stored = found.into_iter().map(async |(username, found)| {
        let entry = match found {
            Found::Profile(ProfileOutcome::Found(profile)) => {
                let snapshot_key = profiles.store(&Snapshot { scraped_at, profile }, &run.id).await?;
                Entry::Profile(CachedProfile::Found { snapshot_key, scraped_at })
            }
            Found::Profile(ProfileOutcome::NotFound) => {
                refusal(profiles, &username, CachedProfile::NotFound { scraped_at }).await?
            }
            Found::Profile(ProfileOutcome::Private) => {
                refusal(profiles, &username, CachedProfile::Private { scraped_at }).await?
            }
            Found::Profile(ProfileOutcome::Blocked) => return Ok(None),
            Found::Posts(posts) if posts.is_empty() && !judge.may_have_no_posts(&username).await? => {
                return Ok(None);
            }
            Found::Posts(posts) => {
                let posts = Posts { scraped_at, posts };
                Entry::Posts(profiles.store_posts(&username, &posts, &run.id).await?)
            }
        };
        Ok::<_, Error>(Some((username, entry)))
    });
    Ok(try_join_all(stored).await?.into_iter().flatten().collect())
}

async fn refusal(profiles: &ProfileStore, username: &Username, refusal: CachedProfile) -> Result<Entry> {
    profiles.remember(username, &refusal).await?;
    Ok(Entry::Profile(refusal))
}

/// Decides what an empty list of posts means. The actor of posts says the same of an account that has none, that is
/// private, and that it was kept out of; so the profile decides, which another actor sees at the same time.
pub(crate) struct Judge<'a> {
    pub(crate) profiles: &'a ProfileStore,
    pub(crate) tier: Tier,
    /// A profile seen since then is the one this run reads; an older one is if it is fresh.
    pub(crate) run_began: Timestamp,
    /// When to stop waiting for the profile.
    pub(crate) deadline: Instant,
}

impl Judge<'_> {
    /// Whether the account may well show no posts. Waits until its profile is known: to ask another actor for the posts
    /// would cost as much as the wait, and money. `false` when it is not known in time.
    async fn may_have_no_posts(&self, username: &Username) -> Result<bool> {
        loop {
            match self.profiles.cached(username).await? {
                Some(entry) if self.counts(&entry) => return self.shows_none(entry).await,
                _ if Instant::now() >= self.deadline => return Ok(false),
                _ => sleep(Duration::from_millis(500)).await,
            }
        }
    }

    fn counts(&self, entry: &CachedProfile) -> bool {
        let is_found = matches!(entry, CachedProfile::Found { .. });
        let scraped_at = entry.scraped_at();
        scraped_at >= self.run_began || is_fresh(self.tier, is_found, scraped_at, Timestamp::now())
    }

    async fn shows_none(&self, entry: CachedProfile) -> Result<bool> {
        match entry {
            CachedProfile::Found { snapshot_key, .. } => {
                Ok(self.profiles.snapshot(&snapshot_key).await?.profile.posts.is_empty())
            }
            CachedProfile::NotFound { .. } | CachedProfile::Private { .. } => Ok(true),
        }
    }
}
