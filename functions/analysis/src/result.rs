//! `GET /api/analysis/{runId}/result`.

use crate::{assemble::with_points, run};
use jiff::Timestamp;
use oslira_domain::{Code, Error, LeadId, Result, RunStatus};
use oslira_lambda::{Reply, Request};
use oslira_postgres::{Row, RowExt, Type, UserDb};
use serde_json::json;

/// 200 with the explained result when complete, 409 `NotReady` before, 410 with the reason when failed or cancelled.
pub async fn get_analysis_result(db: &UserDb, request: Request) -> Result<Reply> {
    let (caller, account_id) = (request.caller()?, request.account_id()?);
    let run_id = run::requested(&request)?;
    let sql = "select r.status, r.username, r.tier, r.credits_charged, r.failure_code, r.failure_message,
                      a.lead_id, a.result, a.data_as_of, a.cache_hit
                 from public.runs r left join public.analyses a using (run_id)
                 where r.run_id = $1 and r.account_id = $2";
    let rows = db.query(caller.user_id, sql, &[(&run_id.0, Type::UUID), (&account_id.0, Type::UUID)]).await?;
    let row = rows.first().ok_or_else(run::not_found)?;
    match oslira_runs::settled(row)? {
        Some(RunStatus::Complete) => {}
        Some(RunStatus::Cancelled) => {
            return Err(ended(row, Code::RunCancelled)?);
        }
        Some(_) => return Err(ended(row, Code::RunFailed)?),
        None => {
            return Err(Error::new(Code::NotReady, "The analysis is still under way; ask for its progress."));
        }
    }

    let mut data = with_points(row.read("result")?)?;
    let credits: i32 = row.read("credits_charged")?;
    data["runId"] = json!(run_id);
    data["leadId"] = json!(LeadId(row.read("lead_id")?));
    data["username"] = json!(row.read::<String>("username")?);
    data["analysisType"] = json!(row.read::<String>("tier")?);
    data["dataAsOf"] = json!(row.read::<Timestamp>("data_as_of")?);
    data["cacheHit"] = json!(row.read::<bool>("cache_hit")?);
    data["creditsCharged"] = json!(credits);
    Ok(Reply::ok(data))
}

fn ended(row: &Row, code: Code) -> Result<Error> {
    let reason: String = row.read::<Option<String>>("failure_message")?.unwrap_or_default();
    let details = json!({
        "reason": row.read::<Option<String>>("failure_code")?,
        "creditsRefunded": row.read::<i32>("credits_charged")?,
    });
    Ok(Error::new(code, reason).with_details(details))
}
