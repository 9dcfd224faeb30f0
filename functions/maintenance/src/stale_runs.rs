//! `fail-stale-runs`: the last safety net, for runs that nothing works on any more.
//!
//! A run ends by itself, by its state machine's refund, or by `refund-stopped-run`. Three kinds of runs are
//! left over: those whose start was lost between the charge and the execution; those that could not be
//! settled because the database was away for hours; and those that a database restored to an earlier moment
//! takes for pending.

use jiff::{SignedDuration, Timestamp};
use oslira_domain::{AnalysisInput, Class, Code, Error, Result, RunId};
use oslira_lambda::Invocation;
use oslira_postgres::SystemDb;
use oslira_runs::{Execution, Executions, input, refund};
use oslira_stores::{Intake, Progress, ProgressStore};
use serde::{Serialize, de::IgnoredAny};
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

/// A run without progress for this long is checked.
const QUIET: SignedDuration = SignedDuration::from_mins(5);
/// A run that was not started for this long is refunded, because its user has left.
const TOO_LATE: SignedDuration = SignedDuration::from_hours(1);
/// How many runs are read at once.
const PAGE: i64 = 100;
/// A page of the pending runs that are older than five minutes. An index supports it.
pub const PENDING_RUNS: &str = "select run_id, account_id, business_profile_id, username, tier, fresh_since, created_at
     from public.runs
     where status = 'pending' and created_at < now() - interval '5 minutes' and (created_at, run_id) > ($1, $2)
     order by created_at, run_id
     limit $3";
/// The part of the invocation's time that is kept for the run under way, which takes as long as Step
/// Functions, DynamoDB and Postgres need.
const RESERVE: Duration = Duration::from_secs(30);

/// How many runs the job found or treated in each way.
#[derive(Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Runs that something works on.
    healthy: u32,
    /// Runs that had no execution and got one.
    started: u32,
    /// Runs that this job refunded.
    refunded: u32,
    /// Runs that were settled by something else while this job looked at them.
    settled_meanwhile: u32,
    /// Runs that the next hour's job checks again: a store did not answer, or new analyses are refused and
    /// the run was not started.
    undecided: u32,
    /// Whether every run was checked. `false` when the time was up before.
    is_complete: bool,
}

/// What to do about a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Healthy,
    Start,
    Refund(Code, &'static str),
}

#[derive(Debug)]
pub struct FailStaleTools {
    pub executions: Executions,
    /// For the progress bars and the flags that ask runs to stop.
    pub progress: ProgressStore,
    /// Whether analyses are accepted at all.
    pub intake: Intake,
    /// For the runs.
    pub db: SystemDb,
}

/// Checks every pending run that is older than five minutes, the oldest first, until the time is up.
///
/// # Errors
/// `StoreUnavailable` when the runs cannot be read.
pub async fn fail_stale_runs(tools: &FailStaleTools, invocation: Invocation<IgnoredAny>) -> Result<Report> {
    let give_up = invocation.deadline - RESERVE;
    let mut report = Report::default();
    let mut after = (Timestamp::UNIX_EPOCH, Uuid::nil());
    while !report.is_complete {
        let page = tools.pending_after(after).await?;
        for run in &page {
            if Instant::now() >= give_up {
                tracing::warn!(?report, "the time is up; the next job goes on");
                return Ok(report);
            }
            after = (run.created_at, run.run_id.0);
            match tools.look_into(run).await {
                Ok(count) => *count.of(&mut report) += 1,
                Err(error) => {
                    tracing::warn!(runId = %run.run_id, cause = error.chain(), "{error}; the next job looks again");
                    report.undecided += 1;
                }
            }
        }
        report.is_complete = page.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
    }
    tracing::info!(?report, "stale runs");
    Ok(report)
}

/// The number of the report that a run adds to.
enum Count {
    Healthy,
    Started,
    Refunded,
    SettledMeanwhile,
}

impl Count {
    fn of(self, report: &mut Report) -> &mut u32 {
        match self {
            Self::Healthy => &mut report.healthy,
            Self::Started => &mut report.started,
            Self::Refunded => &mut report.refunded,
            Self::SettledMeanwhile => &mut report.settled_meanwhile,
        }
    }
}

struct PendingRun {
    run_id: RunId,
    created_at: Timestamp,
    /// The input of the run's execution. A row that cannot be read must not keep the other runs from being
    /// checked.
    input: Result<AnalysisInput>,
}

impl FailStaleTools {
    async fn pending_after(&self, (created_at, run_id): (Timestamp, Uuid)) -> Result<Vec<PendingRun>> {
        let rows = self.db.all(PENDING_RUNS, &[&created_at, &run_id, &PAGE]).await?;
        rows.iter()
            .map(|row| {
                let run_id = row.read("run_id")?;
                Ok(PendingRun { run_id, created_at: row.read("created_at")?, input: input(row) })
            })
            .collect()
    }

    async fn look_into(&self, run: &PendingRun) -> Result<Count> {
        let run_id = run.run_id;
        let progress = self.progress.read(run_id).await?;
        let now = Timestamp::now();
        if progress.as_ref().is_some_and(|progress| is_recent(progress, now)) {
            return Ok(Count::Healthy);
        }
        let execution = self.executions.latest(run_id).await?;
        match verdict(execution, now.duration_since(run.created_at)) {
            Verdict::Healthy => Ok(Count::Healthy),
            Verdict::Start => {
                let input = run.input.as_ref().map_err(|error| Error::internal(error.to_string()))?;
                // Perhaps intake never accepted this run, since users can call the database function
                // themselves. A cancelled run spends nothing: its first step refunds it.
                if !progress.is_some_and(|progress| progress.cancel_requested) {
                    self.intake.check(input.account_id).await?;
                }
                self.executions.start(input).await?;
                tracing::warn!(runId = %run_id, "a run without an execution: started");
                Ok(Count::Started)
            }
            Verdict::Refund(code, reason) => {
                let is_cancelled = progress.is_some_and(|progress| progress.cancel_requested);
                self.refund(run_id, is_cancelled, code, reason).await
            }
        }
    }

    async fn refund(&self, run_id: RunId, is_cancelled: bool, code: Code, reason: &str) -> Result<Count> {
        let refunded = refund(&self.db, &self.progress, run_id, is_cancelled, code, reason).await?;
        if !refunded.refunded_now {
            return Ok(Count::SettledMeanwhile);
        }
        let class = code.class();
        if class == Class::Critical {
            tracing::error!(
                runId = %run_id, class = class.as_str(),
                "a pending run whose execution succeeded: refunded; was Postgres restored to an earlier moment?"
            );
        } else {
            tracing::warn!(runId = %run_id, %code, "a run that nothing worked on: refunded");
        }
        Ok(Count::Refunded)
    }
}

fn is_recent(progress: &Progress, now: Timestamp) -> bool {
    !progress.status.is_terminal() && now.duration_since(progress.updated_at) < QUIET
}

fn verdict(execution: Option<Execution>, age: SignedDuration) -> Verdict {
    match execution {
        Some(Execution::Running) => Verdict::Healthy,
        None if age < TOO_LATE => Verdict::Start,
        None => Verdict::Refund(Code::StartFailed, "The analysis could not be started."),
        Some(Execution::EndedBadly) => {
            Verdict::Refund(Code::ExecutionStopped, "The analysis was stopped before it was finished.")
        }
        // Saving is the last step before success. So only a database that has lost the result comes here, and
        // the result is gone.
        Some(Execution::Succeeded) => {
            Verdict::Refund(Code::InternalError, "The result was lost by a fault of ours.")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use oslira_domain::RunStatus;

    #[test]
    fn a_run_is_given_up_only_when_nothing_can_come_of_it() {
        let minutes = SignedDuration::from_mins;
        let code = |execution, age| match verdict(execution, age) {
            Verdict::Refund(code, _) => Some(code),
            _ => None,
        };
        assert_eq!(verdict(Some(Execution::Running), minutes(600)), Verdict::Healthy);
        assert_eq!(verdict(None, minutes(6)), Verdict::Start);
        assert_eq!(code(None, minutes(61)), Some(Code::StartFailed));
        assert_eq!(code(Some(Execution::EndedBadly), minutes(6)), Some(Code::ExecutionStopped));
        assert_eq!(code(Some(Execution::Succeeded), minutes(6)), Some(Code::InternalError));
    }

    #[test]
    fn a_bar_that_moves_is_a_sign_of_life() {
        let now = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(1);
        let progress = |status, updated_at| Progress {
            account_id: None,
            status,
            percent: 10,
            step: String::new(),
            created_at: Timestamp::UNIX_EPOCH,
            updated_at,
            cancel_requested: false,
            reached: Vec::new(),
            failure: None,
        };
        let ago = |minutes| now - SignedDuration::from_mins(minutes);
        assert!(is_recent(&progress(RunStatus::Scraping, ago(4)), now));
        assert!(!is_recent(&progress(RunStatus::Scraping, ago(6)), now));
        assert!(!is_recent(&progress(RunStatus::Complete, ago(1)), now), "Postgres says otherwise");
    }
}
