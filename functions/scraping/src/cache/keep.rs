//! Puts what an actor found into the cache, and decides what it means when an actor found no posts.

use super::{Entry, Refusal, RunsCache, entry};
use crate::want::{Found, Want};
use futures::future::try_join_all;
use jiff::Timestamp;
use oslira_apify::{ActorRun, ProfileOutcome};
use oslira_domain::{Error, Posts, Result, Snapshot, Username};
use oslira_stores::CachedProfile;
use std::time::Duration;
use tokio::time::{Instant, sleep};

impl RunsCache<'_> {
    /// Keeps what an actor run found. When Instagram only refused to show something, nothing is kept: that
    /// says nothing about the profile.
    pub(crate) async fn keep(
        &self,
        run: &ActorRun,
        found: Vec<(Username, Found)>,
    ) -> Result<Vec<(Username, Entry)>> {
        let scraped_at = run.ended_at(Timestamp::now());
        let kept = found.into_iter().map(async |(username, found)| {
            let entry = match found {
                Found::Profile(ProfileOutcome::Found(profile)) => {
                    let snapshot_key =
                        self.profiles.store(&Snapshot { scraped_at, profile }, &run.id).await?;
                    Entry::from(CachedProfile::Found { snapshot_key, scraped_at })
                }
                Found::Profile(ProfileOutcome::NotFound) => {
                    self.remember(&username, CachedProfile::NotFound { scraped_at }).await?
                }
                Found::Profile(ProfileOutcome::Private) => {
                    self.remember(&username, CachedProfile::Private { scraped_at }).await?
                }
                Found::Profile(ProfileOutcome::Blocked) => return Ok(None),
                Found::Posts(posts) if posts.is_empty() && !self.may_have_no_posts(&username).await? => {
                    return Ok(None);
                }
                Found::Posts(posts) => {
                    let posts = Posts { scraped_at, posts };
                    Entry::from(self.profiles.store_posts(&username, &posts, &run.id).await?)
                }
            };
            Ok::<_, Error>(Some((username, entry)))
        });
        Ok(try_join_all(kept).await?.into_iter().flatten().collect())
    }

    async fn remember(&self, username: &Username, refusal: CachedProfile) -> Result<Entry> {
        self.profiles.remember(username, &refusal).await?;
        Ok(Entry::from(refusal))
    }

    /// Whether an account may well have no posts. The posts' actor gives the same answer for an account
    /// without posts, for a private account, and when Instagram kept the actor out. So the profile decides,
    /// which another actor reads at the same time. This function waits for the profile: to ask a second actor
    /// for the posts would take as long, and cost money. `false` when the profile is not there in time.
    ///
    /// # Errors
    /// `RunCancelled` or `RunSettled` when that happened to the run meanwhile.
    async fn may_have_no_posts(&self, username: &Username) -> Result<bool> {
        let shows_none = async {
            loop {
                match entry(self.profiles, Want::Profiles, username).await? {
                    Some(profile) if self.may_read(&profile) => {
                        return self.shows_no_posts(profile).await;
                    }
                    _ if Instant::now() >= self.deadline => return Ok(false),
                    _ => sleep(Duration::from_millis(500)).await,
                }
            }
        };
        tokio::select! {
            shows_none = shows_none => shows_none,
            error = self.progress.stopped(self.run_id) => Err(error),
        }
    }

    async fn shows_no_posts(&self, profile: Entry) -> Result<bool> {
        match profile.key {
            Ok(snapshot_key) => Ok(self.profiles.snapshot(&snapshot_key).await?.profile.posts.is_empty()),
            Err(Refusal::NotFound | Refusal::Private) => Ok(true),
        }
    }
}
