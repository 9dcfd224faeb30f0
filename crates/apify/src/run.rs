//! An actor run.

use crate::items::lenient;
use jiff::Timestamp;
use serde::Deserialize;

/// One run of an actor, as Apify last reported it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActorRun {
    /// Apify's id of the run.
    pub id: String,
    /// Where it is.
    pub status: ActorStatus,
    /// Where its items are.
    #[serde(rename = "defaultDatasetId")]
    pub dataset_id: String,
    /// When it started.
    #[serde(default, deserialize_with = "lenient")]
    pub started_at: Option<Timestamp>,
    /// When it ended; `None` before.
    #[serde(default, deserialize_with = "lenient")]
    pub finished_at: Option<Timestamp>,
    /// What it has cost so far, in US dollars; `None` until Apify has counted.
    #[serde(default, deserialize_with = "lenient")]
    pub usage_total_usd: Option<f64>,
}

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING-KEBAB-CASE")]
pub enum ActorStatus {
    /// Accepted, not yet started.
    Ready,
    /// At work.
    Running,
    /// Ended well: its items are complete.
    Succeeded,
    /// Ended badly.
    Failed,
    /// Out of time, being stopped.
    TimingOut,
    /// Stopped for being out of time.
    TimedOut,
    /// Being stopped on request.
    Aborting,
    /// Stopped on request.
    Aborted,
    /// A state this client does not know; taken for one that passes.
    #[serde(other)]
    Unknown,
}

impl ActorStatus {
    /// The name in our own records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::TimingOut => "timing-out",
            Self::TimedOut => "timed-out",
            Self::Aborting => "aborting",
            Self::Aborted => "aborted",
            Self::Unknown => "unknown",
        }
    }

    /// Nothing changes any more, and the run no longer counts as in flight.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::TimedOut | Self::Aborted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_of_apify_is_known() {
        let terminal = |text: &str| {
            let status: ActorStatus = serde_json::from_value(text.into()).unwrap();
            assert_ne!(status, ActorStatus::Unknown, "{text}");
            status.is_terminal()
        };
        for text in ["READY", "RUNNING", "TIMING-OUT", "ABORTING"] {
            assert!(!terminal(text), "{text}");
        }
        for text in ["SUCCEEDED", "FAILED", "TIMED-OUT", "ABORTED"] {
            assert!(terminal(text), "{text}");
        }
        let unknown: ActorStatus = serde_json::from_value("MIGRATING".into()).unwrap();
        assert_eq!((unknown, unknown.is_terminal()), (ActorStatus::Unknown, false));
    }
}
