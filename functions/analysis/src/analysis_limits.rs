//! How many analyses an account may start.

use oslira_domain::{AccountId, Error, Result};
use oslira_lambda::{Caller, Env};
use oslira_postgres::UserDb;
use oslira_stores::{Limit, Pass, RateLimits};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(60 * 60);

/// An account's limit per hour, which its plan sets.
#[derive(Debug)]
pub struct AnalysisLimits {
    rate_limits: RateLimits,
}

impl AnalysisLimits {
    /// Needs the variables of [`RateLimits`].
    pub fn new(env: &Env) -> Result<Self> {
        Ok(Self { rate_limits: RateLimits::new(env)? })
    }

    /// Counts an analysis of this account. Only members of the account come so far: strangers could use up its
    /// limit.
    ///
    /// # Errors
    /// `TooManyRequests` when it has started too many, `AccountNotFound` when the caller is not in it.
    pub(crate) async fn take(&self, db: &UserDb, caller: &Caller, account_id: AccountId) -> Result<Pass> {
        let limit = limit(db, caller, account_id).await?;
        self.rate_limits.take(&key(account_id), &[limit]).await
    }

    /// Says what [`take`](Self::take) would say now. Nothing is counted.
    pub(crate) async fn look(&self, db: &UserDb, caller: &Caller, account_id: AccountId) -> Result<()> {
        let limit = limit(db, caller, account_id).await?;
        self.rate_limits.look(&key(account_id), &[limit]).await
    }

    /// Takes back the count of an analysis that was not accepted.
    pub(crate) async fn give_back(&self, pass: Pass) {
        if let Err(failure) = self.rate_limits.give_back(pass).await {
            tracing::warn!(cause = failure.chain(), "an analysis that was not accepted stays counted");
        }
    }
}

/// At most so many in an hour.
pub(crate) const fn an_hour(count: u32) -> Limit {
    Limit { count, window: HOUR }
}

fn key(account_id: AccountId) -> String {
    format!("analyses#{account_id}")
}

async fn limit(db: &UserDb, caller: &Caller, account_id: AccountId) -> Result<Limit> {
    match caller.analyses_per_hour.get(&account_id) {
        Some(count) => Ok(an_hour(*count)),
        None => ask(db, caller, account_id).await.map(an_hour),
    }
}

/// Reads the limit of an account that the authorizer did not name.
async fn ask(db: &UserDb, caller: &Caller, account_id: AccountId) -> Result<u32> {
    let sql = "select p.analyses_per_hour from public.accounts a join public.plans p using (plan_id)
                 where a.account_id = $1";
    let row = db.optional(caller.user_id, sql, &[&account_id]).await?.ok_or_else(Error::account_not_found)?;
    let count: i32 = row.read("analyses_per_hour")?;
    u32::try_from(count).map_err(Error::internal)
}
