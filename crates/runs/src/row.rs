//! A run's row in Postgres.

use oslira_domain::{AnalysisInput, Error, Result, RunStatus};
use oslira_postgres::Row;

/// The settled state in the column `status`; `None` while the run is pending.
pub fn settled(row: &Row) -> Result<Option<RunStatus>> {
    match &*row.read::<String>("status")? {
        "pending" => Ok(None),
        status => status.parse().map(Some).map_err(Error::internal),
    }
}

/// The input of the run's execution, from `run_id`, `account_id`, `business_profile_id`, `username`, `tier`
/// and `fresh_since`.
pub fn input(row: &Row) -> Result<AnalysisInput> {
    Ok(AnalysisInput {
        run_id: row.read("run_id")?,
        account_id: row.read("account_id")?,
        business_profile_id: row.read("business_profile_id")?,
        username: row.read("username")?,
        tier: row.read("tier")?,
        fresh_since: row.read("fresh_since")?,
    })
}
