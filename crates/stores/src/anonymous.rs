//! The requests and results of anonymous runs, in S3. Postgres holds nothing of them.

use crate::objects::Objects;
use oslira_domain::{Business, Error, Result, RunId};
use oslira_lambda::Env;
use serde::{Serialize, de::DeserializeOwned};

/// Keeps what anonymous callers asked and what they were answered, for two days.
#[derive(Debug)]
pub struct AnonymousStore {
    objects: Objects,
}

impl AnonymousStore {
    /// Needs the variable `PROFILES_BUCKET`.
    pub fn new(env: &Env) -> Result<Self> {
        Ok(Self { objects: Objects::new(env)? })
    }

    /// Keeps what the caller wrote about the business.
    pub async fn keep_request(&self, run_id: RunId, business: &Business) -> Result<()> {
        self.objects.put(&request(run_id), business).await
    }

    /// Returns what the caller wrote about the business.
    pub async fn request(&self, run_id: RunId) -> Result<Business> {
        let key = request(run_id);
        self.objects.get(&key).await?.ok_or_else(|| Error::internal(format!("the request {key} is gone")))
    }

    pub async fn keep_result(&self, run_id: RunId, result: &impl Serialize) -> Result<()> {
        self.objects.put(&format!("anonymous/{run_id}/result"), result).await
    }

    /// Returns the result of a run, or `None` while there is none.
    pub async fn result<T: DeserializeOwned>(&self, run_id: RunId) -> Result<Option<T>> {
        self.objects.get(&format!("anonymous/{run_id}/result")).await
    }
}

fn request(run_id: RunId) -> String {
    format!("anonymous/{run_id}/request")
}
