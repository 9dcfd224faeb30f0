//! A run as Postgres knows it.

use oslira_domain::{
    AccountId, AnalysisInput, BusinessProfileId, Error, Result, RunId, RunStatus, Tier, Username,
};
use oslira_postgres::{Row, RowExt};

/// The settled state in the column `status`; `None` while the run is pending.
pub fn settled(row: &Row) -> Result<Option<RunStatus>> {
    match row.read::<&str>("status")? {
        "pending" => Ok(None),
        status => status.parse().map(Some).map_err(Error::internal),
    }
}

/// The input of the run's execution, from `run_id`, `account_id`, `business_profile_id`, `username` and `tier`.
pub fn input(row: &Row) -> Result<AnalysisInput> {
    let username: Username = row.read::<String>("username")?.parse().map_err(Error::internal)?;
    let tier: Tier = row.read::<&str>("tier")?.parse().map_err(|problem: &str| Error::internal(problem))?;
    Ok(AnalysisInput {
        run_id: RunId(row.read("run_id")?),
        account_id: AccountId(row.read("account_id")?),
        business_profile_id: BusinessProfileId(row.read("business_profile_id")?),
        username,
        tier,
    })
}
