//! What a run wants of usernames: their profiles, or their latest 50 posts. Each has an actor of its own.

use oslira_apify::{ActorRun, Apify, ProfileOutcome};
use oslira_domain::{Post, Result, RunId, Username};
use serde::Deserialize;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Want {
    /// Profiles, including the posts that a profile shows by itself.
    Profiles,
    /// The latest 50 posts.
    Posts,
}

/// What an actor found for one username.
pub(crate) enum Found {
    Profile(ProfileOutcome),
    Posts(Vec<Post>),
}

impl Want {
    /// The names of the task and the actor in our records.
    pub(crate) const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Profiles => ("scrape", "instagram-profile-scraper"),
            Self::Posts => ("scrape_posts", "instagram-scraper"),
        }
    }

    /// What one username usually costs, in US dollars, when Apify has no figure yet: about 2.6 for a thousand
    /// profiles, and 1.5 for a thousand posts (third parties, 2026).
    pub(crate) const fn usual_cost_usd(self) -> f64 {
        match self {
            Self::Profiles => 0.002_6,
            Self::Posts => 50.0 * 0.001_5,
        }
    }

    /// The name of the flight for these usernames: `nasa`, or `nasa:posts`. All runs that want the same
    /// username share a flight. A group's flight belongs to its run alone, and has the run's id. No username
    /// contains a colon or is as long as a run's id.
    pub(crate) fn flight(self, usernames: &[Username], run_id: RunId) -> String {
        let whose = match usernames {
            [username] => username.to_string(),
            _ => run_id.to_string(),
        };
        match self {
            Self::Profiles => whose,
            Self::Posts => format!("{whose}:posts"),
        }
    }

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

    /// What the actor run found, by username.
    pub(crate) async fn read(
        self,
        apify: &Apify,
        run: &ActorRun,
        usernames: &[Username],
    ) -> Result<Vec<(Username, Found)>> {
        match self {
            Self::Profiles => {
                let outcomes = apify.profiles(run, usernames).await?;
                Ok(outcomes
                    .into_iter()
                    .map(|(username, outcome)| (username, Found::Profile(outcome)))
                    .collect())
            }
            Self::Posts => {
                let mut by_owner = apify.posts(run).await?;
                let found = usernames.iter().map(|username| {
                    let posts = by_owner.remove(username).unwrap_or_default();
                    (username.clone(), Found::Posts(posts))
                });
                Ok(found.collect())
            }
        }
    }
}

impl Found {
    /// Whether a profile that has posts came without them.
    pub(crate) fn lacks_posts(&self) -> bool {
        match self {
            Self::Profile(ProfileOutcome::Found(profile)) => {
                profile.posts_count > 0 && profile.posts.is_empty()
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_username_is_wanted_by_all_alike_and_a_group_by_its_run_alone() {
        let usernames: Vec<Username> = ["nasa", "nike"].map(|name| name.parse().unwrap()).into();
        let (one, other) = (RunId::generate(), RunId::generate());
        assert_eq!(Want::Profiles.flight(&usernames[..1], one), "nasa");
        assert_eq!(Want::Posts.flight(&usernames[..1], other), "nasa:posts");
        assert_eq!(Want::Profiles.flight(&usernames, one), one.to_string());
        assert_eq!(Want::Posts.flight(&usernames, other), format!("{other}:posts"));
    }
}
