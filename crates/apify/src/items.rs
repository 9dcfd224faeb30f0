//! The actors' items, and what they mean to the domain. This is the only place where a profile enters.
//!
//! Items are untrusted and change without notice. So every field is read by itself ([`crate::fields`]), cut
//! to what Instagram allows ([`crate::limits`]), and cleaned. Code that reads a `Profile` or a `Post` need
//! not do that again.

use crate::{
    fields::{Flag, count, flag, id, is_set, line, lines, link, list, posted_at, username, value},
    limits::{
        BIOGRAPHY, CAPTION, CATEGORY, FOLLOWED, FULL_NAME, HASHTAG, HASHTAGS, LATEST_POSTS, LINKS, PEOPLE,
        POSTS, POSTS_IN_ALL, TIMES,
    },
};
use jiff::Timestamp;
use oslira_domain::{Post, PostKind, Profile, Username, clean_line};
use serde::Deserialize;
use std::collections::{HashMap, HashSet};

/// The outcome of a scrape for one username.
#[derive(Clone, Debug, PartialEq)]
pub enum ProfileOutcome {
    /// The account is public, and this is what it shows.
    Found(Profile),
    /// Instagram has no such account.
    NotFound,
    /// The account is private.
    Private,
    /// Instagram did not let the actor see the account, or the actor's item cannot be read. Another scrape
    /// may succeed.
    Blocked,
}

/// An item of the profile actor.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ProfileItem {
    #[serde(deserialize_with = "username")]
    input_url: Option<Username>,
    #[serde(deserialize_with = "username")]
    url: Option<Username>,
    #[serde(deserialize_with = "username")]
    username: Option<Username>,
    #[serde(deserialize_with = "value")]
    error: Option<String>,
    #[serde(deserialize_with = "flag")]
    private: Flag,
    #[serde(deserialize_with = "line::<FULL_NAME, _>")]
    full_name: String,
    #[serde(deserialize_with = "lines::<BIOGRAPHY, _>")]
    biography: String,
    #[serde(deserialize_with = "link")]
    external_url: Option<String>,
    #[serde(deserialize_with = "list::<LINKS, _, _>")]
    external_urls: Vec<ExternalUrl>,
    #[serde(deserialize_with = "count::<PEOPLE, _>")]
    followers_count: Option<u64>,
    #[serde(deserialize_with = "count::<FOLLOWED, _>")]
    follows_count: Option<u64>,
    #[serde(deserialize_with = "count::<POSTS_IN_ALL, _>")]
    posts_count: Option<u64>,
    #[serde(deserialize_with = "is_set")]
    verified: bool,
    #[serde(deserialize_with = "is_set")]
    is_business_account: bool,
    #[serde(deserialize_with = "line::<CATEGORY, _>")]
    business_category_name: String,
    #[serde(deserialize_with = "list::<POSTS, _, _>")]
    latest_posts: Vec<PostItem>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ExternalUrl {
    #[serde(deserialize_with = "link")]
    url: Option<String>,
}

/// A post: an item of the posts actor, or one of a profile's latest posts.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PostItem {
    #[serde(deserialize_with = "username")]
    input_url: Option<Username>,
    #[serde(deserialize_with = "username")]
    owner_username: Option<Username>,
    #[serde(deserialize_with = "id")]
    short_code: Option<String>,
    #[serde(deserialize_with = "value")]
    r#type: Option<String>,
    #[serde(deserialize_with = "value")]
    product_type: Option<String>,
    #[serde(deserialize_with = "lines::<CAPTION, _>")]
    caption: String,
    #[serde(deserialize_with = "list::<HASHTAGS, _, _>")]
    hashtags: Vec<String>,
    #[serde(deserialize_with = "count::<PEOPLE, _>")]
    likes_count: Option<u64>,
    #[serde(deserialize_with = "count::<TIMES, _>")]
    comments_count: Option<u64>,
    #[serde(deserialize_with = "count::<TIMES, _>")]
    video_play_count: Option<u64>,
    #[serde(deserialize_with = "count::<TIMES, _>")]
    video_view_count: Option<u64>,
    #[serde(deserialize_with = "posted_at")]
    timestamp: Option<Timestamp>,
    #[serde(deserialize_with = "is_set")]
    is_pinned: bool,
}

/// Returns one outcome for each requested username, in that order.
pub(crate) fn outcomes(items: Vec<ProfileItem>, requested: &[Username]) -> Vec<(Username, ProfileOutcome)> {
    let mut items: Vec<_> = items.into_iter().map(|item| (item.about(), Some(item))).collect();
    requested
        .iter()
        .map(|username| {
            let own = items
                .iter_mut()
                .filter(|(about, _)| about.contains(username))
                .filter_map(|(_, item)| item.take());
            let best = own.map(|item| item.outcome(username)).max_by_key(ProfileOutcome::says);
            (username.clone(), best.unwrap_or(ProfileOutcome::Blocked))
        })
        .collect()
}

/// Returns the posts by the account whose page they are on. Accounts without posts are left out.
///
/// The requested page decides first: a post that several accounts made together has only one of them as its
/// owner.
pub(crate) fn posts_by_owner(items: Vec<PostItem>) -> HashMap<Username, Vec<Post>> {
    let mut by_owner: HashMap<Username, Vec<PostItem>> = HashMap::new();
    for mut item in items {
        let owner = item.input_url.take().or_else(|| item.owner_username.take());
        if let Some(owner) = owner {
            by_owner.entry(owner).or_default().push(item);
        }
    }
    let posts = by_owner.into_iter().map(|(owner, items)| (owner, posts(items, POSTS)));
    posts.filter(|(_, posts)| !posts.is_empty()).collect()
}

impl ProfileOutcome {
    /// How informative the item is, for an actor that reports twice on one account.
    fn says(&self) -> u8 {
        match self {
            Self::Found(_) => 3,
            Self::Private => 2,
            Self::NotFound => 1,
            Self::Blocked => 0,
        }
    }
}

impl ProfileItem {
    /// The usernames that the item may be an answer to: the requested one, and the account's present one.
    fn about(&self) -> Vec<Username> {
        [&self.input_url, &self.username, &self.url].into_iter().flatten().cloned().collect()
    }

    fn outcome(self, username: &Username) -> ProfileOutcome {
        match self.error.as_deref() {
            Some("not_found") => return ProfileOutcome::NotFound,
            Some(_) => return ProfileOutcome::Blocked,
            None => {}
        }
        match self.private {
            Flag::Yes => return ProfileOutcome::Private,
            // What may be private is not shown.
            Flag::Unreadable => return ProfileOutcome::Blocked,
            Flag::No => {}
        }
        // An empty item is a page that did not load, since every account has a number of followers.
        let Some(followers) = self.followers_count else { return ProfileOutcome::Blocked };
        let posts = posts(self.latest_posts, LATEST_POSTS);
        ProfileOutcome::Found(Profile {
            username: username.clone(),
            full_name: self.full_name,
            biography: self.biography,
            external_url: self
                .external_url
                .into_iter()
                .chain(self.external_urls.into_iter().filter_map(|external| external.url))
                .next(),
            followers,
            following: self.follows_count.unwrap_or_default(),
            posts_count: self.posts_count.unwrap_or_default().max(posts.len() as u64),
            is_verified: self.verified,
            is_business: self.is_business_account,
            business_category: Some(self.business_category_name).filter(|name| {
                let first = name.split(',').next().unwrap_or_default().trim();
                !first.is_empty() && first != "None"
            }),
            posts,
        })
    }
}

/// Unique posts, newest first, those without a date last, at most `most`. Without a code it is not a post,
/// which drops error items.
fn posts(items: Vec<PostItem>, most: usize) -> Vec<Post> {
    let mut seen = HashSet::new();
    let mut posts: Vec<Post> =
        items.into_iter().filter_map(post).filter(|post| seen.insert(post.short_code.clone())).collect();
    posts.sort_by_key(|post| std::cmp::Reverse(post.posted_at));
    posts.truncate(most);
    posts
}

fn post(item: PostItem) -> Option<Post> {
    Some(Post {
        kind: match (item.product_type.as_deref(), item.r#type.as_deref()) {
            (Some("clips"), _) => PostKind::Reel,
            (_, Some("Video")) => PostKind::Video,
            (_, Some("Sidecar")) => PostKind::Carousel,
            _ => PostKind::Image,
        },
        short_code: item.short_code?,
        caption: item.caption,
        hashtags: item.hashtags.iter().map(|tag| clean_line(tag.trim_start_matches('#'), HASHTAG)).collect(),
        likes: item.likes_count,
        comments: item.comments_count,
        views: item.video_play_count.or(item.video_view_count),
        posted_at: item.timestamp,
        is_pinned: item.is_pinned,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};

    /// Reads a value the way a real one is read: from text.
    fn read<T: DeserializeOwned>(value: Value) -> T {
        serde_json::from_str(&value.to_string()).unwrap()
    }

    fn outcome(item: Value) -> ProfileOutcome {
        outcomes(vec![read(item)], &["nasa".parse().unwrap()]).remove(0).1
    }

    fn found(item: Value) -> Profile {
        match outcome(item) {
            ProfileOutcome::Found(profile) => profile,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_an_actor_says_of_an_account() {
        let blocked = json!({"url": "https://www.instagram.com/nasa", "inputUrl": "https://www.instagram.com/nasa",
            "requestErrorMessages": ["Error: Request blocked, ..."], "error": "no_items",
            "errorDescription": "Empty or private data for provided input"});
        assert_eq!(outcome(blocked), ProfileOutcome::Blocked);
        let not_found = json!({"error": "not_found", "errorDescription": "Post does not exist", "username": "NASA",
            "url": "https://www.instagram.com/nasa"});
        assert_eq!(outcome(not_found), ProfileOutcome::NotFound);
        let private = json!({"username": "nasa", "private": true, "followersCount": 5});
        assert_eq!(outcome(private), ProfileOutcome::Private);
        assert_eq!(outcome(json!({"username": "nasa"})), ProfileOutcome::Blocked, "no figures");
        assert_eq!(outcome(json!({"username": "nasa", "followersCount": -1})), ProfileOutcome::Blocked);
        assert_eq!(
            outcome(json!({"username": "esa", "followersCount": 1})),
            ProfileOutcome::Blocked,
            "absent"
        );
    }

    #[test]
    fn missing_and_malformed_fields_are_defaults() {
        let profile = found(
            json!({"username": "nasa", "followersCount": 7.0, "follows_count": 3, "postsCount": -4,
            "biography": null, "fullName": 12, "verified": "yes", "externalUrls": [4, {"title": "x"}, {"url": "https://nasa.gov"}],
            "latestPosts": [{"shortCode": "A", "timestamp": "yesterday", "hashtags": ["ok", 1], "commentsCount": "3"}, {}, null]}),
        );
        assert_eq!((profile.followers, profile.following, profile.posts_count), (7, 0, 1));
        assert_eq!(
            (profile.biography.as_str(), profile.full_name.as_str(), profile.is_verified),
            ("", "", false)
        );
        assert_eq!(profile.external_url.as_deref(), Some("https://nasa.gov/"));
        let [post] = &profile.posts[..] else { panic!("{:?}", profile.posts) };
        assert_eq!((post.posted_at, post.likes, post.comments), (None, None, None));
        assert_eq!((post.kind, post.hashtags.as_slice()), (PostKind::Image, &["ok".to_owned()][..]));
    }

    #[test]
    fn a_category_of_none_is_none() {
        for (name, expected) in [
            (json!("None"), None),
            (json!("None,Restaurant"), None),
            (json!(""), None),
            (json!(null), None),
            (json!("Science, Technology"), Some("Science, Technology")),
        ] {
            let profile =
                found(json!({"username": "nasa", "followersCount": 1, "businessCategoryName": name}));
            assert_eq!(profile.business_category.as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn posts_are_unique_and_newest_first() {
        let profile = found(
            json!({"username": "nasa", "followersCount": 1, "postsCount": 900, "latestPosts": [
                {"shortCode": "undated"},
                {"shortCode": "old", "timestamp": "2025-06-05T20:51:55.000Z", "likesCount": -1, "isPinned": true},
                {"shortCode": "new", "timestamp": "2026-06-05T20:51:55.000Z", "likesCount": 0, "hashtags": ["#Moon", "x".repeat(101)]},
                {"shortCode": "old", "likesCount": 9},
            ]}),
        );
        let codes: Vec<_> = profile.posts.iter().map(|post| post.short_code.as_str()).collect();
        assert_eq!(codes, ["new", "old", "undated"]);
        assert_eq!((profile.posts[0].likes, profile.posts[1].likes), (Some(0), None));
        assert_eq!(profile.posts[0].hashtags, ["Moon".to_owned(), "x".repeat(100)]);
        assert!(profile.posts[1].is_pinned);
    }

    #[test]
    fn kinds_and_views() {
        let post = |mut item: Value| {
            item["shortCode"] = json!("A");
            post(read(item)).unwrap()
        };
        assert_eq!(post(json!({"type": "Video", "productType": "clips"})).kind, PostKind::Reel);
        assert_eq!(post(json!({"type": "Video", "productType": "feed"})).kind, PostKind::Video);
        assert_eq!(post(json!({"type": "Sidecar"})).kind, PostKind::Carousel);
        assert_eq!(post(json!({"videoViewCount": 5})).views, Some(5));
        assert_eq!(post(json!({"videoViewCount": 5, "videoPlayCount": 9})).views, Some(9));
    }

    #[test]
    fn the_best_of_several_items_counts_and_a_renamed_account_keeps_the_name_asked_for() {
        let items = json!([
            {"error": "no_items", "inputUrl": "https://www.instagram.com/nasa/"},
            {"inputUrl": "https://www.instagram.com/nasa/", "username": "nasa.official", "followersCount": 2},
            {"error": "not_found", "username": "nasa"},
            {"username": "esa", "private": true},
        ]);
        let requested = ["esa", "nasa", "jaxa"].map(|name| name.parse().unwrap());
        let outcomes = outcomes(read(items), &requested);
        assert_eq!(outcomes.len(), 3);
        assert_eq!(outcomes[0].1, ProfileOutcome::Private);
        assert!(
            matches!(&outcomes[1].1, ProfileOutcome::Found(profile) if profile.username.as_str() == "nasa")
        );
        assert_eq!(outcomes[2].1, ProfileOutcome::Blocked);
    }

    #[test]
    fn posts_belong_to_the_page_they_are_on() {
        let items = json!([
            {"ownerUsername": "nasa", "shortCode": "A"},
            {"ownerUsername": "esa", "shortCode": "B", "inputUrl": "https://www.instagram.com/nasa/"},
            {"ownerUsername": "esa", "shortCode": "C"},
            {"ownerUsername": "jaxa", "error": "no_items"},
            {"shortCode": "nobodys"},
        ]);
        let by_owner = posts_by_owner(read(items));
        let counts = by_owner.iter().map(|(owner, posts)| (owner.as_str(), posts.len()));
        assert_eq!(counts.collect::<HashMap<_, _>>(), HashMap::from([("nasa", 2), ("esa", 1)]));
    }

    #[test]
    fn a_profile_holds_no_more_than_instagram_can_have() {
        let long = "x".repeat(1_000_000);
        let post = json!({"shortCode": "A", "caption": long, "hashtags": vec!["y".repeat(200); 40]});
        let profile = found(
            json!({"username": "nasa", "followersCount": 1, "followsCount": u64::MAX, "postsCount": 1e300,
            "biography": long, "fullName": long, "businessCategoryName": long,
            "externalUrl": format!("https://nasa.gov/{long}"), "externalUrls": [{"url": "javascript:alert(1)"}],
            "latestPosts": [post]}),
        );
        assert_eq!((profile.following, profile.posts_count, profile.external_url), (0, 1, None));
        let lengths = [&profile.biography, &profile.full_name, profile.business_category.as_ref().unwrap()];
        assert_eq!(lengths.map(String::len), [BIOGRAPHY, FULL_NAME, CATEGORY]);
        let post = &profile.posts[0];
        assert_eq!(
            (post.caption.len(), post.hashtags.len(), post.hashtags[0].len()),
            (CAPTION, HASHTAGS, HASHTAG)
        );
        let many: Value =
            (0..60).map(|n| json!({"shortCode": format!("p{n}"), "ownerUsername": "nasa"})).collect();
        let profile = found(json!({"username": "nasa", "followersCount": 1, "latestPosts": many}));
        assert_eq!(
            (profile.posts.len(), posts_by_owner(read(many)).values().next().unwrap().len()),
            (LATEST_POSTS, POSTS)
        );
        assert_eq!(outcome(json!({"username": "nasa", "followersCount": u64::MAX})), ProfileOutcome::Blocked);
    }

    #[test]
    fn text_is_clean_and_keeps_its_lines() {
        let profile = found(
            json!({"username": "nasa", "followersCount": 1, "biography": "a\u{0}b\r\n\u{202e}c", "fullName": "\u{0}N\nASA",
            "latestPosts": [{"shortCode": "A", "caption": "1\n2\u{7}", "hashtags": ["#mo\non"]}, {"shortCode": "../a"}]}),
        );
        assert_eq!((profile.biography.as_str(), profile.full_name.as_str()), ("ab\nc", "N ASA"));
        let [post] = &profile.posts[..] else { panic!("{:?}", profile.posts) };
        assert_eq!((post.caption.as_str(), post.hashtags[0].as_str()), ("1\n2", "mo on"));
    }

    #[test]
    fn what_may_be_private_is_not_public() {
        for (private, expected) in [
            (json!("true"), ProfileOutcome::Private),
            (json!("True"), ProfileOutcome::Private),
            (json!(1), ProfileOutcome::Private),
            (json!("maybe"), ProfileOutcome::Blocked),
            (json!([]), ProfileOutcome::Blocked),
        ] {
            let item = json!({"username": "nasa", "followersCount": 1, "private": private});
            assert_eq!(outcome(item), expected, "{private}");
        }
        let item = json!({"username": "nasa", "followersCount": 1, "private": null, "verified": "True",
            "isBusinessAccount": 1, "latestPosts": [{"shortCode": "A", "isPinned": "true"}]});
        let profile = found(item);
        assert!(profile.is_verified && profile.is_business && profile.posts[0].is_pinned);
    }
}
