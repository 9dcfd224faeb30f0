//! What is odd about a profile.

use super::Metrics;
use crate::Profile;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Engagement outside the band says nothing when it was measured on fewer posts than this.
const FEWEST_POSTS_FOR_THE_BAND: usize = 3;
/// After this many days without a post, an account counts as inactive.
const INACTIVE_AFTER_DAYS: u32 = 90;
/// An account whose first post is younger than this many days counts as new.
const NEW_BELOW_DAYS: u32 = 60;
/// An account that follows at least this many, and has fewer than half as many followers, looks like a
/// follow-for-follow account. Instagram itself allows 7,500.
const MANY_FOLLOWED: u64 = 1_000;

/// Ordinary engagement rates in percent by the number of followers: (followers below, lowest, highest).
///
/// The figures come from the Social Cat benchmark (thesocialcat.com, engagement rate calculator). The lowest
/// is half of what it calls low, and the highest is three times what it calls high, both rounded. So only
/// rates far outside are flagged: far below suggests bought followers, far above suggests bought likes. The
/// benchmark has no figures under 1,000 followers, where a few friends move the rate. That band is our own,
/// and it is wide.
const ENGAGEMENT_BANDS: [(u64, f64, f64); 6] = [
    (1_000, 0.5, 60.0),
    (5_000, 0.85, 24.0),
    (10_000, 0.3, 11.0),
    (50_000, 0.2, 8.0),
    (100_000, 0.15, 7.5),
    (u64::MAX, 0.2, 8.0),
];

/// A finding about the profile itself, whatever the business is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct QualityFlag {
    /// The kind of finding.
    pub code: FlagCode,
    /// The finding as a sentence, with the figures.
    pub message: String,
    /// How many points it takes from the score: negative, or 0 when it only lowers the confidence.
    #[schemars(range(min = -100, max = 0))]
    pub points: i8,
}

/// The kinds of findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum FlagCode {
    /// No bio and no link: 10 points.
    EmptyProfile,
    /// Never posted: 15 points.
    NoPosts,
    /// Has posts, but they could not be seen: no points are taken, and the confidence is lower.
    NotEnoughData,
    /// Hides the likes of half its posts or more: no points are taken, and the confidence is lower.
    LikesHidden,
    /// Engagement far below what is ordinary for its size: 10 points.
    EngagementTooLow,
    /// Engagement far above what is ordinary for its size: 5 points, since it may also be one lucky post.
    EngagementTooHigh,
    /// Follows very many and is followed by few: 10 points.
    FollowRatio,
    /// No post for 90 days: 10 points.
    Inactive,
    /// Its first post is less than 60 days old: 5 points.
    NewAccount,
}

impl FlagCode {
    /// How many points it takes from the score: negative or 0.
    pub const fn points(self) -> i8 {
        match self {
            Self::NoPosts => -15,
            Self::EmptyProfile | Self::EngagementTooLow | Self::FollowRatio | Self::Inactive => -10,
            Self::EngagementTooHigh | Self::NewAccount => -5,
            Self::NotEnoughData | Self::LikesHidden => 0,
        }
    }
}

/// What is odd about the profile, in the order of [`FlagCode`].
pub fn quality_flags(profile: &Profile, metrics: &Metrics) -> Vec<QualityFlag> {
    let mut flags = Vec::new();
    let mut flag = |code: FlagCode, message: String| {
        flags.push(QualityFlag { code, message, points: code.points() });
    };
    if profile.biography.trim().is_empty() && profile.external_url.is_none() {
        flag(FlagCode::EmptyProfile, "The profile has neither a bio nor a link.".into());
    }
    if profile.posts_count == 0 {
        flag(FlagCode::NoPosts, "The account has not posted anything.".into());
    }
    if metrics.is_short_of_data() {
        flag(
            FlagCode::NotEnoughData,
            format!(
                "The account has {} posts, of which {} could be seen.",
                metrics.posts_count, metrics.posts_seen
            ),
        );
    }
    if metrics.hidden_likes > 0 && 2 * metrics.hidden_likes >= metrics.posts_seen {
        flag(
            FlagCode::LikesHidden,
            format!("{} of {} posts hide their likes.", metrics.hidden_likes, metrics.posts_seen),
        );
    }
    if let Some(rate) = metrics.engagement_rate
        && metrics.posts_measured >= FEWEST_POSTS_FOR_THE_BAND
    {
        let (least, most) = engagement_band(metrics.followers);
        let sentence = |side: &str| {
            format!(
                "An engagement rate of {rate:.2} % is far {side} what is ordinary for {} followers ({least} to {most} %).",
                metrics.followers
            )
        };
        if rate < least {
            flag(FlagCode::EngagementTooLow, sentence("below"));
        } else if rate > most {
            flag(FlagCode::EngagementTooHigh, sentence("above"));
        }
    }
    if metrics.following >= MANY_FOLLOWED && metrics.followers < metrics.following / 2 {
        flag(
            FlagCode::FollowRatio,
            format!("It follows {} accounts and has {} followers.", metrics.following, metrics.followers),
        );
    }
    if let Some(days) = metrics.days_since_newest_post.filter(|days| *days >= INACTIVE_AFTER_DAYS) {
        flag(FlagCode::Inactive, format!("The latest post is {days} days old."));
    }
    if let Some(days) = metrics.days_since_oldest_post.filter(|days| *days < NEW_BELOW_DAYS)
        && metrics.posts_seen as u64 >= metrics.posts_count
    {
        flag(FlagCode::NewAccount, format!("The account's first post is {days} days old."));
    }
    flags
}

fn engagement_band(followers: u64) -> (f64, f64) {
    let [.., (_, least, most)] = ENGAGEMENT_BANDS;
    ENGAGEMENT_BANDS
        .into_iter()
        .find(|(below, ..)| followers < *below)
        .map_or((least, most), |(_, least, most)| (least, most))
}

#[cfg(test)]
mod tests {
    use super::super::samples::{now, post, profile};
    use super::*;

    fn codes(profile: &Profile) -> Vec<FlagCode> {
        let flags = quality_flags(profile, &Metrics::of(profile, now()));
        assert!(flags.iter().all(|flag| flag.message.ends_with('.') && flag.points == flag.code.points()));
        flags.into_iter().map(|flag| flag.code).collect()
    }

    #[test]
    fn an_ordinary_profile_has_no_flags() {
        assert_eq!(codes(&profile()), []);
    }

    #[test]
    fn an_empty_account() {
        let mut profile = profile();
        profile.biography = " ".into();
        profile.external_url = None;
        profile.posts.clear();
        profile.posts_count = 0;
        assert_eq!(codes(&profile), [FlagCode::EmptyProfile, FlagCode::NoPosts]);
    }

    #[test]
    fn posts_that_cannot_be_seen_cost_nothing() {
        let mut profile = profile();
        profile.posts.clear();
        assert_eq!(codes(&profile), [FlagCode::NotEnoughData]);
        assert_eq!(FlagCode::NotEnoughData.points(), 0);
    }

    #[test]
    fn hidden_likes_are_flagged_from_half_the_posts() {
        let mut profile = profile();
        profile.posts.iter_mut().take(2).for_each(|post| post.likes = None);
        assert_eq!(codes(&profile), []);
        profile.posts.iter_mut().take(3).for_each(|post| post.likes = None);
        assert_eq!(codes(&profile), [FlagCode::LikesHidden]);
    }

    #[test]
    fn engagement_far_outside_the_band_of_its_size() {
        for (followers, likes, expected) in [
            (500, 2, Some(FlagCode::EngagementTooLow)),
            (500, 200, None),
            (4_000, 20, Some(FlagCode::EngagementTooLow)),
            (20_000, 3_000, Some(FlagCode::EngagementTooHigh)),
            (2_000_000, 3_000, Some(FlagCode::EngagementTooLow)),
            (2_000_000, 30_000, None),
            (u64::MAX, 30_000, Some(FlagCode::EngagementTooLow)),
        ] {
            let mut profile = profile();
            profile.followers = followers;
            profile.posts = (0..3).map(|day| post(likes, 0, day)).collect();
            assert_eq!(codes(&profile).first(), expected.as_ref(), "{followers} {likes}");
            profile.posts.truncate(2);
            assert_eq!(codes(&profile), [FlagCode::NotEnoughData], "two posts prove nothing");
        }
    }

    #[test]
    fn follow_for_follow() {
        let mut profile = profile();
        profile.following = 7_000;
        profile.followers = 3_499;
        assert!(codes(&profile).contains(&FlagCode::FollowRatio));
        profile.followers = 3_500;
        assert!(!codes(&profile).contains(&FlagCode::FollowRatio));
    }

    #[test]
    fn asleep_or_new() {
        let mut profile = profile();
        profile.posts = (0..6).map(|day| post(290, 10, 90 + day)).collect();
        assert_eq!(codes(&profile), [FlagCode::Inactive]);
        profile.posts = (0..6).map(|day| post(290, 10, 54 + day)).collect();
        assert_eq!(codes(&profile), []);
        profile.posts_count = 6;
        assert_eq!(codes(&profile), [FlagCode::NewAccount]);
    }

    #[test]
    fn codes_are_stable_names() {
        assert_eq!(serde_json::to_value(FlagCode::EngagementTooLow).unwrap(), "engagementTooLow");
        assert_eq!(serde_json::to_value(FlagCode::NotEnoughData).unwrap(), "notEnoughData");
    }
}
