//! When a cached profile may be used.

use crate::Tier;
use jiff::{SignedDuration, Timestamp};

/// How long "not found", "private" and "no posts" are kept in the cache.
const NEGATIVE_TTL: SignedDuration = SignedDuration::from_mins(10);

/// Whether a cache entry from `stored_at` may still be used. `found` says whether there was something to see
/// (a profile, posts).
///
/// An entry from the future may not be used: some clock was wrong, and scraping again is the safe choice.
pub fn is_fresh(tier: Tier, found: bool, stored_at: Timestamp, now: Timestamp) -> bool {
    let age = now.duration_since(stored_at);
    let ttl = if found { tier.cache_ttl() } else { NEGATIVE_TTL };
    age >= SignedDuration::ZERO && age < ttl
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_fresh_up_to_its_tiers_limit() {
        let now = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(100);
        let hours_ago = |hours| now - SignedDuration::from_hours(hours);
        assert!(is_fresh(Tier::Light, true, hours_ago(23), now));
        assert!(!is_fresh(Tier::Light, true, hours_ago(24), now));
        assert!(is_fresh(Tier::Xray, true, hours_ago(5), now));
        assert!(!is_fresh(Tier::Xray, true, hours_ago(6), now));
        assert!(!is_fresh(Tier::Light, true, hours_ago(-1), now));
    }

    #[test]
    fn a_refusal_is_remembered_for_ten_minutes() {
        let now = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(100);
        let minutes_ago = |minutes| now - SignedDuration::from_mins(minutes);
        assert!(is_fresh(Tier::Light, false, minutes_ago(9), now));
        assert!(!is_fresh(Tier::Light, false, minutes_ago(10), now));
    }
}
