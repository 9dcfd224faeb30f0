//! `GET /api/analysis/{runId}/progress`.

use crate::run;
use jiff::Timestamp;
use oslira_api::{ErrorCode, Progress, Route, Tag, example};
use oslira_domain::{Result, RunStatus, Step};
use oslira_lambda::{Reply, Request};
use oslira_postgres::{Parameter, UserDb};
use oslira_stores::{self as stores, ProgressStore};
use serde_json::json;

pub(crate) fn progress_route() -> Route {
    let under_way = example(json!({
        "runId": "01932a5f-11aa-7c20-8f10-5e6f7a8b9c0d", "status": "analyzing", "progress": 45,
        "currentStep": "Comparing the profile with your ideal customer", "elapsedMs": 6480,
    }));
    let failed = example(json!({
        "runId": "01932a5f-11aa-7c20-8f10-5e6f7a8b9c0d", "status": "failed", "progress": 10, "currentStep": "Failed and refunded",
        "elapsedMs": 7120, "reason": "The account is private, so there is nothing to analyse.", "code": "ProfilePrivate",
    }));
    let path = "/api/analysis/{runId}/progress";
    run::about_a_run(Route::get(path, "getAnalysisProgress", Tag::Analyses, "Where a run is"))
        .describe("Made for polling, once a second or less often.")
        .answers::<Progress>(200, "The run's progress.", [("underWay", under_way), ("failed", failed)])
}

/// Answers [`Progress`].
///
/// Postgres decides whether the caller may see the run, and how it ended. DynamoDB, asked at the same time,
/// only says where the run is in between. So a lost or expired item costs detail, never truth.
pub async fn get_analysis_progress(db: &UserDb, progress: &ProgressStore, request: Request) -> Result<Reply> {
    let (caller, account_id) = (request.caller()?, request.account_id()?);
    request.no_query()?;
    let run_id = run::requested(&request)?;
    let sql = "select status, failure_code, failure_message, created_at, finished_at
                 from public.runs where run_id = $1 and account_id = $2";
    let parameters: [&dyn Parameter; 2] = [&run_id, &account_id];
    let in_postgres = async || {
        let row = db.optional(caller.user_id, sql, &parameters).await?;
        row.ok_or_else(run::not_found)
    };
    let (row, item) = tokio::join!(in_postgres(), progress.read(run_id));
    let mut row = row?;
    let has_ended = matches!(&item, Ok(Some(item)) if item.status.is_terminal());
    if has_ended && oslira_runs::settled(&row)?.is_none() {
        // The run ended between the two reads: a run is settled before its item says so.
        row = in_postgres().await?;
    }

    let created_at: Timestamp = row.read("created_at")?;
    let ended_at: Option<Timestamp> = row.read("finished_at")?;
    let settled = oslira_runs::settled(&row)?;
    let item = match item {
        // How the run ended is known without the item. Where it is in between is not, and a bar must not fall
        // back to the start.
        Err(error) if settled.is_some() => {
            tracing::warn!(runId = %run_id, cause = error.chain(), "progress item not read");
            None
        }
        item => item?,
    };
    let (status, percent, step) = shown(settled, item);
    Ok(Reply::ok(Progress {
        run_id,
        status,
        progress: percent,
        current_step: step,
        elapsed_ms: run::elapsed_ms(created_at, ended_at.unwrap_or_else(Timestamp::now)),
        reason: row.read("failure_message")?,
        code: row.read::<Option<String>>("failure_code")?.map(|code| ErrorCode(code.into())),
    }))
}

fn shown(settled: Option<RunStatus>, item: Option<stores::Progress>) -> (RunStatus, u8, String) {
    let percent = item.as_ref().map_or(0, |item| item.percent);
    match (settled, item) {
        (Some(RunStatus::Complete), _) => {
            let (status, percent, step) = Step::Done.shown();
            (status, percent, step.to_owned())
        }
        (Some(status), _) => {
            let step =
                if status == RunStatus::Cancelled { "Cancelled and refunded" } else { "Failed and refunded" };
            (status, percent, step.to_owned())
        }
        (None, Some(item)) if !item.status.is_terminal() => {
            let step = if item.cancel_requested { "Cancelling".to_owned() } else { item.step };
            (item.status, item.percent, step)
        }
        // Postgres still says pending, and the item is missing or keeps contradicting it. As far as anyone
        // can tell, the run has not begun.
        (None, _) => {
            let (status, percent, step) = Step::Accepted.shown();
            (status, percent, step.to_owned())
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use oslira_stores::Progress;

    /// The item of a run at the epoch.
    pub(crate) fn item(status: RunStatus, percent: u8) -> Progress {
        Progress {
            account_id: None,
            status,
            percent,
            step: "Working".to_owned(),
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
            cancel_requested: false,
            reached: Vec::new(),
            failure: None,
        }
    }

    #[test]
    fn postgres_decides_the_end_and_the_item_what_is_before_it() {
        let analyzing = || Some(item(RunStatus::Analyzing, 45));
        assert_eq!(shown(None, analyzing()), (RunStatus::Analyzing, 45, "Working".to_owned()));
        let cancelling = Progress { cancel_requested: true, ..item(RunStatus::Analyzing, 45) };
        assert_eq!(shown(None, Some(cancelling)), (RunStatus::Analyzing, 45, "Cancelling".to_owned()));
        assert_eq!(shown(Some(RunStatus::Complete), analyzing()).1, 100);
        assert_eq!(
            shown(Some(RunStatus::Failed), analyzing()),
            (RunStatus::Failed, 45, "Failed and refunded".to_owned())
        );
        assert_eq!(
            shown(Some(RunStatus::Cancelled), None),
            (RunStatus::Cancelled, 0, "Cancelled and refunded".to_owned())
        );
        assert_eq!(shown(None, None).0, RunStatus::Queued);
        assert_eq!(shown(None, Some(item(RunStatus::Complete, 100))).0, RunStatus::Queued);
    }
}
