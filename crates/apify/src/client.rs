//! The HTTP calls.

use crate::{
    ActorRun, ActorStatus, ProfileOutcome,
    error::{Failure, Unreadable},
    items::{PostItem, ProfileItem, outcomes, posts_by_owner},
    limits::{POST_ITEMS, POSTS, PROFILE_ITEMS},
};
use backon::{ExponentialBuilder, Retryable};
use oslira_domain::{Post, Result, Username};
use oslira_upstream::BodyError;
use reqwest::{Client, RequestBuilder, Response};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::{collections::HashMap, fmt, time::Duration};

const PROFILE_ACTOR: &str = "apify~instagram-profile-scraper";
const POSTS_ACTOR: &str = "apify~instagram-scraper";

/// The longest time that Apify lets a request wait for a run.
const MAX_WAIT: Duration = Duration::from_secs(60);
/// How long a request may take in addition to the wait that it asks for.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);
/// How long reading items may take. The items of ten profiles are some megabytes.
const ITEMS_TIMEOUT: Duration = Duration::from_secs(30);
/// The largest run object that is read, in bytes. Real ones have a few thousand.
const OBJECT_BYTES: usize = 1_000_000;
/// The largest dataset that is read, in bytes: several times the size of ten profiles or 500 posts. Reading
/// it took at most 142 of a Lambda's 256 MB (measured with a dataset that is all one bio without valid
/// UTF-8).
const DATASET_BYTES: usize = 16_000_000;

/// How long a read waits inside the client. Longer waits are left to the caller.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(5);

/// Fields that are large and never used. They are most of an item's bytes.
const OMITTED: &str =
    "childPosts,images,latestComments,latestIgtvVideos,musicInfo,relatedProfiles,taggedUsers";

/// A client of Apify's API. Cheap to clone.
#[derive(Clone)]
pub struct Apify {
    http: Client,
    base_url: String,
    token: String,
}

impl Apify {
    /// Apify's own address.
    pub const DEFAULT_BASE_URL: &'static str = "https://api.apify.com";

    /// A client that calls `{base_url}/v2/…` with this token.
    pub fn new(http: Client, base_url: impl AsRef<str>, token: impl Into<String>) -> Self {
        Self { http, base_url: base_url.as_ref().trim_end_matches('/').to_owned(), token: token.into() }
    }

    /// Starts one run that scrapes these profiles with their latest posts. Apify stops it after `timeout`.
    ///
    /// # Errors
    /// `ApifyUnavailable` or `ApifyRejected`. After `ApifyUnavailable` a run may have been started all the
    /// same.
    pub async fn start_profiles_run(&self, usernames: &[Username], timeout: Duration) -> Result<ActorRun> {
        let input = json!({ "usernames": usernames });
        self.start(PROFILE_ACTOR, &input, usernames.len(), timeout).await
    }

    /// Starts one run that scrapes the latest 50 posts of each of these accounts. Apify stops it after
    /// `timeout`.
    ///
    /// # Errors
    /// `ApifyUnavailable` or `ApifyRejected`. After `ApifyUnavailable` a run may have been started all the
    /// same.
    pub async fn start_posts_run(&self, usernames: &[Username], timeout: Duration) -> Result<ActorRun> {
        let urls: Vec<_> =
            usernames.iter().map(|name| format!("https://www.instagram.com/{name}/")).collect();
        let input = json!({ "directUrls": urls, "resultsType": "posts", "resultsLimit": POSTS });
        self.start(POSTS_ACTOR, &input, usernames.len() * POSTS, timeout).await
    }

    /// Waits until the run ends, for `wait` at most (60 s at most), and returns the run as it is then, ended
    /// or not.
    ///
    /// # Errors
    /// `ApifyUnavailable` or `ApifyRejected`. A failed run is not an error here: its
    /// [status](ActorRun::status) says so, and its cost still counts.
    pub async fn wait_for_run(&self, id: &str, wait: Duration) -> Result<ActorRun> {
        let wait = wait.min(MAX_WAIT);
        let url = format!("{}/v2/actor-runs/{id}", self.base_url);
        let request = || {
            self.http.get(&url).query(&[("waitForFinish", wait.as_secs())]).timeout(wait + REQUEST_TIMEOUT)
        };
        Ok(self.read(request, object).await?)
    }

    /// Returns one outcome for each requested username, in that order. An item that cannot be read affects
    /// its own username only: the outcome is `Blocked`.
    ///
    /// # Errors
    /// `ApifyUnavailable` or `ApifyRejected`. `ApifyUnavailable` also when the run has not succeeded, and
    /// when the dataset as a whole cannot be read: it is not a list, or larger than 16 MB.
    pub async fn profiles(
        &self,
        run: &ActorRun,
        requested: &[Username],
    ) -> Result<Vec<(Username, ProfileOutcome)>> {
        let items: Vec<ProfileItem> = self.items(run, PROFILE_ITEMS).await?;
        Ok(outcomes(items, requested))
    }

    /// Returns the posts that the run found by account, newest first. Accounts without posts are left out.
    ///
    /// # Errors
    /// As for [`profiles`](Self::profiles).
    pub async fn posts(&self, run: &ActorRun) -> Result<HashMap<Username, Vec<Post>>> {
        let items: Vec<PostItem> = self.items(run, POST_ITEMS).await?;
        Ok(posts_by_owner(items))
    }

    /// Stops the run. Nothing happens when it has ended already.
    ///
    /// # Errors
    /// `ApifyUnavailable` or `ApifyRejected`.
    pub async fn abort_run(&self, id: &str) -> Result<()> {
        let url = format!("{}/v2/actor-runs/{id}/abort", self.base_url);
        self.send(self.http.post(url).timeout(REQUEST_TIMEOUT)).await?;
        Ok(())
    }

    async fn start(
        &self,
        actor: &str,
        input: &Value,
        max_items: usize,
        timeout: Duration,
    ) -> Result<ActorRun> {
        let request = self
            .http
            .post(format!("{}/v2/acts/{actor}/runs", self.base_url))
            .query(&[("timeout", timeout.as_secs()), ("maxItems", max_items as u64)])
            .timeout(REQUEST_TIMEOUT)
            .json(input);
        Ok(object(self.send(request).await?).await?)
    }

    async fn items<T: DeserializeOwned>(&self, run: &ActorRun, most: usize) -> Result<Vec<T>> {
        if run.status != ActorStatus::Succeeded {
            return Err(Failure::Run { id: run.id.clone(), status: run.status }.into());
        }
        let url = format!("{}/v2/datasets/{}/items", self.base_url, run.dataset_id);
        let query = [("clean", "true"), ("format", "json"), ("omit", OMITTED)];
        let request = || self.http.get(&url).query(&query).timeout(ITEMS_TIMEOUT);
        let items = self.read(request, async |response| dataset(response, most).await).await?;
        let unreadable = items.iter().filter(|item| item.is_none()).count();
        if unreadable > 0 {
            tracing::warn!(actorRunId = run.id, unreadable, "items of a dataset cannot be read");
        }
        Ok(items.into_iter().flatten().collect())
    }

    /// Sends a request that changes nothing, and repeats it when that may help.
    async fn read<T>(
        &self,
        request: impl Fn() -> RequestBuilder,
        decode: impl AsyncFn(Response) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let backoff = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(250))
            .with_max_times(2)
            .with_jitter();
        (async || decode(self.send(request()).await?).await)
            .retry(backoff)
            .when(Failure::is_soon_over)
            .adjust(|failure, delay| match failure.retry_after() {
                Some(wanted) if wanted > MAX_RETRY_AFTER => None,
                Some(wanted) => delay.and(Some(wanted)),
                None => delay,
            })
            .notify(|failure, delay| tracing::warn!(%failure, ?delay, "Apify is asked again"))
            .await
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let response = request.bearer_auth(&self.token).send().await?;
        if response.status().is_success() { Ok(response) } else { Err(Failure::of(response).await) }
    }
}

impl fmt::Debug for Apify {
    /// Leaves the token out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Apify").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

/// The object that Apify wraps around another.
#[derive(Deserialize)]
struct Data<T> {
    data: T,
}

/// Reads one of Apify's own objects.
async fn object<T: DeserializeOwned>(response: Response) -> Result<T, Failure> {
    let body = body(response, OBJECT_BYTES, Failure::Body).await?;
    let object: Data<T> = oslira_upstream::json(&body).map_err(|error| Failure::Body(error.into()))?;
    Ok(object.data)
}

/// Reads what an actor found: every item that can be read.
async fn dataset<T: DeserializeOwned>(response: Response, most: usize) -> Result<Vec<Option<T>>, Failure> {
    let body = body(response, DATASET_BYTES, Failure::Dataset).await.map_err(|failure| match failure {
        Failure::Transport(error) if error.is_timeout() => Failure::Slow,
        failure => failure,
    })?;
    oslira_upstream::items(&body, most).map_err(|error| Failure::Dataset(error.into()))
}

async fn body(
    response: Response,
    most_bytes: usize,
    unreadable: fn(Unreadable) -> Failure,
) -> Result<Vec<u8>, Failure> {
    oslira_upstream::read(response, most_bytes).await.map_err(|error| match error {
        BodyError::Transport(error) => error.into(),
        BodyError::TooLarge { most_bytes } => unreadable(Unreadable::TooLarge { most_bytes }),
    })
}
