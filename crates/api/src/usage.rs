//! What an account used, by day.

use crate::filter::day;
use deserr::{DeserializeError, Deserr, ErrorKind, ValuePointerRef, take_cf_content};
use jiff::civil::Date;
use oslira_domain::{FieldProblem, Tier};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;

/// The longest range that usage is told of, in days.
const MAX_DAYS: i32 = 366;

/// What the account used in a range of days. All days are in UTC.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// The first day of the range.
    pub since: Date,
    /// The day after the last one of the range.
    pub until: Date,
    /// All days and tiers of the range together.
    pub total: UsageFigures,
    /// Each day and tier on which something happened, the oldest first, and the cheapest tier of a day first.
    pub days: Vec<UsageDay>,
}

/// What the account used of one tier on one day.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsageDay {
    /// The day, in UTC.
    pub date: Date,
    /// The tier.
    pub analysis_type: Tier,
    /// What happened on this day.
    #[serde(flatten)]
    pub figures: UsageFigures,
}

/// What happened in a time. Each thing counts when it happens. So an analysis that starts before midnight and ends after it counts
/// as started on one day, and as completed or refunded on the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsageFigures {
    /// Analyses that were accepted and charged.
    pub started: u64,
    /// Analyses whose result was saved.
    pub completed: u64,
    /// Analyses that failed or were cancelled, and were refunded in full.
    pub refunded: u64,
    /// Whole credits that were charged, as the ledger has it.
    pub credits_charged: u64,
    /// Whole credits that were given back, as the ledger has it.
    pub credits_refunded: u64,
    /// Completed analyses that read everything from the cache.
    pub cache_hits: u64,
    /// The share of cache hits among the completed analyses, from 0 to 1; `null` when none was completed.
    #[schemars(range(min = 0, max = 1))]
    pub cache_hit_rate: Option<f64>,
}

/// Which days to tell of. Without any, the last 30 with today.
#[derive(Debug, Default, PartialEq, Eq, Deserr, JsonSchema)]
#[deserr(rename_all = camelCase, deny_unknown_fields, validate = whole -> __Deserr_E)]
#[serde(rename_all = "camelCase", default)]
pub struct UsageRange {
    /// The first day, in UTC (such as 2026-11-01). It needs `until`.
    #[deserr(default, try_from(Option<String>) = day -> FieldProblem)]
    pub since: Option<Date>,
    /// The day after the last one, in UTC: from 1 to 366 days after `since`, which it needs.
    #[deserr(default, try_from(Option<String>) = day -> FieldProblem)]
    pub until: Option<Date>,
}

/// Refuses half a range, an empty one, and one that is too long.
fn whole<E: DeserializeError>(range: UsageRange, location: ValuePointerRef<'_>) -> Result<UsageRange, E> {
    let (field, problem) = match (range.since, range.until) {
        (None, None) => return Ok(range),
        (Some(_), None) => ("until", "is required with since"),
        (None, Some(_)) => ("since", "is required with until"),
        (Some(since), Some(until)) => match until.since(since).map(|span| span.get_days()) {
            Ok(1..=MAX_DAYS) => return Ok(range),
            Ok(..1) => ("until", "must be later than since"),
            _ => ("until", "must be at most 366 days after since"),
        },
    };
    let problem = ErrorKind::Unexpected { msg: problem.to_owned() };
    Err(take_cf_content(E::error::<Infallible>(None, problem, location.push_key(field))))
}
