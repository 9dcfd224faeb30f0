//! When a cached profile may be used.

use crate::Tier;
use jiff::{SignedDuration, Timestamp};

/// How long "not found" and "private" are remembered.
pub const NEGATIVE_TTL: SignedDuration = SignedDuration::from_mins(10);

/// Whether a cached answer still serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheDecision {
    /// Use it.
    Fresh,
    /// Fetch the profile again.
    Stale,
}

/// Decides for a profile (`found`) or a remembered refusal that was stored at `stored_at`.
///
/// An answer from the future is stale: a clock was wrong somewhere, and scraping again is the safe side.
pub fn decide(tier: Tier, found: bool, stored_at: Timestamp, now: Timestamp) -> CacheDecision {
    let age = now.duration_since(stored_at);
    let ttl = if found { tier.cache_ttl() } else { NEGATIVE_TTL };
    if age >= SignedDuration::ZERO && age < ttl { CacheDecision::Fresh } else { CacheDecision::Stale }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_fresh_up_to_its_tiers_limit() {
        let now = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(100);
        let hours_ago = |hours| now - SignedDuration::from_hours(hours);
        assert_eq!(decide(Tier::Light, true, hours_ago(23), now), CacheDecision::Fresh);
        assert_eq!(decide(Tier::Light, true, hours_ago(24), now), CacheDecision::Stale);
        assert_eq!(decide(Tier::Xray, true, hours_ago(5), now), CacheDecision::Fresh);
        assert_eq!(decide(Tier::Xray, true, hours_ago(6), now), CacheDecision::Stale);
        assert_eq!(decide(Tier::Light, true, hours_ago(-1), now), CacheDecision::Stale);
    }

    #[test]
    fn a_refusal_is_remembered_for_ten_minutes() {
        let now = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(100);
        let minutes_ago = |minutes| now - SignedDuration::from_mins(minutes);
        assert_eq!(decide(Tier::Light, false, minutes_ago(9), now), CacheDecision::Fresh);
        assert_eq!(decide(Tier::Light, false, minutes_ago(10), now), CacheDecision::Stale);
    }
}
