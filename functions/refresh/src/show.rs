//! `GET /api/leads/{leadId}/refresh-check`: how the lead's latest check stands.

use crate::{
    lead::{self, LEAD, Lead},
    start::{followers, is_under_way},
};
use jiff::Timestamp;
use oslira_api::{RefreshCheck, RefreshCheckStatus, Route, Tag, example};
use oslira_domain::{Code, Error, Result};
use oslira_lambda::{Reply, Request, note_run};
use oslira_postgres::{Parameter, UserDb};
use oslira_stores::{Failure, ProgressStore, RefreshCheckEnd, RefreshChecks};
use serde_json::json;

/// Answers [`RefreshCheck`]. Postgres decides whether the lead is the caller's.
///
/// # Errors
/// `LeadNotFound`, `RefreshCheckNotFound`.
pub async fn get_refresh_check(
    db: &UserDb,
    checks: &RefreshChecks,
    progress: &ProgressStore,
    request: Request,
) -> Result<Reply> {
    let (caller, account_id) = (request.caller()?, request.account_id()?);
    request.no_query()?;
    let lead_id = lead::requested(&request)?;
    let parameters: [&dyn Parameter; 2] = [&lead_id, &account_id];
    let (lead, check) = tokio::join!(db.optional(caller.user_id, LEAD, &parameters), checks.read(lead_id));
    Lead::read(lead?)?;
    let check = check?.filter(|check| check.account_id == account_id).ok_or_else(not_found)?;
    note_run(check.check_id);
    let is_under_way = is_under_way(progress, &check).await?;
    Ok(Reply::ok(shown(check, is_under_way, Timestamp::now())))
}

fn not_found() -> Error {
    let message = "No check of this lead had to look at Instagram in the past 24 hours.";
    Error::new(Code::RefreshCheckNotFound, message)
}

fn shown(check: oslira_stores::RefreshCheck, is_under_way: bool, now: Timestamp) -> RefreshCheck {
    let ended_at = check.end.as_ref().map_or(now, |end| end.at);
    let elapsed_ms =
        i64::try_from(ended_at.duration_since(check.started_at).as_millis()).unwrap_or(i64::MAX).max(0);
    let shown = |status| RefreshCheck {
        check_id: check.check_id,
        status,
        elapsed_ms,
        answer: None,
        code: None,
        reason: None,
    };
    let failure = match check.end {
        Some(RefreshCheckEnd { outcome: Ok(answer), .. }) => {
            return RefreshCheck { answer: Some(answer), ..shown(RefreshCheckStatus::Complete) };
        }
        None if is_under_way => return shown(RefreshCheckStatus::Checking),
        Some(RefreshCheckEnd { outcome: Err(failure), .. }) => failure,
        None => Failure {
            code: Code::ExecutionStopped,
            reason: "The check was stopped before it was done.".to_owned(),
        },
    };
    RefreshCheck {
        code: Some(failure.code.into()),
        reason: Some(failure.reason),
        ..shown(RefreshCheckStatus::Failed)
    }
}

pub(crate) fn show_route() -> Route {
    let id = "0b8f5a52-6a1d-8c3e-9f43-2a17c60e5d11";
    let checking = example(json!({"checkId": id, "status": "checking", "elapsedMs": 2140}));
    let complete =
        example(json!({"checkId": id, "status": "complete", "elapsedMs": 7120, "answer": followers()}));
    let failed = example(json!({
        "checkId": id, "status": "failed", "elapsedMs": 41_870, "code": "ApifyUnavailable",
        "reason": "Instagram did not let the scraper in.",
    }));
    let path = "/api/leads/{leadId}/refresh-check";
    let summary = "How the lead's latest check stands, and its answer";
    lead::about_a_lead(Route::get(path, "getRefreshCheck", Tag::Leads, summary))
        .describe(
            "Made for polling, once a second or less often. It shows the latest check that was answered with 202, for 24 hours. A \
             check on which nothing works any more is shown as failed with `ExecutionStopped` after five minutes.",
        )
        .answers::<RefreshCheck>(
            200,
            "The check.",
            [("checking", checking), ("complete", complete), ("failed", failed)],
        )
        .refuses(&not_found())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;
    use oslira_domain::RunId;

    #[test]
    fn a_check_is_under_way_or_has_ended_or_nothing_works_on_it_any_more() {
        let id = RunId::generate();
        let at = |seconds| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds);
        let check = |outcome: Option<_>| oslira_stores::RefreshCheck {
            check_id: id,
            account_id: id.to_string().parse().unwrap(),
            started_at: at(0),
            end: outcome.map(|outcome| RefreshCheckEnd { at: at(7), outcome }),
        };
        let under_way = json!({"checkId": id, "status": "checking", "elapsedMs": 2_000});
        assert_eq!(json!(shown(check(None), true, at(2))), under_way);

        let complete = json!(shown(check(Some(Ok(followers()))), false, at(900)));
        assert_eq!((&complete["status"], &complete["elapsedMs"]), (&json!("complete"), &json!(7_000)));
        assert_eq!(complete["answer"], json!(followers()));

        let failure = Failure { code: Code::ApifyBusy, reason: "All scrapers were busy.".to_owned() };
        let failed = json!(shown(check(Some(Err(failure))), false, at(900)));
        assert_eq!((&failed["status"], &failed["code"]), (&json!("failed"), &json!("ApifyBusy")));

        let lost = json!(shown(check(None), false, at(900)));
        assert_eq!((&lost["status"], &lost["code"]), (&json!("failed"), &json!("ExecutionStopped")));
    }
}
