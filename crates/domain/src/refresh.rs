//! Whether a lead needs a refresh: what its last analysis saw, compared with the profile of now.

use crate::{Profile, Tier, is_fresh};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Followers have changed when the difference is more than this many percent of what the analysis saw.
const FOLLOWERS_PERCENT: u128 = 10;
/// A bio has changed when more than this many percent of its characters would have to be edited.
const BIOGRAPHY_PERCENT: usize = 30;

/// What a lead's last analysis saw of the profile. The profile was public, or there would be no analysis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenProfile {
    pub tier: Tier,
    /// When the profile was scraped, or its posts if they were scraped earlier.
    pub data_as_of: Timestamp,
    pub followers: u64,
    /// Untrusted text.
    pub biography: String,
    pub is_verified: bool,
}

/// What Instagram shows of a username now.
#[derive(Clone, Copy, Debug)]
pub enum CurrentProfile<'a> {
    Public(&'a Profile),
    Private,
    NotFound,
}

/// Who can see a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Visibility {
    /// Everyone.
    Public,
    /// Only its followers. An analysis would end as `ProfilePrivate`.
    Private,
    /// Nobody: there is no account of this name. An analysis would end as `ProfileNotFound`.
    NotFound,
}

/// A reason to refresh a lead: what its last analysis saw, and what is there now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "reason", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum RefreshReason {
    /// What the analysis read is older than a new analysis of the same tier may read.
    Age {
        /// When the profile that the analysis read was scraped, or its posts if they were scraped earlier.
        seen: Timestamp,
        /// When the check was made.
        now: Timestamp,
        /// The hours after which an analysis of this tier scrapes again.
        limit_hours: i64,
    },
    /// The number of followers differs by more than 10 % of what the analysis saw.
    Followers {
        /// The followers that the analysis saw.
        seen: u64,
        /// The followers now.
        now: u64,
    },
    /// More than 30 % of the bio is different: the edits (a character added, removed or replaced) from one to the other, over
    /// the characters of the longer one.
    Biography {
        /// The bio that the analysis saw. Text by whoever owns the profile.
        seen: String,
        /// The bio now. Text by whoever owns the profile.
        now: String,
    },
    /// The profile is not public any more.
    Visibility {
        /// Always `public`: nothing else is analysed.
        seen: Visibility,
        /// Who can see the profile now.
        now: Visibility,
    },
    /// The account got or lost Instagram's badge.
    Verified {
        /// Whether it had the badge.
        seen: bool,
        /// Whether it has the badge now.
        now: bool,
    },
}

/// Whether a lead needs a refresh, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefreshAnswer {
    /// Whether there is a reason.
    pub needs_refresh: bool,
    /// Every reason that applies.
    pub reasons: Vec<RefreshReason>,
    /// Who can see the profile now. Without a public profile there is no bio, badge or number of followers to compare.
    pub visibility: Visibility,
    /// When the profile of now was looked at on Instagram: less than six hours before the check.
    pub profile_as_of: Timestamp,
}

impl SeenProfile {
    /// Compares. `profile_as_of` says when Instagram showed the profile of now.
    pub fn compare(
        &self,
        current: CurrentProfile<'_>,
        profile_as_of: Timestamp,
        now: Timestamp,
    ) -> RefreshAnswer {
        let age = (!is_fresh(self.tier, true, self.data_as_of, now)).then(|| RefreshReason::Age {
            seen: self.data_as_of,
            now,
            limit_hours: self.tier.cache_ttl().as_hours(),
        });
        let (visibility, differences) = match current {
            CurrentProfile::Public(profile) => (Visibility::Public, self.differences(profile)),
            CurrentProfile::Private => (Visibility::Private, hidden(Visibility::Private)),
            CurrentProfile::NotFound => (Visibility::NotFound, hidden(Visibility::NotFound)),
        };
        let reasons: Vec<_> = age.into_iter().chain(differences).collect();
        RefreshAnswer { needs_refresh: !reasons.is_empty(), reasons, visibility, profile_as_of }
    }

    fn differences(&self, now: &Profile) -> Vec<RefreshReason> {
        let Self { followers, biography, is_verified, .. } = self;
        let mut differences = Vec::new();
        if u128::from(followers.abs_diff(now.followers)) * 100 > u128::from(*followers) * FOLLOWERS_PERCENT {
            differences.push(RefreshReason::Followers { seen: *followers, now: now.followers });
        }
        // In whole numbers: a fraction such as 0.3 is not exact, and 30 % are not more than 30 %.
        let longer = biography.chars().count().max(now.biography.chars().count());
        if strsim::levenshtein(biography, &now.biography) * 100 > longer * BIOGRAPHY_PERCENT {
            differences
                .push(RefreshReason::Biography { seen: biography.clone(), now: now.biography.clone() });
        }
        if *is_verified != now.is_verified {
            differences.push(RefreshReason::Verified { seen: *is_verified, now: now.is_verified });
        }
        differences
    }
}

impl RefreshAnswer {
    /// Whether the profile itself is different. Age alone is no difference.
    pub fn profile_differs(&self) -> bool {
        self.reasons.iter().any(|reason| !matches!(reason, RefreshReason::Age { .. }))
    }
}

fn hidden(now: Visibility) -> Vec<RefreshReason> {
    vec![RefreshReason::Visibility { seen: Visibility::Public, now }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;

    fn now() -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(100)
    }

    fn seen(followers: u64, biography: &str) -> SeenProfile {
        SeenProfile {
            tier: Tier::Deep,
            data_as_of: now(),
            followers,
            biography: biography.to_owned(),
            is_verified: false,
        }
    }

    fn profile(followers: u64, biography: &str) -> Profile {
        Profile {
            username: "nasa".parse().unwrap(),
            full_name: String::new(),
            biography: biography.to_owned(),
            external_url: None,
            followers,
            following: 1,
            posts_count: 0,
            is_verified: false,
            is_business: false,
            business_category: None,
            posts: Vec::new(),
        }
    }

    fn reasons(seen: &SeenProfile, current: CurrentProfile<'_>) -> Vec<RefreshReason> {
        let answer = seen.compare(current, now(), now());
        assert_eq!(answer.needs_refresh, !answer.reasons.is_empty());
        answer.reasons
    }

    #[test]
    fn followers_have_changed_by_more_than_a_tenth_of_what_was_seen() {
        for (before, after, has_changed) in [
            (1_000, 1_100, false),
            (1_000, 1_101, true),
            (1_000, 900, false),
            (1_000, 899, true),
            (0, 0, false),
            (0, 1, true),
            (9, 10, true),
            (u64::MAX, u64::MAX - 1, false),
        ] {
            let found = reasons(&seen(before, ""), CurrentProfile::Public(&profile(after, "")));
            let wanted = has_changed.then_some(RefreshReason::Followers { seen: before, now: after });
            assert_eq!(found, Vec::from_iter(wanted), "{before} {after}");
        }
    }

    #[test]
    fn a_bio_has_changed_when_more_than_30_percent_of_it_differs() {
        for (before, after, has_changed) in [
            ("0123456789", "0123456789", false),
            ("0123456789", "0123456xyz", false),
            ("0123456789", "012345wxyz", true),
            ("0123456789", "0123456", false),
            ("", "", false),
            ("", "x", true),
            ("x", "", true),
            // Characters count, not bytes.
            ("кофеварка!", "кофеваXYZ!", false),
            ("☕☕☕☕☕☕☕☕☕☕", "☕☕☕☕☕☕🫖🫖🫖🫖", true),
        ] {
            let found = reasons(&seen(1, before), CurrentProfile::Public(&profile(1, after)));
            let wanted = RefreshReason::Biography { seen: before.to_owned(), now: after.to_owned() };
            assert_eq!(found, Vec::from_iter(has_changed.then_some(wanted)), "{before:?} {after:?}");
        }
    }

    #[test]
    fn a_badge_that_came_or_went_is_a_reason() {
        let with_badge = Profile { is_verified: true, ..profile(1, "") };
        let came = RefreshReason::Verified { seen: false, now: true };
        assert_eq!(reasons(&seen(1, ""), CurrentProfile::Public(&with_badge)), [came]);
        let had = SeenProfile { is_verified: true, ..seen(1, "") };
        let went = RefreshReason::Verified { seen: true, now: false };
        assert_eq!(reasons(&had, CurrentProfile::Public(&profile(1, ""))), [went]);
    }

    #[test]
    fn a_profile_that_nobody_can_see_has_nothing_else_to_compare() {
        for (current, now) in
            [(CurrentProfile::Private, Visibility::Private), (CurrentProfile::NotFound, Visibility::NotFound)]
        {
            let wanted = RefreshReason::Visibility { seen: Visibility::Public, now };
            assert_eq!(reasons(&seen(1, "x"), current), [wanted]);
        }
    }

    #[test]
    fn age_is_judged_by_the_tier_of_the_analysis_and_is_no_difference_of_the_profile() {
        let profile = profile(1, "");
        for (tier, hours, is_old) in [
            (Tier::Light, 23, false),
            (Tier::Light, 24, true),
            (Tier::Deep, 12, true),
            (Tier::Xray, 5, false),
            (Tier::Xray, 6, true),
        ] {
            let data_as_of = now() - SignedDuration::from_hours(hours);
            let seen = SeenProfile { tier, data_as_of, ..seen(1, "") };
            let answer = seen.compare(CurrentProfile::Public(&profile), now(), now());
            let wanted =
                RefreshReason::Age { seen: data_as_of, now: now(), limit_hours: tier.cache_ttl().as_hours() };
            assert_eq!(answer.reasons, Vec::from_iter(is_old.then_some(wanted)), "{tier} {hours}");
            assert!(!answer.profile_differs());
        }
        let answer = seen(1, "").compare(CurrentProfile::Private, now(), now());
        assert!(answer.profile_differs());
    }

    #[test]
    fn a_reason_is_flat_json_with_both_values() {
        let reason = RefreshReason::Followers { seen: 1, now: 2 };
        let json = serde_json::json!({"reason": "followers", "seen": 1, "now": 2});
        assert_eq!(serde_json::to_value(&reason).unwrap(), json);
        let age = RefreshReason::Age { seen: now(), now: now(), limit_hours: 6 };
        assert_eq!(serde_json::to_value(age).unwrap()["limitHours"], 6);
    }
}
