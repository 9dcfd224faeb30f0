//! What an actor run cost, on the record of the run that pays for it.

use super::request::ScrapeRequest;
use oslira_apify::{ActorRun, Apify};
use oslira_domain::{Result, RunId};
use oslira_postgres::{Parameter, SystemDb};
use uuid::Uuid;

/// An actor run can cost this many times as much as usual at most, because its items are limited.
const MOST_TIMES_USUAL: f64 = 10.0;
/// The most that its machine can cost beside its items, in US dollars. Two minutes with 32 GB, the most
/// memory that Apify gives an actor, are 1.07 compute units, at $0.40 each at most.
const MOST_MACHINE_USD: f64 = 0.5;

/// What an actor run cost, in US dollars. Apify's figure counts, up to the most that the run could have cost:
/// a mistake of the vendor's must not put a million on a run's record. When there is no possible figure, or
/// none yet, the usual cost of such a run counts.
fn cost_usd(told: Option<f64>, usual: f64) -> f64 {
    let most = usual * MOST_TIMES_USUAL + MOST_MACHINE_USD;
    match told {
        Some(told) if (0.0..=most).contains(&told) => told,
        Some(told) => {
            let counted = if told > most { most } else { usual };
            tracing::warn!(told, counted, "Apify's usage is out of bounds");
            counted
        }
        None => usual,
    }
}

/// What is recorded about an actor run.
pub(super) struct ActorCost<'a> {
    pub(super) run: &'a ActorRun,
    /// The run that started the actor, as slot and flight name it.
    pub(super) payer: RunId,
    /// The request of the run that saw the actor's end.
    pub(super) request: &'a ScrapeRequest,
}

impl ActorCost<'_> {
    /// Records the cost for the run that started the actor. Anonymous runs and refresh checks have no row in
    /// Postgres. Then the cost is recorded for the run or check that saw the actor's end. If that is an
    /// anonymous run, the cost goes into a line of the log, also that of a check's actor. The row's id is made from the actor run's id,
    /// so a second write changes nothing.
    pub(super) async fn record(&self, db: &SystemDb) -> Result<()> {
        let Self { run, payer, request } = self;
        let ScrapeRequest { run_id: seen_by, want, .. } = request;
        let duration_ms = run.duration().and_then(|took| i64::try_from(took.as_millis()).ok()).unwrap_or(0);
        let cost_usd = cost_usd(run.usage_total_usd, want.usual_cost_usd() * request.usernames.len() as f64);
        let (task, actor) = want.names();
        let url = format!("{}/v2/actor-runs/{}", Apify::DEFAULT_BASE_URL, run.id);
        let id = Uuid::new_v5(&Uuid::NAMESPACE_URL, url.as_bytes());
        let sql = "with in_runs as (
                     select account_id, run_id from public.runs where run_id in ($1, $8) order by run_id <> $1 limit 1
                   ), paying as (
                     select account_id, run_id from in_runs
                     union all
                     select $9, $8 where $9 is not null and not exists (select from in_runs)
                   ), written as (
                     insert into public.ai_usage_logs
                       (ai_usage_log_id, account_id, run_id, task, provider, model, cost_usd, duration_ms, outcome)
                       select $2, account_id, run_id, $6, 'apify', $7, $3, $4, $5 from paying
                       on conflict (ai_usage_log_id) do nothing
                   )
                   select run_id from paying";
        let status = run.status.as_str();
        let account_id = &request.account_id;
        let parameters: [&dyn Parameter; 9] =
            [payer, &id, &cost_usd, &duration_ms, &status, &task, &actor, seen_by, account_id];
        let is_anonymous_alone = request.account_id.is_none() && payer == seen_by;
        if is_anonymous_alone || db.all(sql, &parameters).await?.is_empty() {
            let (id, run_id) = (&run.id, payer);
            tracing::info!(runId = %run_id, actorRunId = id, task, actor, costUsd = cost_usd, durationMs = duration_ms, "anonymous scrape");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_apify_says_it_cost_counts_as_far_as_it_can_be() {
        let most = 0.026 + MOST_MACHINE_USD;
        for (told, expected) in [
            (None, 0.0026),
            (Some(0.0), 0.0),
            (Some(0.01), 0.01),
            (Some(1e18), most),
            (Some(f64::INFINITY), most),
            (Some(-1.0), 0.0026),
            (Some(f64::NEG_INFINITY), 0.0026),
            (Some(f64::NAN), 0.0026),
        ] {
            assert!((cost_usd(told, 0.0026) - expected).abs() < 1e-9, "{told:?}");
        }
    }
}
