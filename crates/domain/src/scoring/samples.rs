//! A profile and an ICP for the tests of this module.

use crate::{FollowerRange, Icp, Post, PostKind, Profile};
use jiff::{SignedDuration, Timestamp};

/// The time at which all samples are seen.
pub(super) fn now() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

pub(super) fn post(likes: u64, comments: u64, days_ago: i64) -> Post {
    Post {
        short_code: format!("C{days_ago}"),
        kind: PostKind::Image,
        caption: String::new(),
        hashtags: Vec::new(),
        likes: Some(likes),
        comments: Some(comments),
        views: None,
        posted_at: Some(now() - SignedDuration::from_hours(24 * days_ago)),
        is_pinned: false,
    }
}

/// 10,000 followers, six posts a week apart, engagement of 3 %.
pub(super) fn profile() -> Profile {
    Profile {
        username: "anna.bakes".parse().unwrap(),
        full_name: "Anna | Bäckerei".into(),
        biography: "Sourdough from Berlin".into(),
        external_url: Some("https://anna.example".into()),
        followers: 10_000,
        following: 500,
        posts_count: 321,
        is_verified: false,
        is_business: true,
        business_category: Some("Bakery".into()),
        posts: (0..6).map(|week| post(290, 10, 1 + 7 * week)).collect(),
    }
}

/// An ICP that the sample profile meets in full.
pub(super) fn icp() -> Icp {
    Icp {
        follower_range: FollowerRange { min: 1_000, max: 50_000 },
        engagement_min: 2.0,
        content_themes: vec!["bakeries".into()],
        geo_focus: vec!["Berlin".into()],
    }
}
