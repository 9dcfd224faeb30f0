//! How many analyses an account may start.

use oslira_domain::{AccountId, Error, Plan, Result, RunId};
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

    /// Counts an analysis of this account, under the id of its run. Only members of the account come so far:
    /// strangers could use up its limit.
    ///
    /// # Errors
    /// `TooManyRequests` when it has started too many, `AccountNotFound` when the caller is not in it.
    pub(crate) async fn take(
        &self,
        db: &UserDb,
        caller: &Caller,
        account_id: AccountId,
        run_id: RunId,
    ) -> Result<Pass> {
        let limit = limit(db, caller, account_id).await?;
        self.rate_limits.take(&key(account_id), run_id.0, &[limit]).await
    }

    /// Takes back a count that [`take`](Self::take) may have made before it was given up.
    pub(crate) async fn withdraw(&self, account_id: AccountId, run_id: RunId) {
        // How many are allowed does not matter.
        self.rate_limits.withdraw(&key(account_id), run_id.0, &[an_hour(0)]).await;
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

    /// Counts a run that was accepted before, if it is not counted yet, instead of the one that was not accepted. Whoever
    /// calls the database function themselves is counted when the API starts their run.
    pub(crate) async fn count_instead(&self, pass: Pass, run_id: RunId) {
        if let Err(failure) = self.rate_limits.hand_over(pass, run_id.0).await {
            tracing::warn!(runId = %run_id, cause = failure.chain(), "an analysis that was not accepted stays counted");
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

/// Reads the limit of an account that the authorizer did not name. Between a deploy and its migrations, no plan has one;
/// then the smallest holds.
async fn ask(db: &UserDb, caller: &Caller, account_id: AccountId) -> Result<u32> {
    let sql = "select (to_jsonb(p) ->> 'analyses_per_hour')::bigint as analyses_per_hour
                 from public.accounts a join public.plans p using (plan_id)
                 where a.account_id = $1";
    let row = db.optional(caller.user_id, sql, &[&account_id]).await?.ok_or_else(Error::account_not_found)?;
    match row.read::<Option<i64>>("analyses_per_hour")? {
        Some(count) => u32::try_from(count).map_err(Error::internal),
        None => Ok(Plan::ALL[0].analyses_per_hour),
    }
}
