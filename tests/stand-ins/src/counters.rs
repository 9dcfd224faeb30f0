//! What was asked of each service: numbers, and the last requests themselves.

use crate::Upstream;
use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
};

/// Requests kept per service for counting by content.
const KEPT: usize = 5_000;
/// Requests shown per service.
const SHOWN: usize = 500;

/// The traffic of all services.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counters(Arc<Mutex<HashMap<Upstream, Counts>>>);

#[derive(Debug, Default)]
struct Counts {
    requests: u64,
    by_status: BTreeMap<String, u64>,
    concurrent: u64,
    max_concurrent: u64,
    /// Requests with something to say (every method but GET), oldest first, numbered without gaps.
    kept: VecDeque<Kept>,
    first_number: u64,
}

#[derive(Debug)]
struct Kept {
    at: Timestamp,
    path: String,
    body: String,
    gateway_token: Option<String>,
    outcome: Option<String>,
}

/// A request under way. Dropped without [`InFlight::finish`], it counts as `dropped`: the client went away.
#[derive(Debug)]
pub(crate) struct InFlight {
    counters: Counters,
    upstream: Upstream,
    number: Option<u64>,
    outcome: Option<String>,
}

impl InFlight {
    /// Ends the request: an HTTP status, or `reset`.
    pub(crate) fn finish(mut self, outcome: impl Into<String>) {
        self.outcome = Some(outcome.into());
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let outcome = self.outcome.take().unwrap_or_else(|| "dropped".to_owned());
        let mut upstreams = self.counters.0.lock();
        let counts = upstreams.entry(self.upstream).or_default();
        counts.concurrent = counts.concurrent.saturating_sub(1);
        *counts.by_status.entry(outcome.clone()).or_default() += 1;
        let index = self.number.and_then(|number| number.checked_sub(counts.first_number));
        if let Some(kept) = index.and_then(|index| counts.kept.get_mut(index as usize)) {
            kept.outcome = Some(outcome);
        }
    }
}

impl Counters {
    /// Counts a request in. Only requests that are not GET are kept for [`Counters::requests`].
    pub(crate) fn begin(
        &self,
        upstream: Upstream,
        is_get: bool,
        path: &str,
        body: &str,
        gateway_token: Option<&str>,
    ) -> InFlight {
        let mut upstreams = self.0.lock();
        let counts = upstreams.entry(upstream).or_default();
        counts.requests += 1;
        counts.concurrent += 1;
        counts.max_concurrent = counts.max_concurrent.max(counts.concurrent);
        let number = (!is_get).then(|| {
            if counts.kept.len() == KEPT {
                counts.kept.pop_front();
                counts.first_number += 1;
            }
            counts.kept.push_back(Kept {
                at: Timestamp::now(),
                path: path.to_owned(),
                body: body.to_owned(),
                gateway_token: gateway_token.map(str::to_owned),
                outcome: None,
            });
            counts.first_number + counts.kept.len() as u64 - 1
        });
        InFlight { counters: self.clone(), upstream, number, outcome: None }
    }

    /// The numbers of one service.
    pub(crate) fn summary(&self, upstream: Upstream) -> Value {
        let mut upstreams = self.0.lock();
        let counts = upstreams.entry(upstream).or_default();
        json!({
            "requests": counts.requests,
            "byStatus": counts.by_status,
            "concurrent": counts.concurrent,
            "maxConcurrent": counts.max_concurrent,
        })
    }

    /// How many kept requests of a service hold a text in their body.
    pub(crate) fn containing(&self, upstream: Upstream, text: &str) -> usize {
        let upstreams = self.0.lock();
        upstreams
            .get(&upstream)
            .map_or(0, |counts| counts.kept.iter().filter(|kept| kept.body.contains(text)).count())
    }

    /// The last requests of a service whose body holds a text, oldest first.
    pub(crate) fn requests(&self, upstream: Upstream, text: &str) -> Vec<Value> {
        let upstreams = self.0.lock();
        let Some(counts) = upstreams.get(&upstream) else { return Vec::new() };
        let matching: Vec<_> =
            counts.kept.iter().rev().filter(|kept| kept.body.contains(text)).take(SHOWN).collect();
        matching.into_iter().rev().map(Kept::to_json).collect()
    }

    /// Starts from zero. Requests under way stay counted as such.
    pub(crate) fn reset(&self) {
        for counts in self.0.lock().values_mut() {
            counts.first_number += counts.kept.len() as u64;
            counts.kept.clear();
            counts.requests = 0;
            counts.by_status.clear();
            counts.max_concurrent = counts.concurrent;
        }
    }
}

impl Kept {
    fn to_json(&self) -> Value {
        let body = serde_json::from_str(&self.body).unwrap_or_else(|_| Value::String(self.body.clone()));
        // A number where it is one: tests compare it with a status.
        let status =
            self.outcome.as_deref().map(|outcome| outcome.parse::<u16>().map_or(json!(outcome), Value::from));
        json!({ "at": self.at, "path": self.path, "status": status, "gatewayToken": self.gateway_token, "body": body })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_while_and_after_they_run() {
        let counters = Counters::default();
        let first =
            counters.begin(Upstream::Openai, false, "/openai", "{\"user\":\"nasa\"}", Some("Bearer t"));
        let second = counters.begin(Upstream::Openai, false, "/openai", "nike", None);
        first.finish("200");
        drop(second);
        counters.begin(Upstream::Openai, true, "/openai/models", "", None).finish("401");
        let summary = counters.summary(Upstream::Openai);
        assert_eq!(summary["requests"], 3);
        assert_eq!(summary["byStatus"], json!({"200": 1, "401": 1, "dropped": 1}));
        assert_eq!(summary["concurrent"], 0, "concurrent");
        assert_eq!(summary["maxConcurrent"], 2, "maxConcurrent");
        assert_eq!(counters.containing(Upstream::Openai, "nasa"), 1);
        let requests = counters.requests(Upstream::Openai, "");
        assert_eq!(requests.len(), 2);
        assert_eq!(requests[0]["status"], 200);
        assert_eq!(requests[0]["body"]["user"], "nasa");
        assert_eq!(requests[0]["gatewayToken"], "Bearer t", "gatewayToken");
        assert_eq!(requests[1]["gatewayToken"], Value::Null, "gatewayToken");
        assert_eq!(requests[1]["status"], "dropped");
    }

    #[test]
    fn memory_is_bounded_and_outcomes_stay_with_their_request() {
        let counters = Counters::default();
        let old = counters.begin(Upstream::Apify, false, "/old", "old", None);
        for _ in 0..KEPT {
            counters.begin(Upstream::Apify, false, "/new", "new", None).finish("201");
        }
        old.finish("500");
        assert_eq!(counters.containing(Upstream::Apify, "old"), 0);
        let shown = counters.requests(Upstream::Apify, "");
        assert_eq!(shown.len(), SHOWN);
        assert!(shown.iter().all(|request| request["status"] == 201));
        counters.reset();
        assert!(counters.requests(Upstream::Apify, "").is_empty());
        assert_eq!(counters.summary(Upstream::Apify)["requests"], 0);
    }
}
