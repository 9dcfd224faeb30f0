//! Shows one run as tables.

use super::{
    log,
    money::Money,
    report::{Executed, Report},
};
use crate::ui::{self, table};
use comfy_table::{CellAlignment, Table};
use jiff::Timestamp;
use std::io;

/// Prints a run.
pub(super) fn print(report: &Report) -> io::Result<()> {
    ui::print(text(report).trim_end())
}

fn text(report: &Report) -> String {
    let mut text = format!("{}\n", facts(report));
    if !report.ledger.is_empty() {
        text += &format!("\nLedger\n{}\n", ledger(report));
    }
    for execution in &report.executions {
        let error = execution.error.as_ref().map(|error| format!(" ({error})")).unwrap_or_default();
        text += &format!(
            "\nExecution {} of {}: {}{error} after {}\n{}\n",
            execution.name,
            execution.machine,
            execution.status,
            seconds(execution.duration_ms),
            steps(execution),
        );
    }
    if report.executions.is_empty() && !report.unreachable.contains_key("executions") {
        text += "\nExecution: none\n";
    }
    if let Some(money) = &report.money {
        text += &format!("\nUpstream calls\n{}\n\nMoney\n{}\n", calls(money), balance(money));
    }
    text += "\nLog\n";
    for line in log::folded(&report.log) {
        text += &format!("  {line}\n");
    }
    if report.log.is_empty() && !report.unreachable.contains_key("logs") {
        text += "  no line\n";
    }
    for function in &report.log_cut_off {
        text += &format!("  {function} wrote more lines than these\n");
    }
    text
}

fn facts(report: &Report) -> Table {
    let mut facts = table(["run", &report.run_id.to_string()]);
    let mut fact = |name: &str, value: String| {
        facts.add_row([name, &value]);
    };
    if let Some(run) = &report.run {
        let failure = [&run.failure_code, &run.failure_message].map(|text| text.clone().unwrap_or_default());
        let failure = failure.join(": ");
        fact("analysis", format!("{} of @{}", run.tier.as_str().to_uppercase(), run.username));
        fact("status", format!("{} {}", run.status, failure.trim_matches([':', ' '])).trim().to_owned());
        fact("accepted", time(run.created_at));
        if let Some(finished_at) = run.finished_at {
            let took = finished_at.as_millisecond() - run.created_at.as_millisecond();
            fact("finished", format!("{}, after {}", time(finished_at), seconds(took)));
        }
        fact("account", run.account_id.clone());
        fact("business profile", run.business_profile_id.clone());
        fact("requested by", run.requested_by.clone());
    } else if report.is_anonymous() {
        fact("analysis", "anonymous, so that it has no row".to_owned());
    } else if !report.unreachable.contains_key("database") {
        fact("analysis", "the database has no row of it".to_owned());
    }
    if let Some(analysis) = &report.analysis {
        let from = if analysis.cache_hit { "the cache" } else { "a scrape" };
        fact("score", format!("{} of 100, confidence {:.0} %", analysis.score, analysis.confidence * 100.0));
        fact("profile", format!("from {from}, as of {}", time(analysis.data_as_of)));
        fact("lead", analysis.lead_id.clone());
    }
    match &report.progress {
        Some(progress) => {
            let status = progress.status.as_deref().unwrap_or("no status");
            let cancel = if progress.cancel_requested { ", asked to stop" } else { "" };
            let failure = progress.failure_code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default();
            fact("progress", format!("{status}{failure}, {} %{cancel}", progress.progress));
            let begun = progress.created_at.or(progress.reached.first().map(|first| first.at));
            if let Some(begun) = begun {
                let reached = progress.reached.iter().map(|reached| {
                    let after = reached.at.as_millisecond() - begun.as_millisecond();
                    format!("{} +{}", reached.status, seconds(after))
                });
                fact("reached", reached.collect::<Vec<_>>().join(", "));
            }
        }
        None if report.unreachable.contains_key("progress") => {}
        None => fact("progress", "none: it expires an hour after the run's end".to_owned()),
    }
    facts
}

fn ledger(report: &Report) -> Table {
    let mut rows = table(["at", "kind", "credits", "reason"]);
    for row in &report.ledger {
        rows.add_row([
            time(row.created_at),
            row.kind.clone(),
            format!("{:+}", row.amount),
            row.reason.clone(),
        ]);
    }
    right(rows, &[2])
}

fn steps(execution: &Executed) -> Table {
    let mut rows = table(["step", "times", "begins", "takes", "tasks", "failed tasks"]);
    for step in execution.steps.iter().filter(|step| step.takes_time()) {
        let failures = step.failures.iter().map(|(error, times)| format!("{times} × {error}"));
        let begins = step.started_at.as_millisecond() - execution.started_at.as_millisecond();
        let so_far = if step.is_open && execution.stopped_at.is_none() { " so far" } else { "" };
        rows.add_row([
            step.state.clone(),
            step.times.to_string(),
            format!("+{}", seconds(begins)),
            format!("{}{so_far}", seconds(step.duration_ms)),
            step.tasks.to_string(),
            failures.collect::<Vec<_>>().join(", "),
        ]);
    }
    right(rows, &[1, 2, 3, 4])
}

fn calls(money: &Money) -> Table {
    let heading = ["task", "provider", "model", "input", "cached", "output", "cost", "takes", "outcome"];
    let mut rows = table(heading);
    for call in &money.calls {
        let mut outcome = call.outcome.clone();
        if call.is_fallback {
            outcome += ", fallback";
        }
        if call.is_cache_hit {
            outcome += ", kept answer";
        }
        rows.add_row([
            call.task.clone(),
            call.provider.clone(),
            call.model.clone(),
            call.input_tokens.to_string(),
            call.cached_tokens.to_string(),
            call.output_tokens.to_string(),
            usd(call.cost_usd),
            seconds(i64::try_from(call.duration_ms).unwrap_or(i64::MAX)),
            outcome,
        ]);
    }
    right(rows, &[3, 4, 5, 6, 7])
}

fn balance(money: &Money) -> Table {
    let mut row = table(["list price", "kept", "cost", "margin"]);
    let price = |usd: f64| format!("${usd:.2}");
    let list_price = money.list_price_usd.map_or_else(|| "none".to_owned(), price);
    row.add_row([list_price, price(money.kept_usd), usd(money.total_usd), usd(money.margin_usd)]);
    right(row, &[0, 1, 2, 3])
}

/// Aligns columns of figures to the right.
fn right(mut table: Table, columns: &[usize]) -> Table {
    for column in columns {
        if let Some(column) = table.column_mut(*column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn usd(amount: f64) -> String {
    format!("{}${:.4}", if amount < 0.0 { "-" } else { "" }, amount.abs())
}

fn seconds(milliseconds: i64) -> String {
    format!("{:.2} s", milliseconds as f64 / 1000.0)
}

fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S.%3f UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::{execution, refunded, report};
    use super::*;
    use serde_json::json;

    fn holds(text: &str, parts: &[&str]) {
        for part in parts {
            assert!(text.contains(part), "{part:?} is missing in:\n{text}");
        }
    }

    #[test]
    fn a_refunded_run_is_told_with_what_it_cost_all_the_same() {
        let progress = json!({"found": {
            "accountId": "a", "status": "failed", "progress": 10, "step": "failed", "cancelRequested": true,
            "createdAt": "2026-11-24T21:50:48.182Z", "updatedAt": null, "failureCode": null, "failureReason": null,
            "reached": [{"status": "scraping", "at": "2026-11-24T21:50:48.438Z"}],
        }});
        let text = text(&report(json!({
            "database": refunded(), "progress": progress, "executions": {"found": [execution("analysis")]},
        })));
        holds(
            &text,
            &[
                "01932a5f-11aa-7c20-8f10-5e6f7a8b9c0d",
                "DEEP of @maya",
                "failed ProfilePrivate ",
                "2026-11-24 21:50:50.000 UTC, after 1.82 s",
                "failed, 10 %, asked to stop",
                "scraping +0.26 s",
                "┆      -5 ┆ deep analysis",
                "┆      +5 ┆ deep analysis",
                "of analysis: FAILED (ProfilePrivate) after 2.50 s",
                "1 × ProfilePrivate",
                "┆ $0.1000 ┆ 4.00 s ┆ succeeded",
                "│      $4.85 ┆ $0.00 ┆ $0.1000 ┆ -$0.1000 │",
                "no line",
            ],
        );
    }

    #[test]
    fn what_could_not_be_read_is_not_told_as_missing() {
        let text = text(&report(json!({
            "database": {"unreachable": "down"}, "progress": {"unreachable": "down"},
            "executions": {"found": [execution("analysis")]}, "logs": {"unreachable": "down"},
        })));
        for part in ["anonymous", "none", "Money", "no line"] {
            assert!(!text.contains(part), "{part:?} is in:\n{text}");
        }
    }

    #[test]
    fn a_run_without_an_account_has_no_price() {
        let text = text(&report(json!({"executions": {"found": [execution("anonymous-analysis")]}})));
        holds(
            &text,
            &["anonymous, so that it has no row", "of anonymous-analysis: FAILED", "none ┆ $0.00 ┆ $0.0000"],
        );
    }
}
