//! What Instagram lets an account have, with room to spare. What is beyond is cut, or is not believed.
//!
//! Lengths are in characters, which are Unicode scalar values here. Instagram counts otherwise in places, and an emoji may be
//! seven of them: so we keep twice what it allows.

/// A display name: Instagram allows 64.
pub(crate) const FULL_NAME: usize = 128;
/// A bio: Instagram allows 150.
pub(crate) const BIOGRAPHY: usize = 300;
/// A caption: Instagram allows 2,200.
pub(crate) const CAPTION: usize = 4_400;
/// A business's category. Instagram's own stay below 60, and actors list several.
pub(crate) const CATEGORY: usize = 200;
/// A hashtag: Instagram allows 100, and what is longer is none.
pub(crate) const HASHTAG: usize = 100;
/// Hashtags of a post: Instagram allows 30.
pub(crate) const HASHTAGS: usize = 30;
/// A link, in bytes: what browsers and servers agree on.
pub(crate) const LINK: usize = 2_048;
/// How many links of a bio are looked at: Instagram allows five.
pub(crate) const LINKS: usize = 10;
/// Latest posts of a profile: the profile actor brings 12.
pub(crate) const LATEST_POSTS: usize = 12;
/// Posts of an account: what the posts actor is asked for.
pub(crate) const POSTS: usize = 50;
/// Items of a dataset of profiles that are read: ten accounts, each reported on ten times.
pub(crate) const PROFILE_ITEMS: usize = 100;
/// Items of a dataset of posts: twice the posts of ten accounts.
pub(crate) const POST_ITEMS: usize = 1_000;

/// Followers and likes: an account each, and the Earth has eight billion people.
pub(crate) const PEOPLE: u64 = 10_000_000_000;
/// Accounts followed: Instagram allows 7,500, and old accounts have more.
pub(crate) const FOLLOWED: u64 = 1_000_000;
/// Posts in all: a hundred a day since Instagram began are half a million.
pub(crate) const POSTS_IN_ALL: u64 = 10_000_000;
/// Comments and views, of which one person may make many: the most viewed reels have a few billion.
pub(crate) const TIMES: u64 = 100_000_000_000;

/// When Instagram began, 2010-10-06, in Unix seconds: no post is older.
pub(crate) const BEGAN: i64 = 1_286_323_200;
