//! The profile cache: what it holds of a username's profile or posts, and which runs may read it.

pub(crate) mod check;
mod keep;

use crate::want::Want;
use futures::future::try_join_all;
use jiff::Timestamp;
use oslira_domain::{Code, Error, Result, RunId, Tier, Username, is_fresh};
use oslira_stores::{CachedPosts, CachedProfile, ProfileStore, ProgressStore};
use tokio::time::Instant;

/// What the cache holds of a username: its profile or its posts.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    scraped_at: Timestamp,
    /// Whether there was something to see. A refusal or an empty list of posts is kept for ten minutes only.
    is_found: bool,
    /// The key of the snapshot, or the reason why there is none.
    pub(crate) key: Result<String, Refusal>,
}

/// Why a username has no profile that can be read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Refusal {
    NotFound,
    Private,
}

/// The cache, as one run reads it and adds to it.
pub(crate) struct RunsCache<'a> {
    pub(crate) profiles: &'a ProfileStore,
    pub(crate) progress: &'a ProgressStore,
    pub(crate) run_id: RunId,
    pub(crate) tier: Tier,
    /// Whatever was scraped after this time may be used by this run, whoever scraped it.
    pub(crate) run_began: Timestamp,
    /// Whatever was scraped before this time may not.
    pub(crate) fresh_since: Option<Timestamp>,
    /// When to stop waiting for the profile that says what an empty list of posts means.
    pub(crate) deadline: Instant,
}

impl Entry {
    fn is_fresh(&self, tier: Tier, at: Timestamp) -> bool {
        is_fresh(tier, self.is_found, self.scraped_at, at)
    }

    /// Whether a run that began at this time may read the entry. It may if the entry was scraped since then,
    /// or was fresh then, however long the run has waited.
    fn serves(&self, tier: Tier, run_began: Timestamp) -> bool {
        self.scraped_at >= run_began || self.is_fresh(tier, run_began)
    }

    /// Whether the entry is as new as the account demands of the run.
    fn is_since(&self, fresh_since: Option<Timestamp>) -> bool {
        fresh_since.is_none_or(|since| self.scraped_at >= since)
    }
}

impl From<CachedProfile> for Entry {
    fn from(profile: CachedProfile) -> Self {
        let scraped_at = profile.scraped_at();
        let key = match profile {
            CachedProfile::Found { snapshot_key, .. } => Ok(snapshot_key),
            CachedProfile::NotFound { .. } => Err(Refusal::NotFound),
            CachedProfile::Private { .. } => Err(Refusal::Private),
        };
        Self { scraped_at, is_found: key.is_ok(), key }
    }
}

impl From<CachedPosts> for Entry {
    fn from(posts: CachedPosts) -> Self {
        Self { scraped_at: posts.scraped_at, is_found: posts.count > 0, key: Ok(posts.posts_key) }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotFound => Self::new(Code::ProfileNotFound, "Instagram has no account of this name."),
            Refusal::Private => {
                Self::new(Code::ProfilePrivate, "The account is private, so there is nothing to analyse.")
            }
        }
    }
}

/// Returns what the cache holds of a username, fresh or not.
async fn entry(profiles: &ProfileStore, want: Want, username: &Username) -> Result<Option<Entry>> {
    Ok(match want {
        Want::Profiles => profiles.cached(username).await?.map(Entry::from),
        Want::Posts => profiles.cached_posts(username).await?.map(Entry::from),
    })
}

impl RunsCache<'_> {
    fn may_read(&self, entry: &Entry) -> bool {
        entry.serves(self.tier, self.run_began) && entry.is_since(self.fresh_since)
    }

    /// Whether all these entries are as new as the account demands of the run.
    pub(crate) fn are_new_enough(&self, entries: &[(Username, Entry)]) -> bool {
        entries.iter().all(|(_, entry)| entry.is_since(self.fresh_since))
    }

    /// Returns what the run may read of these usernames. `None` unless it may read all of them.
    pub(crate) async fn read(
        &self,
        want: Want,
        usernames: &[Username],
    ) -> Result<Option<Vec<(Username, Entry)>>> {
        let entries = usernames.iter().map(async |username| {
            let entry = entry(self.profiles, want, username).await?;
            let entry = entry.filter(|entry| self.may_read(entry));
            Ok::<_, Error>(entry.map(|entry| (username.clone(), entry)))
        });
        Ok(try_join_all(entries).await?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;

    fn ago(now: Timestamp, minutes: i64) -> Timestamp {
        now - SignedDuration::from_mins(minutes)
    }

    #[test]
    fn what_was_fresh_when_the_run_began_serves_it_to_the_end() {
        let now = Timestamp::now();
        let scraped_at = ago(now, 24 * 60 + 1);
        let profile = Entry::from(CachedProfile::Found { snapshot_key: String::new(), scraped_at });
        assert!(profile.serves(Tier::Light, ago(now, 2)));
        assert!(!profile.serves(Tier::Light, now));
    }

    #[test]
    fn what_another_run_stored_serves_when_it_is_fresh_and_ones_own_always() {
        let now = Timestamp::now();
        let refusal = |minutes| Entry::from(CachedProfile::NotFound { scraped_at: ago(now, minutes) });
        assert!(refusal(1).serves(Tier::Light, now), "it came while this run began");
        assert!(!refusal(11).serves(Tier::Light, now), "it is what was missed");
        assert!(refusal(11).serves(Tier::Light, ago(now, 12)), "the run has waited long");
        let scraped_at = ago(now, 60);
        let posts = |count| Entry::from(CachedPosts { posts_key: String::new(), scraped_at, count });
        assert!(posts(50).serves(Tier::Deep, now) && !posts(0).serves(Tier::Deep, now));
    }

    #[test]
    fn what_is_older_than_the_account_demands_is_not_new_enough() {
        let now = Timestamp::now();
        let profile = Entry::from(CachedProfile::Private { scraped_at: ago(now, 5) });
        for (fresh_since, is_since) in
            [(None, true), (Some(ago(now, 6)), true), (Some(ago(now, 5)), true), (Some(ago(now, 4)), false)]
        {
            assert_eq!(profile.is_since(fresh_since), is_since, "{fresh_since:?}");
        }
    }
}
