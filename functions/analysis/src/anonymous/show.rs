//! `GET /api/analyze/anonymous/{runToken}`.

use super::run_token::RunToken;
use crate::run::elapsed_ms;
use jiff::Timestamp;
use oslira_api::{AnonymousResult, AnonymousRun, Route, RunTokenText, Tag, example};
use oslira_domain::{Code, Error, Result, RunStatus, Step};
use oslira_lambda::{Reply, Request, note_run};
use oslira_stores::{AnonymousStore, Progress, ProgressStore, has_gone_silent};
use serde_json::json;

pub(crate) fn show_route() -> Route {
    let under_way = example(json!({
        "status": "analyzing", "progress": 45, "currentStep": "Comparing the profile with your ideal customer",
        "elapsedMs": 6480,
    }));
    let failed = example(json!({
        "status": "failed", "progress": 10, "currentStep": "Failed", "elapsedMs": 7120, "code": "ProfilePrivate",
        "reason": "The account is private, so there is nothing to analyse.",
    }));
    let path = "/api/analyze/anonymous/{runToken}";
    let summary = "Where an anonymous analysis is, and its result";
    Route::get(path, "getAnonymousAnalysis", Tag::Anonymous, summary)
        .open()
        .describe("Made for polling, once a second or less often.")
        .path::<RunTokenText>(
            "runToken",
            "The token, as the answer to the start named it: 32 hexadecimal digits.",
        )
        .answers::<AnonymousRun>(
            200,
            "The progress, and the result when complete.",
            [("underWay", under_way), ("failed", failed)],
        )
        .refuses(&not_found())
}

/// Answers [`AnonymousRun`].
///
/// # Errors
/// `RunNotFound` for every token that opens nothing: it was never given out, it has expired, or it is not a
/// token at all.
pub async fn get_anonymous_analysis(
    store: &AnonymousStore,
    progress: &ProgressStore,
    request: Request,
) -> Result<Reply> {
    request.no_query()?;
    let token: RunToken = request.path_id("runToken", not_found)?;
    let run_id = token.run_id();
    note_run(run_id);
    let item = progress.read(run_id).await?.filter(|item| item.account_id.is_none()).ok_or_else(not_found)?;
    let mut run = shown(&item, Timestamp::now());
    if item.status == RunStatus::Complete {
        let result: Option<AnonymousResult> = store.result(run_id).await?;
        run.result = Some(result.ok_or_else(|| Error::internal("a complete run has no result"))?);
    }
    Ok(Reply::ok(run))
}

fn not_found() -> Error {
    Error::new(Code::RunNotFound, "There is no such analysis. An anonymous one is kept for a day.")
}

/// The answer without the result.
fn shown(item: &Progress, now: Timestamp) -> AnonymousRun {
    // If an operator redrives a stopped execution after all, its next step shows the run as it is.
    let is_lost = !item.status.is_terminal() && has_gone_silent(item.updated_at, now);
    let (status, step) = match item.status {
        _ if is_lost => (RunStatus::Failed, "Failed"),
        RunStatus::Complete => (RunStatus::Complete, Step::Done.shown().2),
        RunStatus::Failed => (RunStatus::Failed, "Failed"),
        status => (status, item.step.as_str()),
    };
    let ended_at = if status.is_terminal() { item.updated_at } else { now };
    let mut run = AnonymousRun {
        status,
        progress: item.percent,
        current_step: step.to_owned(),
        elapsed_ms: elapsed_ms(item.created_at, ended_at),
        result: None,
        code: None,
        reason: None,
    };
    if status == RunStatus::Failed {
        let failure = item.failure.as_ref().filter(|_| !is_lost);
        let (code, reason) = failure
            .map_or((Code::ExecutionStopped, "The analysis was stopped before it was done."), |failure| {
                (failure.code, &failure.reason)
            });
        run.code = Some(code.into());
        run.reason = Some(reason.to_owned());
    }
    run
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;
    use oslira_stores::Failure;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes)
    }

    fn item(status: RunStatus, percent: u8) -> Progress {
        Progress { updated_at: at(1), ..crate::progress::tests::item(status, percent) }
    }

    #[test]
    fn a_run_under_way_shows_its_step_and_one_that_has_ended_stands_still() {
        let working =
            json!({"status": "analyzing", "progress": 45, "currentStep": "Working", "elapsedMs": 120_000});
        assert_eq!(json!(shown(&item(RunStatus::Analyzing, 45), at(2))), working);
        let complete =
            json!({"status": "complete", "progress": 100, "currentStep": "Complete", "elapsedMs": 60_000});
        assert_eq!(json!(shown(&item(RunStatus::Complete, 100), at(900))), complete);
    }

    #[test]
    fn a_failed_run_tells_why() {
        let failure = Failure { code: Code::ProfilePrivate, reason: "The account is private.".to_owned() };
        let failed = Progress { failure: Some(failure), ..item(RunStatus::Failed, 10) };
        let shown = json!(shown(&failed, at(900)));
        assert_eq!((&shown["status"], &shown["progress"]), (&json!("failed"), &json!(10)));
        assert_eq!(
            (&shown["code"], &shown["reason"]),
            (&json!("ProfilePrivate"), &json!("The account is private."))
        );
    }

    #[test]
    fn a_run_that_is_silent_for_too_long_was_stopped() {
        let item = item(RunStatus::Scraping, 10);
        assert_eq!(shown(&item, at(6)).status, RunStatus::Scraping);
        let lost = json!(shown(&item, at(7)));
        assert_eq!((&lost["status"], &lost["code"]), (&json!("failed"), &json!("ExecutionStopped")));
        assert_eq!(lost["elapsedMs"], 60_000);
    }
}
