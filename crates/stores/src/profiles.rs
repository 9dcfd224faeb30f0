//! Profiles and their posts in S3: immutable snapshots, and two cache entries per username that name the
//! latest ones.

use crate::objects::Objects;
use jiff::Timestamp;
use oslira_domain::{Code, Error, Posts, ProfileSource, Result, Snapshot, Username};
use oslira_lambda::Env;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// What the cache holds of a username.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "outcome")]
pub enum CachedProfile {
    #[serde(rename_all = "camelCase")]
    Found { snapshot_key: String, scraped_at: Timestamp },
    /// Instagram had no such account.
    #[serde(rename_all = "camelCase")]
    NotFound { scraped_at: Timestamp },
    /// The account was private.
    #[serde(rename_all = "camelCase")]
    Private { scraped_at: Timestamp },
}

impl CachedProfile {
    /// When the profile was looked for on Instagram, whatever was found.
    pub const fn scraped_at(&self) -> Timestamp {
        match self {
            Self::Found { scraped_at, .. } | Self::NotFound { scraped_at } | Self::Private { scraped_at } => {
                *scraped_at
            }
        }
    }
}

/// What the cache holds of a username's posts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CachedPosts {
    pub posts_key: String,
    pub scraped_at: Timestamp,
    /// How many posts there are.
    pub count: usize,
}

/// Profiles and posts, in the bucket of profiles.
#[derive(Debug)]
pub struct ProfileStore {
    objects: Objects,
}

impl ProfileStore {
    /// Needs the variable `PROFILES_BUCKET`.
    pub fn new(env: &Env) -> Result<Self> {
        Ok(Self { objects: Objects::new(env)? })
    }

    /// Returns the cache entry of a username, fresh or not.
    pub async fn cached(&self, username: &Username) -> Result<Option<CachedProfile>> {
        self.entry(&profile_entry(username)).await
    }

    /// Returns the cache entry of a username's posts, fresh or not.
    pub async fn cached_posts(&self, username: &Username) -> Result<Option<CachedPosts>> {
        self.entry(&posts_entry(username)).await
    }

    /// Stores a snapshot, then points the cache entry to it. Returns the snapshot's key. `scrape_id`
    /// identifies the scrape: a repeated call with the same id overwrites the same object.
    pub async fn store(&self, snapshot: &Snapshot, scrape_id: &str) -> Result<String> {
        let username = &snapshot.profile.username;
        let key = format!("profiles/{username}/{scrape_id}");
        self.objects.put(&key, snapshot).await?;
        let entry = CachedProfile::Found { snapshot_key: key.clone(), scraped_at: snapshot.scraped_at };
        self.objects.put(&profile_entry(username), &entry).await?;
        Ok(key)
    }

    /// Stores posts in the same way. Returns their cache entry.
    pub async fn store_posts(
        &self,
        username: &Username,
        posts: &Posts,
        scrape_id: &str,
    ) -> Result<CachedPosts> {
        let posts_key = format!("profiles/{username}/posts/{scrape_id}");
        self.objects.put(&posts_key, posts).await?;
        let entry = CachedPosts { posts_key, scraped_at: posts.scraped_at, count: posts.posts.len() };
        self.objects.put(&posts_entry(username), &entry).await?;
        Ok(entry)
    }

    /// Keeps in the cache that a username has no public profile.
    pub async fn remember(&self, username: &Username, refusal: &CachedProfile) -> Result<()> {
        self.objects.put(&profile_entry(username), refusal).await
    }

    /// Removes the cache entry of a username's posts. The snapshot stays for the runs that read it.
    pub async fn forget_posts(&self, username: &Username) -> Result<()> {
        self.objects.delete(&posts_entry(username)).await
    }

    /// Returns the snapshot under a key that an earlier step returned.
    pub async fn snapshot(&self, key: &str) -> Result<Snapshot> {
        self.objects.get(key).await?.ok_or_else(|| Error::internal(format!("the snapshot {key} is gone")))
    }

    /// Returns everything that a run reads: the profile's snapshot, and the separately scraped posts where
    /// there are any.
    pub async fn read(&self, source: &ProfileSource) -> Result<Snapshot> {
        let posts = async {
            let Some(key) = &source.posts_key else { return Ok(None) };
            let posts: Option<Posts> = self.objects.get(key).await?;
            posts.map(Some).ok_or_else(|| Error::internal(format!("the snapshot {key} is gone")))
        };
        let (snapshot, posts) = tokio::join!(self.snapshot(&source.snapshot_key), posts);
        let (snapshot, posts) = (snapshot?, posts?);
        Ok(match posts {
            Some(posts) => snapshot.with_posts(posts),
            None => snapshot,
        })
    }

    async fn entry<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        match self.objects.get(key).await {
            // Another version of this code wrote the entry. To scrape again is right; to fail is not.
            Err(error) if error.code == Code::InternalError => {
                tracing::warn!(key, cause = error.chain(), "unreadable cache entry");
                Ok(None)
            }
            answer => answer,
        }
    }
}

fn profile_entry(username: &Username) -> String {
    format!("instagram:{username}:v1")
}

fn posts_entry(username: &Username) -> String {
    format!("instagram:{username}:posts:v1")
}
