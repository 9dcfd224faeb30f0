//! The actors' items, and what they mean to the domain.
//!
//! Items are untrusted and change without notice, so that every field is read by [`lenient`].

use jiff::Timestamp;
use oslira_domain::{Post, PostKind, Profile, Username};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::Value;
use std::collections::HashSet;

/// Longest hashtag, in characters; Instagram allows no longer ones, so what is longer is none and may be cut.
const MAX_HASHTAG_CHARS: usize = 100;

/// What became of one username in a scrape.
#[derive(Clone, Debug, PartialEq)]
pub enum ProfileOutcome {
    /// It is public, and this is what it shows.
    Found(Profile),
    /// Instagram has no such account.
    NotFound,
    /// The account is private.
    Private,
    /// Instagram did not let the actor see it, or the actor said nothing of it: another scrape may.
    Blocked,
}

/// An item of the profile actor.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ProfileItem {
    #[serde(deserialize_with = "lenient")]
    input_url: Option<String>,
    #[serde(deserialize_with = "lenient")]
    url: Option<String>,
    #[serde(deserialize_with = "lenient")]
    username: Option<String>,
    #[serde(deserialize_with = "lenient")]
    error: Option<String>,
    #[serde(deserialize_with = "lenient")]
    private: bool,
    #[serde(deserialize_with = "lenient")]
    full_name: String,
    #[serde(deserialize_with = "lenient")]
    biography: String,
    #[serde(deserialize_with = "lenient")]
    external_url: Option<String>,
    #[serde(deserialize_with = "list")]
    external_urls: Vec<ExternalUrl>,
    #[serde(deserialize_with = "count")]
    followers_count: Option<u64>,
    #[serde(deserialize_with = "count")]
    follows_count: Option<u64>,
    #[serde(deserialize_with = "count")]
    posts_count: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    verified: bool,
    #[serde(deserialize_with = "lenient")]
    is_business_account: bool,
    #[serde(deserialize_with = "lenient")]
    business_category_name: Option<String>,
    #[serde(deserialize_with = "list")]
    latest_posts: Vec<PostItem>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ExternalUrl {
    #[serde(deserialize_with = "lenient")]
    url: String,
}

/// A post: an item of the posts actor, or one of a profile's latest.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PostItem {
    #[serde(deserialize_with = "lenient")]
    input_url: Option<String>,
    #[serde(deserialize_with = "lenient")]
    owner_username: Option<String>,
    #[serde(deserialize_with = "lenient")]
    short_code: String,
    #[serde(deserialize_with = "lenient")]
    r#type: String,
    #[serde(deserialize_with = "lenient")]
    product_type: String,
    #[serde(deserialize_with = "lenient")]
    caption: String,
    #[serde(deserialize_with = "list")]
    hashtags: Vec<String>,
    #[serde(deserialize_with = "count")]
    likes_count: Option<u64>,
    #[serde(deserialize_with = "count")]
    comments_count: Option<u64>,
    #[serde(deserialize_with = "count")]
    video_play_count: Option<u64>,
    #[serde(deserialize_with = "count")]
    video_view_count: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    timestamp: Option<Timestamp>,
    #[serde(deserialize_with = "lenient")]
    is_pinned: bool,
}

/// One outcome per requested username, in that order.
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

/// Posts by the account whose page they are on, in the order the accounts come.
///
/// The page asked for comes first: a post made together with others is owned by one of them only.
pub(crate) fn posts_by_owner(items: Vec<PostItem>) -> Vec<(Username, Vec<Post>)> {
    let mut by_owner: Vec<(Username, Vec<PostItem>)> = Vec::new();
    for item in items {
        let Some(owner) = parse(&item.input_url).or_else(|| parse(&item.owner_username)) else { continue };
        match by_owner.iter_mut().find(|(username, _)| *username == owner) {
            Some((_, posts)) => posts.push(item),
            None => by_owner.push((owner, vec![item])),
        }
    }
    by_owner
        .into_iter()
        .map(|(owner, items)| (owner, posts(items)))
        .filter(|(_, posts)| !posts.is_empty())
        .collect()
}

impl ProfileOutcome {
    /// How much it says, where an actor reports twice on one account.
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
    /// The usernames it may be an answer to: the one asked for, and the account's present one.
    fn about(&self) -> Vec<Username> {
        [&self.input_url, &self.username, &self.url].into_iter().filter_map(parse).collect()
    }

    fn outcome(self, username: &Username) -> ProfileOutcome {
        match self.error.as_deref() {
            Some("not_found") => return ProfileOutcome::NotFound,
            Some(_) => return ProfileOutcome::Blocked,
            None if self.private => return ProfileOutcome::Private,
            None => {}
        }
        // An empty item is a page that did not load: no account is without a number of followers.
        let Some(followers) = self.followers_count else { return ProfileOutcome::Blocked };
        let posts = posts(self.latest_posts);
        ProfileOutcome::Found(Profile {
            username: username.clone(),
            full_name: self.full_name,
            biography: self.biography,
            external_url: self
                .external_url
                .into_iter()
                .chain(self.external_urls.into_iter().map(|external| external.url))
                .find(|url| !url.is_empty()),
            followers,
            following: self.follows_count.unwrap_or_default(),
            posts_count: self.posts_count.unwrap_or_default().max(posts.len() as u64),
            is_verified: self.verified,
            is_business: self.is_business_account,
            business_category: self.business_category_name.filter(|name| {
                let first = name.split(',').next().unwrap_or_default().trim();
                !first.is_empty() && first != "None"
            }),
            posts,
        })
    }
}

/// Unique, newest first, undated last. What has no code is no post: error items end here.
fn posts(items: Vec<PostItem>) -> Vec<Post> {
    let mut seen = HashSet::new();
    let mut posts: Vec<Post> = items
        .into_iter()
        .filter(|item| !item.short_code.is_empty() && seen.insert(item.short_code.clone()))
        .map(Post::from)
        .collect();
    posts.sort_by_key(|post| std::cmp::Reverse(post.posted_at));
    posts
}

impl From<PostItem> for Post {
    fn from(item: PostItem) -> Self {
        Self {
            kind: match (item.product_type.as_str(), item.r#type.as_str()) {
                ("clips", _) => PostKind::Reel,
                (_, "Video") => PostKind::Video,
                (_, "Sidecar") => PostKind::Carousel,
                _ => PostKind::Image,
            },
            short_code: item.short_code,
            caption: item.caption,
            hashtags: item.hashtags.iter().map(|tag| hashtag(tag)).collect(),
            likes: item.likes_count,
            comments: item.comments_count,
            views: item.video_play_count.or(item.video_view_count),
            posted_at: item.timestamp,
            is_pinned: item.is_pinned,
        }
    }
}

fn parse(text: &Option<String>) -> Option<Username> {
    text.as_ref()?.parse().ok()
}

/// `null` and values of another type are the default.
pub(crate) fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(
    input: D,
) -> Result<T, D::Error> {
    Ok(serde_json::from_value(storable(Value::deserialize(input)?)).unwrap_or_default())
}

/// Without the character U+0000, which no one means and Postgres cannot store.
fn storable(mut value: Value) -> Value {
    match &mut value {
        Value::String(text) => text.retain(|c| c != '\0'),
        Value::Array(items) => items.iter_mut().for_each(|item| *item = storable(item.take())),
        _ => {}
    }
    value
}

/// The elements that are of the type; none when it is no list.
fn list<'de, D: Deserializer<'de>, T: DeserializeOwned>(input: D) -> Result<Vec<T>, D::Error> {
    Ok(readable(lenient(input)?))
}

/// The items that are of the type.
pub(crate) fn readable<T: DeserializeOwned>(items: Vec<Value>) -> Vec<T> {
    items.into_iter().filter_map(|item| serde_json::from_value(item).ok()).collect()
}

/// A number that is not negative, also one written with a decimal point; anything else is unknown.
fn count<'de, D: Deserializer<'de>>(input: D) -> Result<Option<u64>, D::Error> {
    let value = Value::deserialize(input)?;
    Ok(value.as_u64().or_else(|| value.as_f64().filter(|number| *number >= 0.0).map(|number| number as u64)))
}

/// A hashtag without `#`.
fn hashtag(tag: &str) -> String {
    tag.trim_start_matches('#').chars().take(MAX_HASHTAG_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn outcome(item: Value) -> ProfileOutcome {
        let items = vec![serde_json::from_value(item).unwrap()];
        outcomes(items, &["nasa".parse().unwrap()]).remove(0).1
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
        assert_eq!(profile.external_url.as_deref(), Some("https://nasa.gov"));
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
        let post = |item: Value| Post::from(serde_json::from_value::<PostItem>(item).unwrap());
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
        let outcomes = outcomes(serde_json::from_value(items).unwrap(), &requested);
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
            {"shortCode": "nobody's"},
        ]);
        let by_owner = posts_by_owner(serde_json::from_value(items).unwrap());
        let counts: Vec<_> = by_owner.iter().map(|(owner, posts)| (owner.as_str(), posts.len())).collect();
        assert_eq!(counts, [("nasa", 2), ("esa", 1)]);
    }

    #[test]
    fn what_postgres_cannot_store_is_left_out() {
        let profile = found(
            json!({"username": "nasa", "followersCount": 1, "biography": "a\u{0}b", "fullName": "\u{0}"}),
        );
        assert_eq!((profile.biography.as_str(), profile.full_name.as_str()), ("ab", ""));
    }
}
