//! An Instagram profile as the pipeline sees it, whichever scraper brought it.

use crate::Username;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One scrape of one profile. Immutable once stored: a run reads the same snapshot to its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// When the scrape finished: the result's `dataAsOf`.
    pub scraped_at: Timestamp,
    /// What was seen.
    pub profile: Profile,
}

/// A public Instagram profile with its latest posts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    /// The account's name.
    pub username: Username,
    /// The display name.
    pub full_name: String,
    /// The self-description. Untrusted text.
    pub biography: String,
    /// The link in the bio.
    pub external_url: Option<String>,
    /// Followers.
    pub followers: u64,
    /// Accounts followed.
    pub following: u64,
    /// Posts in all, of which `posts` holds the latest.
    pub posts_count: u64,
    /// Has Instagram's badge.
    pub is_verified: bool,
    /// Is a business account.
    pub is_business: bool,
    /// The business's category, when it names one.
    pub business_category: Option<String>,
    /// The latest posts, newest first; empty with `posts_count > 0` means that they are not known.
    pub posts: Vec<Post>,
}

/// One post.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Post {
    /// The code in the post's address.
    pub short_code: String,
    /// What was posted.
    pub kind: PostKind,
    /// The text under it. Untrusted text.
    pub caption: String,
    /// Hashtags in the caption, without `#`, as written.
    pub hashtags: Vec<String>,
    /// Likes; `None` when hidden, which is not zero.
    pub likes: Option<u64>,
    /// Comments; `None` when not told.
    pub comments: Option<u64>,
    /// Views of a video.
    pub views: Option<u64>,
    /// When it was posted.
    pub posted_at: Option<Timestamp>,
    /// Pinned to the top: neither recent nor typical.
    pub is_pinned: bool,
}

/// What was posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PostKind {
    /// A picture.
    Image,
    /// A video that is not a reel.
    Video,
    /// A short video.
    Reel,
    /// Several pictures or videos.
    Carousel,
}
