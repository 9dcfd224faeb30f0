//! `analyze-profile`: puts one task to a model, and keeps the answer.

use crate::asking::{Asking, Matter};
use oslira_domain::{
    AccountId, Business, BusinessProfileId, Code, Error, ProfileSource, Result, RunId, Step, Task, Tier,
};
use oslira_lambda::{Invocation, note_account, note_run};
use oslira_llm::Call;
use oslira_postgres::{SystemDb, table::business_profile};
use oslira_stores::{ProfileStore, ProgressStore};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

/// The part of the invocation's time that is kept for writing the answer down.
const RESERVE: Duration = Duration::from_secs(8);

/// The state machine's input.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AnalyzeProfile {
    run_id: RunId,
    account_id: AccountId,
    tier: Tier,
    task: Task,
    #[serde(flatten)]
    source: ProfileSource,
}

/// The output. The answer itself stays in Postgres.
#[derive(Debug, Serialize)]
pub struct Analyzed {
    task: Task,
}

#[derive(Debug)]
pub struct AnalyzeTools {
    pub asking: Asking,
    pub profiles: ProfileStore,
    /// For the progress bar and the flag that asks the run to stop.
    pub progress: ProgressStore,
    /// For the business profile and the answers.
    pub db: SystemDb,
}

/// Asks a model, unless this run has the answer already. Every call is written down, whatever its outcome, in
/// the same statement as the answer. So a call that was paid for is never lost, and its answer is never paid
/// for twice.
pub async fn analyze_profile(
    tools: &AnalyzeTools,
    invocation: Invocation<AnalyzeProfile>,
) -> Result<Analyzed> {
    let Invocation { input, deadline } = invocation;
    note_run(input.run_id);
    note_account(input.account_id);

    // AI calls that wait for their account's share come back by the hundred, and must not ask Postgres each
    // time. For all other calls one small read comes first. It is quicker than reading the profile from S3.
    let admitted = async {
        let room = tools.asking.look(Some(input.account_id)).await?;
        Ok(tokio::join!(tools.asking.begin(room), context(&tools.db, input.run_id, input.task)))
    };
    let (admitted, begun, snapshot, llm) = tokio::join!(
        admitted,
        tools.progress.begin(input.run_id, input.account_id, Step::Analyzing),
        tools.profiles.read(&input.source),
        tools.asking.llm()
    );
    let (in_flight, context) = admitted.unwrap_or_else(|share_taken| (Ok(None), Err(share_taken)));
    let material = begun
        .and(context)
        .and_then(|context| Ok(if context.is_answered { None } else { Some((context, snapshot?, llm?)) }));
    let (context, snapshot, llm) = match material {
        Ok(Some(material)) => material,
        nothing_to_ask => {
            if let Ok(in_flight) = in_flight {
                tools.asking.end(in_flight, Some(input.account_id), &[]).await;
            }
            return nothing_to_ask.map(|_| Analyzed { task: input.task });
        }
    };
    let in_flight = in_flight?;

    let matter = Matter {
        tier: input.tier,
        task: input.task,
        business_key: &context.business_profile_id.to_string(),
        business: &context.business,
        snapshot: &snapshot,
    };
    let outcome = tools.asking.ask(&llm, matter, deadline - RESERVE).await;

    let answer = outcome.answer.as_ref().ok();
    let (recorded, shown, (), ()) = tokio::join!(
        record(&tools.db, input.run_id, input.task, answer, &outcome.calls),
        tools.progress.advance(
            input.run_id,
            input.account_id,
            if answer.is_some() { Step::Answered } else { Step::Analyzing }
        ),
        outcome.afterwards,
        tools.asking.end(in_flight, Some(input.account_id), &outcome.calls)
    );
    // The state machine must hear why there is no answer. It hears that the record failed only when there is
    // an answer.
    outcome.answer?;
    recorded?;
    shown?;
    Ok(Analyzed { task: input.task })
}

struct Context {
    business_profile_id: BusinessProfileId,
    business: Business,
    is_answered: bool,
}

/// Returns the business profile as it was when the run was accepted, and whether the task was answered
/// before. Fails when the run is settled.
async fn context(db: &SystemDb, run_id: RunId, task: Task) -> Result<Context> {
    let sql = "select r.status, v.*,
                      exists (select from oslira.task_answers t where t.run_id = r.run_id and t.task = $2) as is_answered
                 from public.runs r
                 join oslira.business_profile_versions v
                   on (v.business_profile_id, v.version) = (r.business_profile_id, r.business_profile_version)
                 where r.run_id = $1";
    let row = db.one(sql, &[&run_id, &task]).await?;
    if let Some(status) = oslira_runs::settled(&row)? {
        return Err(Error::new(Code::RunSettled, format!("The analysis was {status} before this step.")));
    }
    Ok(Context {
        business_profile_id: row.read("business_profile_id")?,
        business: business_profile::read(&row)?.into(),
        is_answered: row.read("is_answered")?,
    })
}

/// A call as a row of `ai_usage_logs`. A figure that the table cannot hold must not fail a run that has its
/// answer.
fn usage_log(call: &Call) -> Value {
    let count = |count: u64| i32::try_from(count).unwrap_or(i32::MAX);
    json!({
        "id": Uuid::now_v7(),
        "provider": call.provider.as_str(),
        "model": call.model,
        "input_tokens": count(call.input_tokens),
        "cached_tokens": count(call.cached_tokens),
        "output_tokens": count(call.output_tokens),
        "cost_usd": if call.cost_usd.is_finite() { call.cost_usd.max(0.0) } else { 0.0 },
        "duration_ms": i64::try_from(call.duration_ms).unwrap_or(i64::MAX),
        "is_fallback": call.is_fallback,
        "is_cache_hit": call.cache_hit,
        "outcome": call.outcome,
    })
}

async fn record(
    db: &SystemDb,
    run_id: RunId,
    task: Task,
    answer: Option<&Value>,
    calls: &[Call],
) -> Result<()> {
    // The ids are made before the statement is sent, so a repeated statement writes each row once.
    let calls: Vec<Value> = calls.iter().map(usage_log).collect();
    let sql = "with answered as (
                 insert into oslira.task_answers (run_id, task, answer)
                   select $1, $2, $3::jsonb where $3 is not null
                 on conflict (run_id, task) do nothing
               )
               insert into public.ai_usage_logs (ai_usage_log_id, account_id, run_id, task, provider, model, input_tokens,
                   cached_tokens, output_tokens, cost_usd, duration_ms, is_fallback, is_cache_hit, outcome)
                 select c.id, r.account_id, r.run_id, $2, c.provider, c.model, c.input_tokens, c.cached_tokens,
                        c.output_tokens, c.cost_usd, c.duration_ms, c.is_fallback, c.is_cache_hit, c.outcome
                   from public.runs r,
                        jsonb_to_recordset($4) as c (id uuid, provider text, model text, input_tokens integer,
                            cached_tokens integer, output_tokens integer, cost_usd double precision, duration_ms bigint,
                            is_fallback boolean, is_cache_hit boolean, outcome text)
                   where r.run_id = $1
                 on conflict (ai_usage_log_id) do nothing";
    db.all(sql, &[&run_id, &task, &answer, &Value::Array(calls)]).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use oslira_llm::{CallOutcome, Provider};

    #[test]
    fn every_call_has_a_row_that_the_table_takes() {
        for cost_usd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0] {
            let row = usage_log(&Call {
                provider: Provider::OpenAi,
                model: "gpt-6-luna".to_owned(),
                input_tokens: 3_000_000_000,
                cached_tokens: u64::MAX,
                output_tokens: 7,
                cost_usd,
                estimated_usd: 0.0,
                duration_ms: u64::MAX,
                is_fallback: false,
                cache_hit: false,
                outcome: CallOutcome::Answered,
            });
            let tokens = ["input_tokens", "cached_tokens", "output_tokens"].map(|name| row[name].as_i64());
            assert_eq!(tokens, [Some(i32::MAX.into()), Some(i32::MAX.into()), Some(7)]);
            assert_eq!((row["cost_usd"].as_f64(), row["duration_ms"].as_i64()), (Some(0.0), Some(i64::MAX)));
        }
    }
}
