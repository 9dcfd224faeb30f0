//! The life of a run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Where a run is. `Complete`, `Failed` and `Cancelled` are final, and only Postgres decides them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    /// Accepted and charged, not yet started.
    Queued,
    /// The profile is being looked up or scraped.
    Scraping,
    /// AI tasks are running.
    Analyzing,
    /// The result is being written.
    Saving,
    /// The result is there.
    Complete,
    /// It failed and was refunded.
    Failed,
    /// It was cancelled and refunded.
    Cancelled,
}

impl RunStatus {
    pub const ALL: [Self; 7] = [
        Self::Queued,
        Self::Scraping,
        Self::Analyzing,
        Self::Saving,
        Self::Complete,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The name in JSON, SQL and DynamoDB.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Scraping => "scraping",
            Self::Analyzing => "analyzing",
            Self::Saving => "saving",
            Self::Complete => "complete",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing changes any more.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Complete | Self::Failed | Self::Cancelled)
    }
}

impl fmt::Display for RunStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RunStatus {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|s| s.as_str() == text)
            .ok_or_else(|| format!("unknown run status {text:?}"))
    }
}

/// A point in a run's life, as the progress bar shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Accepted and charged.
    Accepted,
    /// Looking for a cached profile.
    CheckingCache,
    /// An actor is fetching the profile.
    Scraping,
    /// The profile is there; AI tasks begin.
    Analyzing,
    /// An AI task has answered.
    Answered,
    /// Writing the result.
    Saving,
    /// The result is there.
    Done,
}

impl Step {
    /// The status, the percentage and the sentence for this step.
    pub const fn shown(self) -> (RunStatus, u8, &'static str) {
        match self {
            Self::Accepted => (RunStatus::Queued, 0, "Waiting to start"),
            Self::CheckingCache => (RunStatus::Scraping, 5, "Looking for a recent copy of the profile"),
            Self::Scraping => (RunStatus::Scraping, 10, "Fetching the Instagram profile"),
            Self::Analyzing => (RunStatus::Analyzing, 45, "Comparing the profile with your ideal customer"),
            Self::Answered => (RunStatus::Analyzing, 85, "Reading the assessment"),
            Self::Saving => (RunStatus::Saving, 90, "Saving the result"),
            Self::Done => (RunStatus::Complete, 100, "Complete"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_read_by_the_name_they_print() {
        for status in RunStatus::ALL {
            assert_eq!(status.to_string().parse(), Ok(status));
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
        assert!("done".parse::<RunStatus>().is_err());
        assert_eq!(RunStatus::ALL.iter().filter(|status| status.is_terminal()).count(), 3);
    }

    #[test]
    fn steps_never_go_back() {
        let steps = [
            Step::Accepted,
            Step::CheckingCache,
            Step::Scraping,
            Step::Analyzing,
            Step::Answered,
            Step::Saving,
            Step::Done,
        ];
        assert!(steps.map(|step| step.shown().1).is_sorted());
        assert!(steps.iter().all(|step| !step.shown().2.is_empty()));
    }
}
