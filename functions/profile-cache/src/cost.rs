//! What an actor run cost, on the record of a run.

use crate::scrape::ScrapeRequest;
use oslira_apify::{ActorRun, Apify};
use oslira_domain::{Result, RunId};
use oslira_postgres::{Param, SystemDb, Type};
use uuid::Uuid;

/// Writes it down for the run that started the actor, which the slot names as payer. A visitor's run has no place in Postgres:
/// then for the run that saw the actor to its end, and if that is a visitor's too, in a line of the log. The actor run's
/// id makes the row, so whoever writes it a second time changes nothing.
pub(crate) async fn record(db: &SystemDb, run: &ActorRun, payer: RunId, by: &ScrapeRequest) -> Result<()> {
    let duration_ms = match (run.started_at, run.finished_at) {
        (Some(started), Some(finished)) => {
            i64::try_from(finished.duration_since(started).as_millis()).unwrap_or(0).max(0)
        }
        _ => 0,
    };
    let usual_cost_usd = by.want.usual_cost_usd() * by.usernames.len() as f64;
    let cost_usd = run.usage_total_usd.unwrap_or(usual_cost_usd).max(0.0);
    let (task, actor) = by.want.names();
    let url = format!("{}/v2/actor-runs/{}", Apify::DEFAULT_BASE_URL, run.id);
    let id = Uuid::new_v5(&Uuid::NAMESPACE_URL, url.as_bytes());
    let sql = "with paying as (
                 select account_id, run_id from public.runs where run_id in ($1, $8) order by run_id <> $1 limit 1
               ), written as (
                 insert into public.ai_usage_logs
                   (ai_usage_log_id, account_id, run_id, task, provider, model, cost_usd, duration_ms, outcome)
                   select $2, account_id, run_id, $6, 'apify', $7, $3, $4, $5 from paying
                   on conflict (ai_usage_log_id) do nothing
               )
               select run_id from paying";
    let params: [Param<'_>; 8] = [
        (&payer.0, Type::UUID),
        (&id, Type::UUID),
        (&cost_usd, Type::FLOAT8),
        (&duration_ms, Type::INT8),
        (&run.status.as_str(), Type::TEXT),
        (&task, Type::TEXT),
        (&actor, Type::TEXT),
        (&by.run_id.0, Type::UUID),
    ];
    let is_a_visitors_alone = by.account_id.is_none() && payer == by.run_id;
    if is_a_visitors_alone || db.query(sql, &params).await?.is_empty() {
        let (id, run_id) = (&run.id, payer);
        tracing::info!(runId = %run_id, actorRunId = id, task, actor, costUsd = cost_usd, durationMs = duration_ms, "visitor's scrape");
    }
    Ok(())
}
