//! The upstream servers' controls.

use crate::{Fault, Upstream};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Faults, counters and forged tokens.
#[derive(Debug)]
pub struct StandIns {
    http: reqwest::Client,
    url: String,
}

impl StandIns {
    pub(crate) fn new(http: reqwest::Client, url: &str) -> Self {
        Self { http, url: url.to_owned() }
    }

    /// Puts a fault in force. Match a username, so that it strikes no other run; only a test in `outages` need not.
    pub async fn fault(&self, fault: Fault) -> Result<()> {
        self.call(reqwest::Method::POST, "faults", &fault.into_json()).await.map(drop)
    }

    /// How many requests each fault in force has struck, by service.
    pub async fn struck(&self) -> Result<BTreeMap<Upstream, u64>> {
        let faults = self.call(reqwest::Method::GET, "faults", &Value::Null).await?;
        let mut struck = BTreeMap::new();
        for fault in faults.as_array().context("no faults")? {
            let upstream = Upstream::ALL.into_iter().find(|it| fault["upstream"] == it.name());
            let upstream = upstream.with_context(|| format!("a fault of nobody's: {fault}"))?;
            *struck.entry(upstream).or_default() += fault["hits"].as_u64().context("hits")?;
        }
        Ok(struck)
    }

    /// Withdraws all faults.
    pub async fn clear_faults(&self) -> Result<()> {
        self.call(reqwest::Method::DELETE, "faults", &Value::Null).await.map(drop)
    }

    /// Changes how long the services take.
    pub async fn latency(&self, latency: Value) -> Result<()> {
        self.call(reqwest::Method::PUT, "latency", &latency).await.map(drop)
    }

    /// Lets the actor runs under way for a username succeed now, however slow they were meant to be.
    pub async fn release(&self, username: &str) -> Result<()> {
        let order = json!({"contains": username});
        self.call(reqwest::Method::POST, "runs/release", &order).await.map(drop)
    }

    /// How many requests to a service had this text in their body.
    pub async fn requests(&self, upstream: Upstream, containing: &str) -> Result<u64> {
        let counters =
            self.call(reqwest::Method::GET, &format!("counters?contains={containing}"), &Value::Null).await?;
        counters[upstream.name()]["requests"].as_u64().with_context(|| format!("no counter in {counters}"))
    }

    /// How many actor runs were started for a username.
    pub async fn actor_runs(&self, username: &str) -> Result<u64> {
        self.of_actors(username, "actorRuns").await
    }

    /// How many of these were aborted.
    pub async fn aborted(&self, username: &str) -> Result<u64> {
        self.of_actors(username, "aborted").await
    }

    async fn of_actors(&self, username: &str, counter: &str) -> Result<u64> {
        let counters =
            self.call(reqwest::Method::GET, &format!("counters?contains={username}"), &Value::Null).await?;
        counters["apify"][counter].as_u64().with_context(|| format!("no counter in {counters}"))
    }

    /// The bodies of the latest requests to a service with this text in them.
    pub async fn bodies(&self, upstream: Upstream, containing: &str) -> Result<Vec<Value>> {
        let requests = self.latest(upstream, containing).await?;
        Ok(requests.iter().map(|request| request["body"].clone()).collect())
    }

    /// The tokens for an AI gateway that came with them; `None` where none did.
    pub async fn gateway_tokens(&self, upstream: Upstream, containing: &str) -> Result<Vec<Option<String>>> {
        let requests = self.latest(upstream, containing).await?;
        Ok(requests.iter().map(|request| request["gatewayToken"].as_str().map(str::to_owned)).collect())
    }

    async fn latest(&self, upstream: Upstream, containing: &str) -> Result<Vec<Value>> {
        let path = format!("requests?upstream={upstream}&contains={containing}");
        let requests = self.call(reqwest::Method::GET, &path, &Value::Null).await?;
        Ok(requests.as_array().context("no requests")?.clone())
    }

    /// Changes how the services behave; see the stand-ins' README.
    pub async fn behave(&self, behaviour: Value) -> Result<()> {
        self.call(reqwest::Method::PUT, "behaviour", &behaviour).await.map(drop)
    }

    /// Changes fields of an Instagram profile, in the scraper's words.
    pub async fn profile(&self, username: &str, fields: &Value) -> Result<()> {
        self.call(reqwest::Method::PUT, &format!("profiles/{username}"), fields).await.map(drop)
    }

    /// What the scraper finds of an Instagram profile, as JSON that is passed on as it is.
    pub async fn profile_item(&self, username: &str, item: String) -> Result<()> {
        let url = format!("{}/_control/profiles/{username}/item", self.url);
        let status = self.http.put(url).body(item).send().await?.status();
        anyhow::ensure!(status.is_success(), "the stand-ins answered {status}");
        Ok(())
    }

    /// A token of these terms; see the stand-ins' README.
    pub async fn token(&self, terms: Value) -> Result<String> {
        let answer = self.call(reqwest::Method::POST, "jwt", &terms).await?;
        Ok(answer["token"].as_str().context("no token")?.to_owned())
    }

    /// A good token of a user.
    pub async fn token_of(&self, user_id: &str, email: &str) -> Result<String> {
        self.token(json!({"alg": "ES256", "claims": {"sub": user_id, "email": email}})).await
    }

    /// The key server's address, issuer, legacy secret and service keys.
    pub async fn keys(&self) -> Result<Value> {
        self.call(reqwest::Method::GET, "keys", &Value::Null).await
    }

    async fn call(&self, method: reqwest::Method, path: &str, body: &Value) -> Result<Value> {
        let request = self.http.request(method, format!("{}/_control/{path}", self.url));
        let request = if body.is_null() { request } else { request.json(body) };
        let answer = request.send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        anyhow::ensure!(status.is_success(), "the stand-ins answered {status} to {path}: {text}");
        Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
    }
}
