//! Figures of a profile and its posts.

use super::text::normalised_hashtag;
use crate::{Post, Profile};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The most themes that are listed.
const MAX_THEMES: usize = 15;

/// The figures that can be counted. A figure is `None` when it is not known, which is never the same as zero.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Metrics {
    /// How many followers the account has.
    pub followers: u64,
    /// How many accounts it follows.
    pub following: u64,
    /// How many posts it has in total.
    pub posts_count: u64,
    /// How many posts were seen: the latest ones.
    pub posts_seen: usize,
    /// How many of these are unpinned and show their likes. The figures on likes rest on them.
    pub posts_measured: usize,
    /// How many of the posts seen hide their likes.
    pub hidden_likes: usize,
    /// Engagement rate in percent: mean likes plus mean comments of the measured posts, divided by the
    /// followers. A post whose comments are not known does not count in their mean.
    pub engagement_rate: Option<f64>,
    /// Mean likes of the measured posts.
    pub average_likes: Option<f64>,
    /// Median likes of the measured posts.
    pub median_likes: Option<f64>,
    /// Mean comments of the measured posts whose comments are known.
    pub average_comments: Option<f64>,
    /// Unpinned posts per week, from the oldest post seen until now; the time counts as one week at least.
    pub posts_per_week: Option<f64>,
    /// Followers per account that it follows.
    pub follow_ratio: Option<f64>,
    /// Whole days since the newest post seen.
    pub days_since_newest_post: Option<u32>,
    /// Whole days since the oldest post seen.
    pub days_since_oldest_post: Option<u32>,
    /// Hashtags in one spelling, sorted by the number of posts that have them; 15 at most.
    #[schemars(length(max = 15))]
    pub themes: Vec<String>,
}

impl Metrics {
    /// The figures of a profile, as of `now`.
    pub fn of(profile: &Profile, now: Timestamp) -> Self {
        let posts = &profile.posts;
        let measured: Vec<&Post> =
            posts.iter().filter(|post| !post.is_pinned && post.likes.is_some()).collect();
        let mut likes: Vec<u64> = measured.iter().filter_map(|post| post.likes).collect();
        likes.sort_unstable();
        let comments: Vec<u64> = measured.iter().filter_map(|post| post.comments).collect();
        let (average_likes, average_comments) = (mean(&likes), mean(&comments));
        let ages = |posts: &mut dyn Iterator<Item = &Post>| -> Vec<f64> {
            posts.filter_map(|post| Some(days_between(post.posted_at?, now))).collect()
        };
        let all_ages = ages(&mut posts.iter());
        Self {
            followers: profile.followers,
            following: profile.following,
            posts_count: profile.posts_count,
            posts_seen: posts.len(),
            posts_measured: measured.len(),
            hidden_likes: posts.iter().filter(|post| post.likes.is_none()).count(),
            engagement_rate: average_likes
                .and_then(|likes| percent(likes + average_comments.unwrap_or(0.0), profile.followers)),
            average_likes,
            median_likes: median(&likes),
            average_comments,
            posts_per_week: posts_per_week(&ages(&mut posts.iter().filter(|post| !post.is_pinned))),
            follow_ratio: (profile.following > 0)
                .then(|| profile.followers as f64 / profile.following as f64),
            days_since_newest_post: all_ages.iter().copied().reduce(f64::min).map(|days| days as u32),
            days_since_oldest_post: all_ages.iter().copied().reduce(f64::max).map(|days| days as u32),
            themes: themes(posts),
        }
    }

    /// Whether the account has posts, but too few are known to judge by.
    pub fn is_short_of_data(&self) -> bool {
        self.posts_count > 0 && self.posts_seen < self.posts_count.min(3) as usize
    }
}

/// Days from a post to now. A post from the future counts as posted today.
fn days_between(posted_at: Timestamp, now: Timestamp) -> f64 {
    (now.duration_since(posted_at).as_secs_f64() / 86_400.0).max(0.0)
}

/// The oldest post begins the time span and does not count itself.
fn posts_per_week(ages_in_days: &[f64]) -> Option<f64> {
    let oldest = ages_in_days.iter().copied().reduce(f64::max)?;
    (ages_in_days.len() > 1).then(|| (ages_in_days.len() - 1) as f64 / (oldest / 7.0).max(1.0))
}

fn mean(numbers: &[u64]) -> Option<f64> {
    (!numbers.is_empty()).then(|| numbers.iter().map(|n| *n as f64).sum::<f64>() / numbers.len() as f64)
}

fn median(sorted: &[u64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)? as f64;
    Some(if sorted.len() % 2 == 1 { upper } else { (sorted[middle - 1] as f64 + upper) / 2.0 })
}

fn percent(part: f64, of: u64) -> Option<f64> {
    (of > 0).then(|| 100.0 * part / of as f64)
}

fn themes(posts: &[Post]) -> Vec<String> {
    let mut posts_by_tag = BTreeMap::<String, usize>::new();
    for post in posts {
        let tags: BTreeSet<_> = post.hashtags.iter().map(|tag| normalised_hashtag(tag)).collect();
        for tag in tags.into_iter().filter(|tag| !tag.is_empty()) {
            *posts_by_tag.entry(tag).or_default() += 1;
        }
    }
    let mut by_frequency: Vec<_> = posts_by_tag.into_iter().collect();
    // The sort is stable, so equally frequent themes stay in alphabetical order.
    by_frequency.sort_by_key(|(_, posts)| std::cmp::Reverse(*posts));
    by_frequency.into_iter().map(|(tag, _)| tag).take(MAX_THEMES).collect()
}

#[cfg(test)]
mod tests {
    use super::super::samples::{now, post, profile};
    use super::*;

    #[test]
    fn figures_of_an_ordinary_profile() {
        let metrics = Metrics::of(&profile(), now());
        assert_eq!(metrics.engagement_rate, Some(3.0));
        assert_eq!(metrics.average_likes, Some(290.0));
        assert_eq!(metrics.average_comments, Some(10.0));
        assert_eq!(metrics.follow_ratio, Some(20.0));
        assert_eq!((metrics.days_since_newest_post, metrics.days_since_oldest_post), (Some(1), Some(36)));
        assert_eq!(metrics.posts_per_week, Some(5.0 / (36.0 / 7.0)));
        assert_eq!((metrics.posts_seen, metrics.posts_measured, metrics.hidden_likes), (6, 6, 0));
        assert!(!metrics.is_short_of_data());
    }

    #[test]
    fn hidden_likes_are_unknown_and_pinned_posts_are_not_typical() {
        let mut profile = profile();
        profile.posts[0].likes = None;
        profile.posts[1].likes = Some(1_000_000);
        profile.posts[1].is_pinned = true;
        profile.posts[2].comments = None;
        let metrics = Metrics::of(&profile, now());
        assert_eq!(metrics.engagement_rate, Some(3.0));
        assert_eq!((metrics.posts_seen, metrics.posts_measured, metrics.hidden_likes), (6, 4, 1));

        for post in &mut profile.posts {
            post.likes = None;
        }
        let metrics = Metrics::of(&profile, now());
        assert_eq!(
            (metrics.engagement_rate, metrics.median_likes, metrics.average_comments),
            (None, None, None)
        );
        assert_eq!(metrics.hidden_likes, 6);
    }

    #[test]
    fn nothing_known_is_not_zero() {
        let mut profile = profile();
        profile.posts.clear();
        let metrics = Metrics::of(&profile, now());
        assert!(metrics.is_short_of_data());
        assert_eq!((metrics.engagement_rate, metrics.posts_per_week), (None, None));
        assert_eq!((metrics.days_since_newest_post, metrics.days_since_oldest_post), (None, None));
        profile.posts_count = 0;
        assert!(!Metrics::of(&profile, now()).is_short_of_data());

        profile.followers = 0;
        profile.following = 0;
        profile.posts = vec![post(5, 0, 1)];
        let metrics = Metrics::of(&profile, now());
        assert_eq!(
            (metrics.engagement_rate, metrics.follow_ratio, metrics.posts_per_week),
            (None, None, None)
        );
    }

    #[test]
    fn the_median_of_an_even_number_is_in_the_middle() {
        let mut profile = profile();
        profile.posts = vec![post(1, 0, 1), post(9, 0, 2), post(3, 0, 3), post(100, 0, 4)];
        assert_eq!(Metrics::of(&profile, now()).median_likes, Some(6.0));
        profile.posts.pop();
        assert_eq!(Metrics::of(&profile, now()).median_likes, Some(3.0));
    }

    #[test]
    fn a_burst_is_spread_over_a_week_and_the_future_is_today() {
        let mut profile = profile();
        profile.posts = vec![post(1, 0, -3), post(1, 0, 0), post(1, 0, 0)];
        let metrics = Metrics::of(&profile, now());
        assert_eq!(metrics.posts_per_week, Some(2.0));
        assert_eq!(metrics.days_since_newest_post, Some(0));
    }

    #[test]
    fn themes_are_hashtags_by_the_number_of_posts() {
        let mut profile = profile();
        for (post, tags) in profile.posts.iter_mut().zip([
            &["Bread", "bread", "Café"][..],
            &["bread"],
            &["CAFE", "art", "✨"],
        ]) {
            post.hashtags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        }
        assert_eq!(Metrics::of(&profile, now()).themes, ["bread", "cafe", "art"]);
        profile.posts[0].hashtags = (10..40).map(|n| format!("tag{n}")).collect();
        assert_eq!(Metrics::of(&profile, now()).themes.len(), MAX_THEMES);
    }

    #[test]
    fn json_is_camel_case_with_null_for_the_unknown() {
        let json = serde_json::to_value(Metrics::default()).unwrap();
        assert!(json["engagementRate"].is_null() && json["postsPerWeek"].is_null());
        assert_eq!(json["postsSeen"], 0);
    }
}
