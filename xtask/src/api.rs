//! The public API, as one user of it.

use crate::{
    http::{self, Answer, JSON},
    report::AnalysisResult,
    stack::User,
};
use anyhow::{Context, Result, anyhow};
use serde::Deserialize;
use serde_json::{Value, json};

/// The API and a user who is signed in.
pub(crate) struct Api<'a> {
    pub(crate) url: &'a str,
    pub(crate) user: &'a User,
}

/// Where a run is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Progress {
    pub(crate) status: String,
    pub(crate) progress: u64,
    pub(crate) current_step: Option<String>,
}

impl Api<'_> {
    /// Asks for an analysis; the run's id.
    pub(crate) fn start(&self, tier: &str, username: &str) -> Result<String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Accepted {
            run_id: String,
        }
        let request = json!({ "username": username, "analysisType": tier, "businessProfileId": self.user.business_profile_id });
        Ok(data::<Accepted>(self.post("/api/leads/analyze", &request)?)?.run_id)
    }

    pub(crate) fn progress(&self, run_id: &str) -> Result<Progress> {
        data(self.get(&format!("/api/analysis/{run_id}/progress"))?)
    }

    /// The result of a run that is complete; of one that is not, why there is none.
    pub(crate) fn result(&self, run_id: &str) -> Result<AnalysisResult> {
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

/// The `data` of an answer, or its error in its own words.
fn data<T: for<'de> Deserialize<'de>>(answer: Answer) -> Result<T> {
    #[derive(Deserialize)]
    struct Envelope {
        success: bool,
        data: Option<Value>,
        error: Option<String>,
        code: Option<String>,
    }
    let envelope: Envelope = serde_json::from_str(&answer.text)
        .with_context(|| format!("HTTP {}, and no answer of ours: {}", answer.status, answer.text))?;
    if !envelope.success {
        let (code, error) = (envelope.code.unwrap_or_default(), envelope.error.unwrap_or_default());
        return Err(anyhow!("HTTP {} {code}: {error}", answer.status));
    }
    let data = envelope.data.context("a success without data")?;
    serde_json::from_value(data.clone())
        .with_context(|| format!("the API answered something unexpected: {data}"))
}
