//! The HTTP calls.

use crate::{
    ActorRun, ActorStatus, ProfileOutcome,
    error::Failure,
    items::{PostItem, ProfileItem, outcomes, posts_by_owner, readable},
};
use backon::{ExponentialBuilder, Retryable};
use oslira_domain::{Post, Result, Username};
use reqwest::{Client, RequestBuilder, Response};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::{fmt, time::Duration};

const PROFILE_ACTOR: &str = "apify~instagram-profile-scraper";
const POSTS_ACTOR: &str = "apify~instagram-scraper";
/// How many posts of an account the posts actor brings.
const POSTS_PER_ACCOUNT: usize = 50;

/// The longest that Apify holds a request open for a run.
const MAX_WAIT: Duration = Duration::from_secs(60);
/// What a request may take besides the wait it asks for.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);
/// Items of ten profiles are some megabytes.
const ITEMS_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a read waits inside the client before it leaves the waiting to its caller.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(5);

/// Fields that are large and never read: most of an item's bytes.
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
    /// Where Apify is.
    pub const DEFAULT_BASE_URL: &'static str = "https://api.apify.com";

    /// A client that calls `{base_url}/v2/…` with this token.
    pub fn new(http: Client, base_url: impl AsRef<str>, token: impl Into<String>) -> Self {
        Self { http, base_url: base_url.as_ref().trim_end_matches('/').to_owned(), token: token.into() }
    }

    /// Starts one run that scrapes these profiles with their latest posts. Apify stops it after `timeout`.
    ///
    /// # Errors
    /// `ApifyUnavailable` or `ApifyRejected`. After the former a run may have been started all the same.
    pub async fn start_profiles_run(&self, usernames: &[Username], timeout: Duration) -> Result<ActorRun> {
        let input = json!({ "usernames": usernames });
        self.start(PROFILE_ACTOR, &input, usernames.len(), timeout).await
    }

    /// Starts one run that scrapes the latest 50 posts of each of these accounts. Apify stops it after
    /// `timeout`.
    ///
    /// # Errors
    /// `ApifyUnavailable` or `ApifyRejected`. After the former a run may have been started all the same.
    pub async fn start_posts_run(&self, usernames: &[Username], timeout: Duration) -> Result<ActorRun> {
        let urls: Vec<_> =
            usernames.iter().map(|name| format!("https://www.instagram.com/{name}/")).collect();
        let input = json!({ "directUrls": urls, "resultsType": "posts", "resultsLimit": POSTS_PER_ACCOUNT });
        self.start(POSTS_ACTOR, &input, usernames.len() * POSTS_PER_ACCOUNT, timeout).await
    }

    /// Waits until the run ends, up to `wait` (60 s at most), and returns it as it is then, ended or not.
    ///
    /// # Errors
    /// `ApifyUnavailable` or `ApifyRejected`. That the run failed is no error here: its
    /// [status](ActorRun::status) tells, and its cost still counts.
    pub async fn wait_for_run(&self, id: &str, wait: Duration) -> Result<ActorRun> {
        let wait = wait.min(MAX_WAIT);
        let url = format!("{}/v2/actor-runs/{id}", self.base_url);
        let run: Data<ActorRun> = self
            .read(|| {
                self.http
                    .get(&url)
                    .query(&[("waitForFinish", wait.as_secs())])
                    .timeout(wait + REQUEST_TIMEOUT)
            })
            .await?;
        Ok(run.data)
    }

    /// What the run found, one outcome per username asked for, in that order.
    ///
    /// # Errors
    /// `ApifyUnavailable` or `ApifyRejected`; the former also when the run has not succeeded.
    pub async fn profiles(
        &self,
        run: &ActorRun,
        requested: &[Username],
    ) -> Result<Vec<(Username, ProfileOutcome)>> {
        let items: Vec<ProfileItem> = self.items(run).await?;
        Ok(outcomes(items, requested))
    }

    /// The posts the run found by account, newest first. An account without posts is not listed.
    ///
    /// # Errors
    /// `ApifyUnavailable` or `ApifyRejected`; the former also when the run has not succeeded.
    pub async fn posts(&self, run: &ActorRun) -> Result<Vec<(Username, Vec<Post>)>> {
        let items: Vec<PostItem> = self.items(run).await?;
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
        let run: Data<ActorRun> = decode(self.send(request).await?).await?;
        Ok(run.data)
    }

    async fn items<T: DeserializeOwned>(&self, run: &ActorRun) -> Result<Vec<T>> {
        if run.status != ActorStatus::Succeeded {
            return Err(Failure::Run { id: run.id.clone(), status: run.status }.into());
        }
        let url = format!("{}/v2/datasets/{}/items", self.base_url, run.dataset_id);
        let query = [("clean", "true"), ("format", "json"), ("omit", OMITTED)];
        let items = self.read(|| self.http.get(&url).query(&query).timeout(ITEMS_TIMEOUT)).await?;
        Ok(readable(items))
    }

    /// Sends a request that changes nothing, again when that may help.
    async fn read<T: DeserializeOwned>(&self, request: impl Fn() -> RequestBuilder) -> Result<T, Failure> {
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

/// How Apify wraps an object.
#[derive(Deserialize)]
struct Data<T> {
    data: T,
}

async fn decode<T: DeserializeOwned>(response: Response) -> Result<T, Failure> {
    Ok(serde_json::from_slice(&response.bytes().await?)?)
}
