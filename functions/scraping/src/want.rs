//! What is scraped: what its actor brings, and what is kept of it in the cache.

use futures::future::try_join_all;
use jiff::Timestamp;
use oslira_apify::{ActorRun, Apify, ProfileOutcome};
use oslira_domain::{Error, Post, Posts, Result, RunId, Snapshot, Tier, Username, is_fresh};
use oslira_stores::{CachedPosts, CachedProfile, ProfileStore, ProgressStore};
use serde::Deserialize;
use std::time::Duration;
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

    /// The name of what is wanted: what a flight is about, and what holds a slot. Whoever wants one username's profile wants
    /// the same; a group is its run's own. No username has a colon, or is as long as a run's id.
    pub(crate) fn wanted(self, usernames: &[Username], run_id: RunId) -> String {
        let whose = match usernames {
            [username] => username.to_string(),
            _ => run_id.to_string(),
        };
        match self {
            Self::Profiles => whose,
            Self::Posts => format!("{whose}:posts"),
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
    const fn scraped_at(&self) -> Timestamp {
        match self {
            Self::Profile(profile) => profile.scraped_at(),
            Self::Posts(posts) => posts.scraped_at,
        }
    }

    /// Whether a run may read it that began then: it was scraped since, or was fresh in the run's tier then, however long
    /// the run has waited.
    pub(crate) fn serves(&self, tier: Tier, run_began: Timestamp) -> bool {
        let is_found = match self {
            Self::Profile(profile) => matches!(profile, CachedProfile::Found { .. }),
            Self::Posts(posts) => posts.count > 0,
        };
        let scraped_at = self.scraped_at();
        scraped_at >= run_began || is_fresh(tier, is_found, scraped_at, run_began)
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
            let mut by_owner = apify.posts(run).await?;
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
    let scraped_at = run.ended_at(Timestamp::now());
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
    pub(crate) progress: &'a ProgressStore,
    pub(crate) run_id: RunId,
    pub(crate) tier: Tier,
    /// A profile seen since then is the one this run reads; an older one is if it is fresh.
    pub(crate) run_began: Timestamp,
    /// When to stop waiting for the profile.
    pub(crate) deadline: Instant,
}

impl Judge<'_> {
    /// Whether the account may well show no posts. Waits until its profile is known: to ask another actor for the posts
    /// would cost as much as the wait, and money. `false` when it is not known in time.
    ///
    /// # Errors
    /// `RunCancelled` or `RunSettled` when the run was meanwhile.
    async fn may_have_no_posts(&self, username: &Username) -> Result<bool> {
        tokio::select! {
            known = self.known(username) => known,
            error = self.progress.stopped(self.run_id) => Err(error),
        }
    }

    async fn known(&self, username: &Username) -> Result<bool> {
        loop {
            match self.profiles.cached(username).await?.map(Entry::Profile) {
                Some(entry) if entry.serves(self.tier, self.run_began) => {
                    return self.shows_none(entry).await;
                }
                _ if Instant::now() >= self.deadline => return Ok(false),
                _ => sleep(Duration::from_millis(500)).await,
            }
        }
    }

    async fn shows_none(&self, entry: Entry) -> Result<bool> {
        match entry {
            Entry::Profile(CachedProfile::Found { snapshot_key, .. }) => {
                Ok(self.profiles.snapshot(&snapshot_key).await?.profile.posts.is_empty())
            }
            _ => Ok(true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;

    #[test]
    fn one_username_is_wanted_by_all_alike_and_a_group_by_its_run_alone() {
        let usernames: Vec<Username> = ["nasa", "nike"].map(|name| name.parse().unwrap()).into();
        let (one, other) = (RunId::generate(), RunId::generate());
        let wanted = |want: Want, usernames: &[Username], run_id| want.wanted(usernames, run_id);
        assert_eq!(wanted(Want::Profiles, &usernames[..1], one), "nasa");
        assert_eq!(wanted(Want::Posts, &usernames[..1], other), "nasa:posts");
        assert_eq!(wanted(Want::Profiles, &usernames, one), one.to_string());
        assert_eq!(wanted(Want::Posts, &usernames, other), format!("{other}:posts"));
    }

    #[test]
    fn what_was_fresh_when_the_run_began_serves_it_to_the_end() {
        let now = Timestamp::now();
        let ago = |minutes| now - SignedDuration::from_mins(minutes);
        let profile = CachedProfile::Found { snapshot_key: String::new(), scraped_at: ago(24 * 60 + 1) };
        let profile = Entry::Profile(profile);
        assert!(profile.serves(Tier::Light, ago(2)));
        assert!(!profile.serves(Tier::Light, now));
    }

    #[test]
    fn what_another_run_stored_serves_when_it_is_fresh_and_ones_own_always() {
        let now = Timestamp::now();
        let ago = |minutes| now - SignedDuration::from_mins(minutes);
        let refusal = |minutes| Entry::Profile(CachedProfile::NotFound { scraped_at: ago(minutes) });
        assert!(refusal(1).serves(Tier::Light, now), "it came while this run began");
        assert!(!refusal(11).serves(Tier::Light, now), "it is what was missed");
        assert!(refusal(11).serves(Tier::Light, ago(12)), "the run has waited long");
        let posts =
            |count| Entry::Posts(CachedPosts { posts_key: String::new(), scraped_at: ago(60), count });
        assert!(posts(50).serves(Tier::Deep, now) && !posts(0).serves(Tier::Deep, now));
    }
}
