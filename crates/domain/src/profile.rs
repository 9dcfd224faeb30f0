//! An Instagram profile as the pipeline sees it, whichever scraper it comes from.

use crate::Username;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{cmp::Reverse, collections::HashSet};

/// One scrape of one profile. It never changes once stored: a run reads the same snapshot from beginning to
/// end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// When the scrape finished. It becomes the result's `dataAsOf`.
    pub scraped_at: Timestamp,
    pub profile: Profile,
}

/// One scrape of the posts of one profile. It has more posts than the profile itself shows, and never changes
/// once stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Posts {
    pub scraped_at: Timestamp,
    /// The posts, newest first.
    pub posts: Vec<Post>,
}

impl Snapshot {
    /// Adds the posts of a separate scrape. Each post appears once, newest first. The result is as old as the
    /// older of the two scrapes.
    pub fn with_posts(mut self, more: Posts) -> Self {
        self.scraped_at = self.scraped_at.min(more.scraped_at);
        let own = std::mem::replace(&mut self.profile.posts, more.posts);
        let posts = &mut self.profile.posts;
        let known: HashSet<String> = posts.iter().map(|post| post.short_code.clone()).collect();
        posts.extend(own.into_iter().filter(|post| !known.contains(&post.short_code)));
        posts.sort_by_key(|post| Reverse(post.posted_at));
        self.profile.posts_count = self.profile.posts_count.max(self.profile.posts.len() as u64);
        self
    }
}

/// A public Instagram profile with its latest posts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    pub username: Username,
    pub full_name: String,
    /// The account's description of itself. Untrusted text.
    pub biography: String,
    /// The link in the bio.
    pub external_url: Option<String>,
    pub followers: u64,
    /// How many accounts this account follows.
    pub following: u64,
    /// How many posts there are in total; `posts` holds the latest of them.
    pub posts_count: u64,
    /// Whether the account has Instagram's badge.
    pub is_verified: bool,
    /// Whether it is a business account.
    pub is_business: bool,
    /// The business's category, when the account names one.
    pub business_category: Option<String>,
    /// The latest posts, newest first. They are not known when this is empty and `posts_count > 0`.
    pub posts: Vec<Post>,
}

/// One post.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Post {
    /// The code in the post's address.
    pub short_code: String,
    pub kind: PostKind,
    /// The text under the post. Untrusted text.
    pub caption: String,
    /// Hashtags in the caption, without `#`, as written.
    pub hashtags: Vec<String>,
    /// Likes; `None` when they are hidden, which is not zero.
    pub likes: Option<u64>,
    /// Comments; `None` when their number is not known.
    pub comments: Option<u64>,
    /// Views of a video; `None` when their number is not known.
    pub views: Option<u64>,
    pub posted_at: Option<Timestamp>,
    /// Whether the post is pinned to the top, so that it is neither recent nor typical.
    pub is_pinned: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PostKind {
    Image,
    /// A video that is not a reel.
    Video,
    /// A short video.
    Reel,
    /// Several pictures or videos.
    Carousel,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(short_code: &str, day: i64, likes: u64) -> Post {
        Post {
            short_code: short_code.to_owned(),
            kind: PostKind::Image,
            caption: String::new(),
            hashtags: Vec::new(),
            likes: Some(likes),
            comments: None,
            views: None,
            posted_at: Timestamp::from_second(day * 86_400).ok(),
            is_pinned: false,
        }
    }

    #[test]
    fn posts_of_both_scrapes_are_there_once_newest_first() {
        let at = |day: i64| Timestamp::from_second(day * 86_400).unwrap();
        let snapshot = Snapshot {
            scraped_at: at(12),
            profile: Profile {
                username: "nasa".parse().unwrap(),
                full_name: String::new(),
                biography: String::new(),
                external_url: None,
                followers: 1,
                following: 1,
                posts_count: 2,
                is_verified: false,
                is_business: false,
                business_category: None,
                posts: vec![post("new", 11, 1), post("shared", 9, 1)],
            },
        };
        let more = Posts { scraped_at: at(10), posts: vec![post("shared", 9, 7), post("old", 3, 1)] };
        let whole = snapshot.with_posts(more);
        let seen: Vec<_> =
            whole.profile.posts.iter().map(|post| (post.short_code.as_str(), post.likes)).collect();
        assert_eq!(seen, [("new", Some(1)), ("shared", Some(7)), ("old", Some(1))]);
        assert_eq!((whole.scraped_at, whole.profile.posts_count), (at(10), 3));
    }
}
