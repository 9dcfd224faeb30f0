//! How a run ended, to compare.

use oslira_domain::RunStatus;
use serde_json::Value;

/// Its last status, and why it failed.
#[derive(Debug, PartialEq, Eq)]
pub struct Ending {
    /// As the API says it.
    pub status: String,
    /// The code, unless the run is complete.
    pub code: Option<String>,
}

impl Ending {
    /// What a run's progress says.
    pub fn of(progress: &Value) -> Self {
        let text = |name: &str| progress[name].as_str().map(str::to_owned);
        Self { status: text("status").unwrap_or_default(), code: text("code") }
    }

    /// Failed for this reason.
    pub fn failed(code: &str) -> Self {
        Self { status: RunStatus::Failed.to_string(), code: Some(code.to_owned()) }
    }

    /// Cancelled.
    pub fn cancelled() -> Self {
        Self { status: RunStatus::Cancelled.to_string(), code: Some("RunCancelled".to_owned()) }
    }
}
