//! `GET /api/analysis/{runId}/result`.

use crate::run;
use oslira_api::{AnalysisResult, Findings, Route, Tag, example};
use oslira_domain::{Code, Error, Result, RunStatus};
use oslira_lambda::{Reply, Request};
use oslira_postgres::{Row, UserDb};
use serde_json::{Value, json};

pub(crate) fn result_route() -> Route {
    let read = |json: &str| {
        example(serde_json::from_str(json).unwrap_or_else(|error| json!({"no JSON": error.to_string()})))
    };
    let light = read(include_str!("../../../crates/api/examples/light-result.json"));
    let xray = read(include_str!("../../../crates/api/examples/xray-result.json"));
    let private = "The account is private, so there is nothing to analyse.";
    let refunded = |reason: Code| json!({"reason": reason.as_str(), "creditsRefunded": 1});
    let failed = Error::new(Code::RunFailed, private).with_details(refunded(Code::ProfilePrivate));
    let cancelled = Error::new(Code::RunCancelled, "The analysis was cancelled.");
    let path = "/api/analysis/{runId}/result";
    run::about_a_run(Route::get(path, "getAnalysisResult", Tag::Analyses, "The explained result of a run"))
        .describe("[scoring.md](scoring.md) explains how the score is made.")
        .answers::<AnalysisResult>(200, "The result.", [("light", light), ("xray", xray)])
        .refuses(&not_ready())
        .refuses(&failed)
        .refuses(&cancelled.with_details(refunded(Code::RunCancelled)))
}

/// Answers 200 with the explained result when the run is complete, 409 `NotReady` before that, and 410 with
/// the reason when it failed or was cancelled.
pub async fn get_analysis_result(db: &UserDb, request: Request) -> Result<Reply> {
    let (caller, account_id) = (request.caller()?, request.account_id()?);
    request.no_query()?;
    let run_id = run::requested(&request)?;
    let sql = "select r.status, r.username, r.tier, r.credits_charged, r.failure_code, r.failure_message,
                      a.lead_id, a.result, a.data_as_of, a.cache_hit
                 from public.runs r left join public.analyses a using (run_id)
                 where r.run_id = $1 and r.account_id = $2";
    let row = db.optional(caller.user_id, sql, &[&run_id, &account_id]).await?.ok_or_else(run::not_found)?;
    match oslira_runs::settled(&row)? {
        Some(RunStatus::Complete) => {}
        Some(RunStatus::Cancelled) => {
            return Err(ended(&row, Code::RunCancelled)?);
        }
        Some(_) => return Err(ended(&row, Code::RunFailed)?),
        None => return Err(not_ready()),
    }

    // The parser's own message is left out, because it may quote what a model wrote.
    let findings: Findings = serde_json::from_value(row.read::<Value>("result")?)
        .map_err(|_| Error::internal("the saved result cannot be read"))?;
    Ok(Reply::ok(AnalysisResult {
        run_id,
        lead_id: row.read("lead_id")?,
        username: row.read("username")?,
        analysis_type: row.read("tier")?,
        findings,
        data_as_of: row.read("data_as_of")?,
        cache_hit: row.read("cache_hit")?,
        credits_charged: row.read("credits_charged")?,
    }))
}

fn not_ready() -> Error {
    Error::new(Code::NotReady, "The analysis is still under way; ask for its progress.")
}

fn ended(row: &Row, code: Code) -> Result<Error> {
    let reason: String = row.read::<Option<String>>("failure_message")?.unwrap_or_default();
    let details = json!({
        "reason": row.read::<Option<String>>("failure_code")?,
        "creditsRefunded": row.read::<i32>("credits_charged")?,
    });
    Ok(Error::new(code, reason).with_details(details))
}
