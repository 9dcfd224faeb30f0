//! `check-profile-cache`: finds out whether there is a fresh copy of the profile, and of its posts where the
//! tier reads them.

use super::{Entry, entry};
use crate::want::Want;
use jiff::Timestamp;
use oslira_domain::{AccountId, CacheAnswer, Cached, Result, RunId, Step, Tier, Username};
use oslira_lambda::{Invocation, note_account, note_run};
use oslira_stores::{ProfileStore, ProgressStore};
use serde::Deserialize;

/// The state machines' input.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CacheQuestion {
    run_id: RunId,
    /// `None` for an anonymous run.
    #[serde(default)]
    account_id: Option<AccountId>,
    username: Username,
    tier: Tier,
    /// The run reads nothing that was scraped before this time.
    #[serde(default)]
    fresh_since: Option<Timestamp>,
}

/// Returns the keys of what the run can read from the cache, and what must be scraped. A refusal in the cache
/// ends the run.
pub async fn check_profile_cache(
    profiles: &ProfileStore,
    progress: &ProgressStore,
    invocation: Invocation<CacheQuestion>,
) -> Result<CacheAnswer> {
    let input = invocation.input;
    note_run(input.run_id);
    if let Some(account_id) = input.account_id {
        note_account(account_id);
    }
    let posts = async {
        if input.tier.needs_more_posts() {
            entry(profiles, Want::Posts, &input.username).await
        } else {
            Ok(None)
        }
    };
    let (begun, profile, posts) = tokio::join!(
        progress.begin(input.run_id, input.account_id, Step::CheckingCache),
        entry(profiles, Want::Profiles, &input.username),
        posts
    );
    begun?;
    let new_enough = |entry: Option<Entry>| entry.filter(|entry| entry.is_since(input.fresh_since));
    decide(input.tier, new_enough(profile?), new_enough(posts?), Timestamp::now())
}

fn decide(tier: Tier, profile: Option<Entry>, posts: Option<Entry>, now: Timestamp) -> Result<CacheAnswer> {
    let fresh = |entry: Option<Entry>| entry.filter(|entry| entry.is_fresh(tier, now)).map(|entry| entry.key);
    let snapshot_key = fresh(profile).transpose()?;
    let posts_key = if tier.needs_more_posts() { fresh(posts).transpose()? } else { None };
    let cached = |key: &Option<String>| if key.is_some() { Cached::Hit } else { Cached::Miss };
    let profile = cached(&snapshot_key);
    let posts = if tier.needs_more_posts() { cached(&posts_key) } else { Cached::Unneeded };
    let cache_hit = profile == Cached::Hit && posts != Cached::Miss;
    Ok(CacheAnswer { profile, posts, snapshot_key, posts_key, cache_hit })
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;
    use oslira_domain::Code;
    use oslira_stores::{CachedPosts, CachedProfile};

    fn now() -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(100)
    }

    fn ago(minutes: i64) -> Timestamp {
        now() - SignedDuration::from_mins(minutes)
    }

    fn found(minutes: i64) -> Option<Entry> {
        Some(CachedProfile::Found { snapshot_key: "k".into(), scraped_at: ago(minutes) }.into())
    }

    fn posts(minutes: i64, count: usize) -> Option<Entry> {
        Some(CachedPosts { posts_key: "p".into(), scraped_at: ago(minutes), count }.into())
    }

    #[test]
    fn fresh_is_used_refusals_are_remembered_and_the_rest_is_scraped() {
        let profile = |tier, cached| match decide(tier, cached, None, now()) {
            Ok(answer) => Ok(answer.profile),
            Err(error) => Err(error.code),
        };
        assert_eq!(profile(Tier::Light, found(60)), Ok(Cached::Hit));
        assert_eq!(profile(Tier::Xray, found(7 * 60)), Ok(Cached::Miss));
        assert_eq!(profile(Tier::Light, None), Ok(Cached::Miss));

        let refused = |cached: CachedProfile| profile(Tier::Light, Some(cached.into()));
        assert_eq!(refused(CachedProfile::NotFound { scraped_at: ago(5) }), Err(Code::ProfileNotFound));
        assert_eq!(refused(CachedProfile::Private { scraped_at: ago(5) }), Err(Code::ProfilePrivate));
        assert_eq!(refused(CachedProfile::Private { scraped_at: ago(11) }), Ok(Cached::Miss));
    }

    #[test]
    fn posts_count_only_where_they_are_read_and_their_absence_for_ten_minutes() {
        for (tier, profile, posts, wanted) in [
            (Tier::Light, found(60), posts(1, 50), (Cached::Hit, Cached::Unneeded, true)),
            (Tier::Deep, found(60), posts(11 * 60, 50), (Cached::Hit, Cached::Hit, true)),
            (Tier::Deep, found(60), posts(13 * 60, 50), (Cached::Hit, Cached::Miss, false)),
            (Tier::Xray, found(7 * 60), posts(60, 50), (Cached::Miss, Cached::Hit, false)),
            (Tier::Xray, found(60), None, (Cached::Hit, Cached::Miss, false)),
            (Tier::Deep, found(60), posts(9, 0), (Cached::Hit, Cached::Hit, true)),
            (Tier::Deep, found(60), posts(11, 0), (Cached::Hit, Cached::Miss, false)),
        ] {
            let answer = decide(tier, profile, posts, now()).unwrap();
            assert_eq!((answer.profile, answer.posts, answer.cache_hit), wanted, "{tier}: {answer:?}");
            assert_eq!(answer.posts_key.is_some(), wanted.1 == Cached::Hit);
        }
    }
}
