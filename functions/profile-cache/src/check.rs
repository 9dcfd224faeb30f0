//! `check-profile-cache`: is there a fresh copy of the profile?

use jiff::Timestamp;
use oslira_domain::{AnalysisInput, CacheAnswer, Code, Error, ProfileSource, Result, Step, Tier, is_fresh};
use oslira_lambda::{Invocation, note_account, note_run};
use oslira_stores::{CachedProfile, ProfileStore, ProgressStore};

/// Answers where the run reads its profile, or that it must be scraped. A remembered refusal ends the run.
pub async fn check_profile_cache(
    profiles: &ProfileStore,
    progress: &ProgressStore,
    invocation: Invocation<AnalysisInput>,
) -> Result<CacheAnswer> {
    let input = invocation.input;
    note_run(input.run_id);
    note_account(input.account_id);
    let (begun, cached) = tokio::join!(
        progress.begin(input.run_id, input.account_id, Step::CheckingCache),
        profiles.cached(&input.username)
    );
    begun?;
    decide(input.tier, cached?, Timestamp::now())
}

fn decide(tier: Tier, cached: Option<CachedProfile>, now: Timestamp) -> Result<CacheAnswer> {
    match cached {
        Some(CachedProfile::Found { snapshot_key, scraped_at }) if is_fresh(tier, true, scraped_at, now) => {
            Ok(CacheAnswer::Hit(ProfileSource { snapshot_key, cache_hit: true }))
        }
        Some(CachedProfile::NotFound { scraped_at }) if is_fresh(tier, false, scraped_at, now) => {
            Err(not_found())
        }
        Some(CachedProfile::Private { scraped_at }) if is_fresh(tier, false, scraped_at, now) => {
            Err(private())
        }
        _ => Ok(CacheAnswer::Miss),
    }
}

pub(crate) fn not_found() -> Error {
    Error::new(Code::ProfileNotFound, "Instagram has no account of this name.")
}

pub(crate) fn private() -> Error {
    Error::new(Code::ProfilePrivate, "The account is private, so there is nothing to analyse.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;

    #[test]
    fn fresh_is_used_refusals_are_remembered_and_the_rest_is_scraped() {
        let now = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(100);
        let ago = |minutes| now - SignedDuration::from_mins(minutes);
        let found = |scraped_at| Some(CachedProfile::Found { snapshot_key: "k".into(), scraped_at });

        assert!(
            matches!(decide(Tier::Light, found(ago(60)), now), Ok(CacheAnswer::Hit(source)) if source.cache_hit)
        );
        assert!(matches!(decide(Tier::Xray, found(ago(7 * 60)), now), Ok(CacheAnswer::Miss)));
        assert!(matches!(decide(Tier::Light, None, now), Ok(CacheAnswer::Miss)));

        let refused = |cached| decide(Tier::Light, Some(cached), now).map_err(|error| error.code);
        assert_eq!(refused(CachedProfile::NotFound { scraped_at: ago(5) }), Err(Code::ProfileNotFound));
        assert_eq!(refused(CachedProfile::Private { scraped_at: ago(5) }), Err(Code::ProfilePrivate));
        assert_eq!(refused(CachedProfile::Private { scraped_at: ago(11) }), Ok(CacheAnswer::Miss));
    }
}
