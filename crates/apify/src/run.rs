//! An actor run.

use crate::fields::{dollars, required_id, value};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use std::time::Duration;

/// A run that seems longer than this is not believed: runs are started with a time-out of minutes.
const LONGEST: SignedDuration = SignedDuration::from_hours(1);
/// An end longer ago than this is not believed. Nobody asks for a run's finds later than ten minutes after
/// its end; the rest allows for clocks that differ.
const LONGEST_AGO: SignedDuration = SignedDuration::from_mins(15);

/// One run of an actor, as Apify last reported it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActorRun {
    /// Apify's id of the run: letters and digits.
    #[serde(deserialize_with = "required_id")]
    pub id: String,
    pub status: ActorStatus,
    /// The id of the dataset with its items: letters and digits.
    #[serde(rename = "defaultDatasetId", deserialize_with = "required_id")]
    pub dataset_id: String,
    #[serde(default, deserialize_with = "value")]
    pub started_at: Option<Timestamp>,
    /// When it ended; `None` while it has not.
    #[serde(default, deserialize_with = "value")]
    pub finished_at: Option<Timestamp>,
    /// What it has cost so far, in US dollars, as Apify reports it, which may be any number; `None` until
    /// Apify has counted.
    #[serde(default, deserialize_with = "dollars")]
    pub usage_total_usd: Option<f64>,
}

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
    /// A status that this client does not know. It counts as one that will change.
    #[serde(other)]
    Unknown,
}

impl ActorRun {
    /// When the run ended, as far as that can be believed: not in the future, and not longer ago than anybody
    /// would ask for it. Otherwise, and when Apify does not say, it returns `now`.
    pub fn ended_at(&self, now: Timestamp) -> Timestamp {
        let ended =
            self.finished_at.filter(|ended| *ended <= now && now.duration_since(*ended) <= LONGEST_AGO);
        ended.unwrap_or(now)
    }

    /// How long the run took. `None` when Apify does not say, or says something impossible.
    pub fn duration(&self) -> Option<Duration> {
        let took = self.finished_at?.duration_since(self.started_at?);
        if took > LONGEST { None } else { Duration::try_from(took).ok() }
    }
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

    /// Whether the run has ended, so that nothing changes any more and it no longer counts as under way.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::TimedOut | Self::Aborted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(started: &str, finished: &str, rest: &str) -> serde_json::Result<ActorRun> {
        serde_json::from_str(&format!(
            r#"{{"id": "HG7ML7M8z78YcAPEB", "status": "SUCCEEDED", "defaultDatasetId": "wmKPijuyDnPZAPRMk",
                 "startedAt": "{started}", "finishedAt": "{finished}"{rest}}}"#
        ))
    }

    #[test]
    fn a_runs_times_are_believed_as_far_as_they_can_be() {
        let now: Timestamp = "2026-11-20T10:00:00Z".parse().unwrap();
        for (started, finished, ago, took) in [
            ("2026-11-20T09:58:00Z", "2026-11-20T09:59:00Z", 60, Some(60)),
            ("2026-11-20T09:59:00Z", "2026-11-20T10:00:01Z", 0, Some(61)),
            ("2026-11-20T09:59:00Z", "9999-12-30T00:00:00Z", 0, None),
            ("-009999-01-03T00:00:00Z", "2026-11-20T09:59:00Z", 60, None),
            ("1970-01-01T00:00:00Z", "1970-01-01T00:00:01Z", 0, Some(1)),
            ("2026-11-20T10:00:00Z", "2026-11-20T09:59:00Z", 60, None),
            ("2026-11-20T09:44:00Z", "2026-11-20T09:44:59Z", 0, Some(59)),
            ("", "soon", 0, None),
        ] {
            let run = run(started, finished, "").unwrap();
            assert_eq!(run.ended_at(now), now - SignedDuration::from_secs(ago), "{finished}");
            assert_eq!(run.duration(), took.map(Duration::from_secs), "{started} {finished}");
        }
    }

    #[test]
    fn usage_is_any_number_and_never_a_failure() {
        let usage =
            |usage: &str| run("", "", &format!(r#", "usageTotalUsd": {usage}"#)).unwrap().usage_total_usd;
        for (text, expected) in [
            ("0.0026", Some(0.0026)),
            (r#""0.0026""#, Some(0.0026)),
            ("-1", Some(-1.0)),
            ("1e999", Some(f64::INFINITY)),
            ("null", None),
            (r#""much""#, None),
            ("[]", None),
        ] {
            assert_eq!(usage(text), expected, "{text}");
        }
        assert!(usage(r#""NaN""#).unwrap().is_nan());
    }

    #[test]
    fn an_id_that_could_mean_something_else_in_a_url_or_key_is_none() {
        for id in ["", "../users/me", "a/b", "a?token=x", "a b", "é", &"a".repeat(65)] {
            let json = |run: &str, dataset: &str| {
                serde_json::json!({"id": run, "status": "READY", "defaultDatasetId": dataset}).to_string()
            };
            assert!(serde_json::from_str::<ActorRun>(&json(id, "d")).is_err(), "{id}");
            assert!(serde_json::from_str::<ActorRun>(&json("r", id)).is_err(), "{id}");
        }
    }

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
