//! `GET /api/analysis/{runId}/result`.

use crate::run;
use jiff::Timestamp;
use oslira_domain::{Code, Error, LeadId, Result, RunStatus, Tier};
use oslira_lambda::{Reply, Request};
use oslira_postgres::{Row, UserDb};
use serde_json::{Value, json};

/// 200 with the explained result when complete, 409 `NotReady` before, 410 with the reason when failed or cancelled.
pub async fn get_analysis_result(db: &UserDb, request: Request) -> Result<Reply> {
    let (caller, account_id) = (request.caller()?, request.account_id()?);
    let run_id = run::requested(&request)?;
    let sql = "select r.status, r.username, r.tier, r.credits_charged, r.failure_code, r.failure_message,
                      a.lead_id, a.result, a.data_as_of, a.cache_hit,
                      (select coalesce(jsonb_agg(jsonb_build_object(
                           'task', u.task, 'provider', u.provider, 'model', u.model, 'inputTokens', u.input_tokens,
                           'cachedTokens', u.cached_tokens, 'outputTokens', u.output_tokens, 'costUsd', u.cost_usd,
                           'durationMs', u.duration_ms, 'isFallback', u.is_fallback, 'isCacheHit', u.is_cache_hit,
                           'outcome', u.outcome
                         ) order by u.created_at, u.ai_usage_log_id), '[]')
                         from public.ai_usage_logs u where u.run_id = r.run_id) as calls
                 from public.runs r left join public.analyses a using (run_id)
                 where r.run_id = $1 and r.account_id = $2";
    let row = db.optional(caller.user_id, sql, &[&run_id, &account_id]).await?.ok_or_else(run::not_found)?;
    match oslira_runs::settled(&row)? {
        Some(RunStatus::Complete) => {}
        Some(RunStatus::Cancelled) => {
            return Err(ended(&row, Code::RunCancelled)?);
        }
        Some(_) => return Err(ended(&row, Code::RunFailed)?),
        None => {
            return Err(Error::new(Code::NotReady, "The analysis is still under way; ask for its progress."));
        }
    }

    let mut data: Value = row.read("result")?;
    let credits: i32 = row.read("credits_charged")?;
    data["runId"] = json!(run_id);
    data["leadId"] = json!(row.read::<LeadId>("lead_id")?);
    data["username"] = json!(row.read::<String>("username")?);
    data["analysisType"] = json!(row.read::<String>("tier")?);
    data["dataAsOf"] = json!(row.read::<Timestamp>("data_as_of")?);
    data["cacheHit"] = json!(row.read::<bool>("cache_hit")?);
    data["creditsCharged"] = json!(credits);
    data["cost"] = cost(row.read("tier")?, row.read("calls")?)?;
    Ok(Reply::ok(data))
}

/// What the upstream calls cost, and what is left of the list price.
fn cost(tier: Tier, calls: Value) -> Result<Value> {
    let total: f64 = calls.as_array().into_iter().flatten().filter_map(|call| call["costUsd"].as_f64()).sum();
    let margin = f64::from(tier.list_price_cents()) / 100.0 - total;
    Ok(json!({"totalUsd": micros(total), "marginUsd": micros(margin), "calls": calls}))
}

/// Rounded to a millionth of a dollar: the sums of binary fractions have noise behind it.
fn micros(usd: f64) -> f64 {
    (usd * 1e6).round() / 1e6
}

fn ended(row: &Row, code: Code) -> Result<Error> {
    let reason: String = row.read::<Option<String>>("failure_message")?.unwrap_or_default();
    let details = json!({
        "reason": row.read::<Option<String>>("failure_code")?,
        "creditsRefunded": row.read::<i32>("credits_charged")?,
    });
    Ok(Error::new(code, reason).with_details(details))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_margin_is_what_the_calls_leave_of_the_list_price() {
        let calls = json!([{"costUsd": 0.1}, {"costUsd": 0.2}, {"costUsd": 0.0026}]);
        let cost = cost(Tier::Light, calls).unwrap();
        assert_eq!((&cost["totalUsd"], &cost["marginUsd"]), (&json!(0.3026), &json!(0.6674)));
    }
}
