//! The public API, as one of its users calls it.

use crate::{
    http::{self, Answer, JSON},
    stack::User,
};
use anyhow::{Context, Result, anyhow};
use oslira_api::{AcceptedRun, AnalysisResult, Failure, Progress, Success};
use oslira_domain::{RunId, Tier};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// The API and a signed-in user.
pub(crate) struct Api<'a> {
    pub(crate) url: &'a str,
    pub(crate) user: &'a User,
}

impl Api<'_> {
    /// Starts an analysis and returns the run's id.
    pub(crate) fn start(&self, tier: Tier, username: &str) -> Result<RunId> {
        let request = json!({"username": username, "analysisType": tier, "businessProfileId": self.user.business_profile_id});
        Ok(data::<AcceptedRun>(self.post("/api/leads/analyze", &request)?)?.run_id)
    }

    pub(crate) fn progress(&self, run_id: RunId) -> Result<Progress> {
        data(self.get(&format!("/api/analysis/{run_id}/progress"))?)
    }

    /// Returns the result of a complete run. For any other run, the error says why there is no result.
    pub(crate) fn result(&self, run_id: RunId) -> Result<AnalysisResult> {
        data(self.get(&format!("/api/analysis/{run_id}/result"))?)
    }

    fn get(&self, path: &str) -> Result<Answer> {
        http::get(
            &format!("{}{path}", self.url),
            &[("authorization", &format!("Bearer {}", self.user.token))],
        )
    }

    fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        let authorization = format!("Bearer {}", self.user.token);
        http::post(
            &format!("{}{path}", self.url),
            &[("authorization", &authorization), JSON],
            &body.to_string(),
        )
    }
}

/// Returns the `data` of an answer, or its error in the answer's own words.
fn data<T: DeserializeOwned>(answer: Answer) -> Result<T> {
    let Answer { status, text, .. } = answer;
    if let Ok(Failure { code, error, .. }) = serde_json::from_str(&text) {
        return Err(anyhow!("HTTP {status} {}: {error}", code.0));
    }
    let success: Success<T> = serde_json::from_str(&text)
        .with_context(|| format!("HTTP {status}, and no answer that the API describes: {text}"))?;
    Ok(success.data)
}
