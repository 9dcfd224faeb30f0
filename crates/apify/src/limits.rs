//! What Instagram lets an account have, with room to spare. Longer texts are cut, and larger figures are not
//! believed.
//!
//! Lengths are in characters, which are Unicode scalar values here. Instagram sometimes counts differently,
//! and an emoji may be seven of them. So we keep twice what Instagram allows.

/// A display name: Instagram allows 64.
pub(crate) const FULL_NAME: usize = 128;
/// A bio: Instagram allows 150.
pub(crate) const BIOGRAPHY: usize = 300;
/// A caption: Instagram allows 2,200.
pub(crate) const CAPTION: usize = 4_400;
/// A business's category. Instagram's own stay below 60, and actors list several.
pub(crate) const CATEGORY: usize = 200;
/// A hashtag: Instagram allows 100. A longer one is not a hashtag.
pub(crate) const HASHTAG: usize = 100;
/// Hashtags of a post: Instagram allows 30.
pub(crate) const HASHTAGS: usize = 30;
/// A link, in bytes: the length that browsers and servers agree on.
pub(crate) const LINK: usize = 2_048;
/// How many links of a bio are read: Instagram allows five.
pub(crate) const LINKS: usize = 10;
/// Latest posts of a profile: the profile actor returns 12.
pub(crate) const LATEST_POSTS: usize = 12;
/// Posts of an account: as many as the posts actor is asked for.
pub(crate) const POSTS: usize = 50;
/// How many items of a dataset of profiles are read: ten accounts, each reported ten times.
pub(crate) const PROFILE_ITEMS: usize = 100;
/// How many items of a dataset of posts are read: twice the posts of ten accounts.
pub(crate) const POST_ITEMS: usize = 1_000;

/// Followers and likes: each is one account, and the Earth has eight billion people.
pub(crate) const PEOPLE: u64 = 10_000_000_000;
/// Accounts followed: Instagram allows 7,500, and old accounts have more.
pub(crate) const FOLLOWED: u64 = 1_000_000;
/// Posts in total: a hundred a day since Instagram began would be half a million.
pub(crate) const POSTS_IN_ALL: u64 = 10_000_000;
/// Comments and views: one person may make many of them. The most viewed reels have a few billion.
pub(crate) const TIMES: u64 = 100_000_000_000;

/// When Instagram began, 2010-10-06, in Unix seconds: no post is older.
pub(crate) const BEGAN: i64 = 1_286_323_200;
