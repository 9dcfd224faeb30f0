//! The output of `gather.py`.

use jiff::Timestamp;
use oslira_domain::Tier;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A part that was read, or the reason why it could not be read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Part<T> {
    Found(T),
    Unreachable(String),
}

impl<T> Part<T> {
    pub(super) fn found(self) -> Option<T> {
        match self {
            Self::Found(found) => Some(found),
            Self::Unreachable(_) => None,
        }
    }

    fn why_not(&self) -> Option<String> {
        match self {
            Self::Found(_) => None,
            Self::Unreachable(why) => Some(why.clone()),
        }
    }
}

/// Everything about one run.
#[derive(Deserialize)]
pub(super) struct Gathered {
    pub(super) database: Part<Database>,
    pub(super) progress: Part<Option<Progress>>,
    pub(super) executions: Part<Vec<Execution>>,
    pub(super) logs: Part<Lines>,
}

impl Gathered {
    /// Returns which parts could not be read, and why.
    pub(super) fn unreachable(&self) -> BTreeMap<&'static str, String> {
        let parts = [
            ("database", self.database.why_not()),
            ("progress", self.progress.why_not()),
            ("executions", self.executions.why_not()),
            ("logs", self.logs.why_not()),
        ];
        parts.into_iter().filter_map(|(part, why)| Some((part, why?))).collect()
    }
}

/// What the system database holds about the run.
#[derive(Deserialize)]
pub(super) struct Database {
    pub(super) run: Option<Row>,
    pub(super) analysis: Option<Analysis>,
    pub(super) ledger: Vec<LedgerRow>,
    pub(super) calls: Vec<Call>,
}

/// The row of `runs`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    pub(super) status: String,
    pub(super) username: String,
    pub(super) tier: Tier,
    pub(super) account_id: String,
    pub(super) business_profile_id: String,
    pub(super) requested_by: String,
    pub(super) credits_charged: i64,
    pub(super) failure_code: Option<String>,
    pub(super) failure_message: Option<String>,
    pub(super) created_at: Timestamp,
    pub(super) finished_at: Option<Timestamp>,
}

/// The analysis of a complete run.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Analysis {
    pub(super) lead_id: String,
    pub(super) score: u8,
    pub(super) confidence: f64,
    pub(super) data_as_of: Timestamp,
    pub(super) cache_hit: bool,
    pub(super) duration_ms: i64,
}

/// A row of the ledger.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LedgerRow {
    pub(super) kind: String,
    pub(super) amount: i64,
    pub(super) reason: String,
    pub(super) created_at: Timestamp,
}

/// A call that we paid for, or that a kept answer made unnecessary.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Call {
    /// The AI task, `scrape` or `scrape_posts`.
    pub(crate) task: String,
    pub(crate) provider: String,
    /// The model, or the actor for a scrape.
    pub(crate) model: String,
    /// Tokens at full price.
    pub(crate) input_tokens: u64,
    /// Tokens from the vendor's cache.
    pub(crate) cached_tokens: u64,
    pub(crate) output_tokens: u64,
    pub(crate) cost_usd: f64,
    pub(crate) duration_ms: u64,
    pub(crate) is_fallback: bool,
    /// Whether the same question had been answered within a day, so that no model was asked.
    pub(crate) is_cache_hit: bool,
    pub(crate) outcome: String,
    pub(crate) created_at: Timestamp,
}

/// The progress item.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Progress {
    /// `None` for an anonymous run.
    pub(super) account_id: Option<String>,
    pub(super) status: Option<String>,
    pub(super) progress: u8,
    pub(super) step: Option<String>,
    pub(super) cancel_requested: bool,
    pub(super) created_at: Option<Timestamp>,
    pub(super) updated_at: Option<Timestamp>,
    pub(super) reached: Vec<Reached>,
    /// Set for an anonymous run only.
    pub(super) failure_code: Option<String>,
    pub(super) failure_reason: Option<String>,
}

/// When a status was first reached.
#[derive(Serialize, Deserialize)]
pub(super) struct Reached {
    pub(super) status: String,
    pub(super) at: Timestamp,
}

/// An execution of a state machine.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Execution {
    /// `analysis` or `anonymous-analysis`.
    pub(super) machine: String,
    pub(super) name: String,
    pub(super) status: String,
    pub(super) started_at: Timestamp,
    pub(super) stopped_at: Option<Timestamp>,
    pub(super) error: Option<String>,
    pub(super) cause: Option<String>,
    pub(super) events: Vec<Event>,
}

/// One event of an execution's history.
#[derive(Clone, Deserialize)]
pub(super) struct Event {
    pub(super) id: u64,
    /// The event that this one follows from. The emulator does not report it.
    pub(super) previous: Option<u64>,
    pub(super) at: Timestamp,
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// The state, for an event that enters or leaves one.
    pub(super) state: Option<String>,
    pub(super) error: Option<String>,
}

/// Log lines.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Lines {
    pub(super) lines: Vec<Line>,
    /// The Lambdas that wrote more lines than were read.
    pub(super) cut_off: Vec<String>,
}

/// A log line.
#[derive(Deserialize)]
pub(super) struct Line {
    /// The Lambda that wrote it.
    pub(super) function: String,
    /// JSON if our own code wrote the line.
    pub(super) text: String,
}
