//! `clean-up-daily`: deletes what nobody needs any more.

use oslira_domain::Result;
use oslira_lambda::Invocation;
use oslira_postgres::SystemDb;
use serde::{Serialize, de::IgnoredAny};
use std::time::Duration;
use tokio::time::Instant;

/// How many rows go in one transaction. Each takes milliseconds, so nobody waits long behind them.
const BATCH: i32 = 1_000;
/// The part of the invocation's time that is kept for the batch under way.
const RESERVE: Duration = Duration::from_secs(15);

/// What the job deleted.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CleanedUp {
    /// Idempotency keys that were older than 24 hours.
    idempotency_keys: u64,
    /// Whether nothing is left. `false` when the time was up before.
    is_complete: bool,
}

/// Deletes batch after batch until nothing is left or the time is up. Two at once share the work: each batch
/// leaves out what another has locked.
///
/// # Errors
/// `StoreUnavailable` when Postgres does not answer. What was deleted before stays deleted.
pub async fn clean_up_daily(db: &SystemDb, invocation: Invocation<IgnoredAny>) -> Result<CleanedUp> {
    let give_up = invocation.deadline - RESERVE;
    let mut done = CleanedUp::default();
    while !done.is_complete && Instant::now() < give_up {
        let sql = "select oslira.delete_expired_idempotency_keys($1) as deleted";
        let deleted: i32 = db.one(sql, &[&BATCH]).await?.read("deleted")?;
        done.idempotency_keys += u64::try_from(deleted).unwrap_or_default();
        done.is_complete = deleted < BATCH;
    }
    tracing::info!(?done, "cleaned up");
    Ok(done)
}
