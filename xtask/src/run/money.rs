//! What a run cost us, and what we earned with it.

use super::gathered::{Call, LedgerRow, Row};
use serde::Serialize;
use std::collections::BTreeMap;

/// A run's money, in US dollars.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Money {
    /// What the upstream calls cost.
    pub(crate) total_usd: f64,
    /// The analysis's price by the price list; `None` for an anonymous run.
    pub(crate) list_price_usd: Option<f64>,
    /// The worth, by the price list, of the credits that were not given back.
    pub(crate) kept_usd: f64,
    /// `kept_usd` less `total_usd`.
    pub(crate) margin_usd: f64,
    /// The calls, oldest first.
    pub(crate) calls: Vec<Call>,
}

impl Money {
    /// The money of an account's run.
    pub(super) fn of_account(run: &Row, ledger: &[LedgerRow], calls: Vec<Call>) -> Self {
        let kept = -ledger.iter().map(|row| row.amount).sum::<i64>();
        let list_price_usd = f64::from(run.tier.list_price_cents()) / 100.0;
        let kept_usd = kept as f64 / f64::from(run.tier.credits()) * list_price_usd;
        Self::new(Some(list_price_usd), kept_usd, calls)
    }

    /// The money of an anonymous run, which nobody pays for.
    pub(super) fn of_nobody(calls: Vec<Call>) -> Self {
        Self::new(None, 0.0, calls)
    }

    fn new(list_price_usd: Option<f64>, kept_usd: f64, calls: Vec<Call>) -> Self {
        let total: f64 = calls.iter().map(|call| call.cost_usd).sum();
        Self {
            total_usd: micros(total),
            list_price_usd,
            kept_usd: micros(kept_usd),
            margin_usd: micros(kept_usd - total),
            calls,
        }
    }
}

/// Rounds to a millionth of a dollar: sums of binary fractions have noise behind it.
fn micros(usd: f64) -> f64 {
    (usd * 1e6).round() / 1e6
}

/// How long a run waited for upstreams, in milliseconds: the longest scrape, plus the longest AI task.
/// Scrapes run side by side, and so do AI tasks.
pub(crate) fn upstream_ms(calls: &[Call]) -> f64 {
    let longest = |is_scrape: bool| {
        let mut by_task = BTreeMap::<&str, (u64, u64)>::new();
        for call in calls.iter().filter(|call| (call.provider == "apify") == is_scrape) {
            let (one_after_another, abandoned) = by_task.entry(&call.task).or_default();
            if call.outcome == "abandoned" {
                // It ran beside the call that won, not before or after it.
                *abandoned = call.duration_ms;
            } else {
                *one_after_another += call.duration_ms;
            }
        }
        by_task.into_values().map(|(sum, abandoned)| sum.max(abandoned)).max().unwrap_or(0)
    };
    (longest(true) + longest(false)) as f64
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde_json::{Value, json};

    pub(in crate::run) fn call(task: &str, provider: &str, duration_ms: u64, outcome: &str) -> Call {
        serde_json::from_value(json!({
            "task": task, "provider": provider, "model": "m", "inputTokens": 1, "cachedTokens": 2, "outputTokens": 3,
            "costUsd": 0.1, "durationMs": duration_ms, "isFallback": false, "isCacheHit": false, "outcome": outcome,
            "createdAt": "2026-11-24T21:50:48.18176+00:00",
        }))
        .unwrap()
    }

    pub(in crate::run) fn row(status: &str) -> Value {
        json!({
            "status": status, "username": "maya", "tier": "deep", "accountId": "a", "businessProfileId": "b",
            "requestedBy": "u", "creditsCharged": 5, "failureCode": null, "failureMessage": null,
            "createdAt": "2026-11-24T21:50:48.18176+00:00", "finishedAt": "2026-11-24T21:50:50+00:00",
        })
    }

    pub(in crate::run) fn ledger(amounts: &[i64]) -> Value {
        let rows = amounts.iter().map(|amount| {
            let kind = if *amount < 0 { "charge" } else { "refund" };
            json!({"kind": kind, "amount": amount, "reason": "deep analysis", "createdAt": "2026-11-24T21:50:48Z"})
        });
        Value::Array(rows.collect())
    }

    fn money(amounts: &[i64], costs: &[f64]) -> Money {
        let calls = costs
            .iter()
            .map(|cost_usd| Call { cost_usd: *cost_usd, ..call("scrape", "apify", 1, "succeeded") })
            .collect();
        let ledger: Vec<LedgerRow> = serde_json::from_value(ledger(amounts)).unwrap();
        Money::of_account(&serde_json::from_value(row("complete")).unwrap(), &ledger, calls)
    }

    #[test]
    fn the_margin_is_what_the_calls_leave_of_what_was_kept() {
        let kept = money(&[-5], &[0.1, 0.2, 0.0026]);
        assert_eq!((kept.total_usd, kept.list_price_usd, kept.kept_usd), (0.3026, Some(4.85), 4.85));
        assert!((kept.margin_usd - 4.5474).abs() < 1e-9);
        let refunded = money(&[-5, 5], &[0.1]);
        assert_eq!((refunded.kept_usd, refunded.margin_usd), (0.0, -0.1));
        assert_eq!(money(&[-5], &[]).margin_usd, 4.85, "nothing was asked");
        let anonymous = Money::of_nobody(vec![call("scrape", "apify", 1, "succeeded")]);
        assert_eq!((anonymous.list_price_usd, anonymous.margin_usd), (None, -0.1));
    }

    #[test]
    fn what_runs_side_by_side_is_waited_for_once() {
        let calls = [
            call("scrape", "apify", 4_000, "succeeded"),
            call("scrape_posts", "apify", 6_000, "succeeded"),
            call("outreach", "openai", 500, "failed"),
            call("outreach", "anthropic", 700, "answered"),
            call("personality", "openai", 1_100, "abandoned"),
            call("personality", "openai", 600, "answered"),
        ];
        // The posts took 6 s. The outreach then took 500 ms, and 700 ms at the other provider. The
        // personality does not count, since its second call won after 1.1 s.
        assert!((upstream_ms(&calls) - 7_200.0).abs() < 1e-9);
    }
}
