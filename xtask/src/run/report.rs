//! Puts together one run from the gathered parts.

use super::{
    gathered::{Analysis, Execution, Gathered, LedgerRow, Lines, Part, Progress, Row},
    history::{Step, steps},
    log,
    money::Money,
};
use jiff::Timestamp;
use oslira_domain::RunId;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Everything that is known about a run, as `--json` prints it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    pub(super) run_id: RunId,
    /// The row of `runs`; `None` for an anonymous run.
    pub(super) run: Option<Row>,
    /// `None` unless the run is complete.
    pub(super) analysis: Option<Analysis>,
    pub(super) ledger: Vec<LedgerRow>,
    /// `None` when the item has expired.
    pub(super) progress: Option<Progress>,
    pub(super) executions: Vec<Executed>,
    /// `None` when its source could not be read: the database, or the log for an anonymous run.
    pub(super) money: Option<Money>,
    /// The lines that name the run, oldest first.
    pub(super) log: Vec<Value>,
    /// The Lambdas that wrote more lines than are here.
    pub(super) log_cut_off: Vec<String>,
    /// What could not be read, and why.
    pub(super) unreachable: BTreeMap<&'static str, String>,
}

/// An execution and its steps.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Executed {
    pub(super) machine: String,
    pub(super) name: String,
    pub(super) status: String,
    pub(super) started_at: Timestamp,
    pub(super) stopped_at: Option<Timestamp>,
    pub(super) duration_ms: i64,
    pub(super) error: Option<String>,
    pub(super) cause: Option<String>,
    pub(super) steps: Vec<Step>,
}

impl Executed {
    fn of(execution: Execution, now: Timestamp) -> Self {
        let end = execution.stopped_at.unwrap_or(now);
        Self {
            duration_ms: end.as_millisecond() - execution.started_at.as_millisecond(),
            steps: steps(&execution.events, end),
            machine: execution.machine,
            name: execution.name,
            status: execution.status,
            started_at: execution.started_at,
            stopped_at: execution.stopped_at,
            error: execution.error,
            cause: execution.cause,
        }
    }
}

impl Report {
    pub(super) fn of(run_id: RunId, gathered: Gathered, now: Timestamp) -> Self {
        let unreachable = gathered.unreachable();
        let (log, cut_off) = match gathered.logs {
            Part::Found(Lines { lines, cut_off }) => (Some(log::sorted(lines)), cut_off),
            Part::Unreachable(_) => (None, Vec::new()),
        };
        let mut report = Self {
            run_id,
            run: None,
            analysis: None,
            ledger: Vec::new(),
            progress: gathered.progress.found().flatten(),
            executions: gathered
                .executions
                .found()
                .into_iter()
                .flatten()
                .map(|execution| Executed::of(execution, now))
                .collect(),
            money: None,
            log: Vec::new(),
            log_cut_off: cut_off,
            unreachable,
        };
        if let Part::Found(database) = gathered.database {
            report.money = match &database.run {
                Some(run) => Some(Money::of_account(run, &database.ledger, database.calls)),
                None => log.as_deref().map(|log| Money::of_nobody(log::calls(log))),
            };
            report.run = database.run;
            report.analysis = database.analysis;
            report.ledger = database.ledger;
        }
        report.log = log.unwrap_or_default();
        report
    }

    /// Whether the run belongs to no account.
    pub(super) fn is_anonymous(&self) -> bool {
        self.run.is_none()
            && (self.executions.iter().any(|execution| execution.machine == "anonymous-analysis")
                || self.progress.as_ref().is_some_and(|progress| progress.account_id.is_none()))
    }

    /// Whether nothing is known about such a run.
    pub(super) fn is_empty(&self) -> bool {
        self.run.is_none() && self.progress.is_none() && self.executions.is_empty()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::money::tests::{call, ledger, row};
    use super::*;
    use serde_json::json;

    pub(in crate::run) fn report(parts: Value) -> Report {
        let run_id = "01932a5f-11aa-7c20-8f10-5e6f7a8b9c0d".parse().unwrap();
        let mut all = json!({
            "database": {"found": {"run": null, "analysis": null, "ledger": [], "calls": []}},
            "progress": {"found": null},
            "executions": {"found": []},
            "logs": {"found": {"lines": [], "cutOff": []}},
        });
        all.as_object_mut().unwrap().extend(parts.as_object().unwrap().clone());
        let now = "2026-11-24T21:51:00Z".parse().unwrap();
        Report::of(run_id, serde_json::from_value(all).unwrap(), now)
    }

    pub(in crate::run) fn refunded() -> Value {
        let mut run = row("failed");
        run["failureCode"] = json!("ProfilePrivate");
        json!({"found": {
            "run": run, "analysis": null, "ledger": ledger(&[-5, 5]),
            "calls": [call("scrape", "apify", 4_000, "succeeded")],
        }})
    }

    pub(in crate::run) fn execution(machine: &str) -> Value {
        json!({
            "machine": machine, "name": "01932a5f-11aa-7c20-8f10-5e6f7a8b9c0d", "status": "FAILED",
            "startedAt": "2026-11-24T21:50:48.2Z", "stoppedAt": "2026-11-24T21:50:50.7Z",
            "error": "ProfilePrivate", "cause": "The run was settled as failed",
            "events": [
                {"id": 1, "previous": null, "at": "2026-11-24T21:50:48.2Z", "type": "TaskStateEntered", "state": "Scrape", "error": null},
                {"id": 2, "previous": 1, "at": "2026-11-24T21:50:48.3Z", "type": "TaskScheduled", "state": null, "error": null},
                {"id": 3, "previous": 2, "at": "2026-11-24T21:50:49.2Z", "type": "TaskFailed", "state": null, "error": "ProfilePrivate"},
            ],
        })
    }

    #[test]
    fn nothing_at_all_is_no_run() {
        assert!(report(json!({})).is_empty());
        let expired = report(json!({"database": refunded()}));
        assert!(!expired.is_empty() && expired.unreachable.is_empty());
    }

    #[test]
    fn a_refunded_run_has_cost_us_what_was_asked() {
        let report =
            report(json!({"database": refunded(), "executions": {"found": [execution("analysis")]}}));
        let money = report.money.unwrap();
        assert_eq!((money.total_usd, money.kept_usd, money.margin_usd), (0.1, 0.0, -0.1));
        let [execution] = &*report.executions else { panic!("one execution") };
        assert_eq!((execution.duration_ms, execution.steps.len()), (2_500, 1));
        assert_eq!(execution.steps[0].duration_ms, 2_500, "until the end of the execution");
    }

    #[test]
    fn an_anonymous_run_is_shown_as_far_as_it_exists() {
        let line = json!({"timestamp": "2026-11-24T21:50:49Z", "provider": "openai", "costUsd": 0.002});
        let report = report(json!({
            "executions": {"found": [execution("anonymous-analysis")]},
            "logs": {"found": {"lines": [{"function": "f", "text": line.to_string()}], "cutOff": []}},
        }));
        assert!(!report.is_empty() && report.is_anonymous());
        let money = report.money.unwrap();
        assert_eq!((money.total_usd, money.list_price_usd, money.calls.len()), (0.002, None, 1));
    }

    #[test]
    fn without_the_database_the_rest_is_there_and_no_figure_is_made_up() {
        let report = report(json!({
            "database": {"unreachable": "it is down"}, "executions": {"found": [execution("analysis")]},
        }));
        assert!(!report.is_empty() && !report.is_anonymous() && report.money.is_none());
        assert_eq!(report.unreachable, BTreeMap::from([("database", "it is down".to_owned())]));
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!((&json["money"], &json["run"]), (&Value::Null, &Value::Null));
        assert_eq!(json["executions"][0]["steps"][0]["durationMs"], 2_500);
    }
}
