//! Credits: what is left, and every change of the balance.

use crate::filter::{self, moment, words};
use deserr::{DeserializeError, Deserr, ValuePointerRef};
use jiff::Timestamp;
use oslira_domain::{CreditTransactionId, FieldProblem, RunId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// The credits that are left, and the plan.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreditBalance {
    /// The whole credits that are left.
    #[schemars(range(min = 0))]
    pub balance: i32,
    /// The plan's id, such as `free`.
    #[schemars(example = &"free", example = &"starter", example = &"growth")]
    pub plan: String,
    /// When the paid period ends; `null` without a paid plan.
    pub period_end: Option<Timestamp>,
    /// The subscription's status, in Stripe's words; `active` without a subscription.
    #[schemars(extend("enum" = [
        "active", "canceled", "incomplete", "incomplete_expired", "past_due", "paused", "trialing", "unpaid"
    ]))]
    pub status: String,
}

/// A row of the ledger: one change of the balance.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreditTransaction {
    /// The row's id.
    pub id: CreditTransactionId,
    /// Why the balance changed.
    pub kind: CreditTransactionKind,
    /// Whole credits. Above zero they were added; below zero they were taken.
    pub amount: i32,
    /// The run that was charged or refunded; `null` for other kinds.
    pub run_id: Option<RunId>,
    /// Why the balance changed, as a short text for people.
    pub reason: String,
    /// When the balance changed.
    pub created_at: Timestamp,
}

/// Why the balance changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CreditTransactionKind {
    /// The free plan's starting credits.
    Signup,
    /// Added or taken by an operator.
    Adjustment,
    /// An analysis was accepted.
    Charge,
    /// An analysis failed or was cancelled, and its charge was given back in full.
    Refund,
}

impl CreditTransactionKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Signup, Self::Adjustment, Self::Charge, Self::Refund];

    /// The name in JSON and SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Signup => "signup",
            Self::Adjustment => "adjustment",
            Self::Charge => "charge",
            Self::Refund => "refund",
        }
    }
}

impl FromStr for CreditTransactionKind {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        known.ok_or("must be \"signup\", \"adjustment\", \"charge\" or \"refund\"")
    }
}

/// Which rows of the ledger to list. Without filters, all rows.
#[derive(Debug, Default, PartialEq, Eq, Deserr, JsonSchema)]
#[deserr(rename_all = camelCase, deny_unknown_fields, validate = ordered -> __Deserr_E)]
#[serde(rename_all = "camelCase", default)]
pub struct CreditTransactionFilters {
    /// Only rows of these kinds, separated by commas.
    #[deserr(default, try_from(&String) = words -> FieldProblem)]
    #[schemars(length(min = 1))]
    pub kind: Vec<CreditTransactionKind>,
    /// Only rows from this moment on (RFC 3339, such as 2026-11-24T00:00:00Z).
    #[deserr(default, try_from(Option<String>) = moment -> FieldProblem)]
    pub since: Option<Timestamp>,
    /// Only rows before this moment. It must be later than `since`.
    #[deserr(default, try_from(Option<String>) = moment -> FieldProblem)]
    pub until: Option<Timestamp>,
}

fn ordered<E: DeserializeError>(
    filters: CreditTransactionFilters,
    location: ValuePointerRef<'_>,
) -> Result<CreditTransactionFilters, E> {
    filter::ordered(filters.since, filters.until, location).map(|()| filters)
}
