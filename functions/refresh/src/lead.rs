//! The lead that a request or a check is about, and what its last analysis saw.

use jiff::Timestamp;
use oslira_api::Route;
use oslira_domain::{
    AccountId, Code, CurrentProfile, Error, LeadId, RefreshAnswer, Result, SeenProfile, Username,
};
use oslira_lambda::Request;
use oslira_postgres::Row;
use oslira_stores::{CachedProfile, ProfileStore};

/// Reads a lead of an account, for [`Lead::read`].
pub(crate) const LEAD: &str =
    "select username, tier, analyzed_data_as_of, analyzed_followers, analyzed_biography, analyzed_is_verified
     from public.leads where lead_id = $1 and account_id = $2 and deleted_at is null";

pub(crate) struct Lead {
    pub(crate) username: Username,
    /// `None` while no analysis of the lead was completed.
    pub(crate) seen: Option<SeenProfile>,
}

impl Lead {
    pub(crate) fn read(row: Option<Row>) -> Result<Self> {
        let row = row.ok_or_else(Error::lead_not_found)?;
        let seen = || {
            Ok::<_, Error>(SeenProfile {
                tier: row.read("tier")?,
                data_as_of: row.read("analyzed_data_as_of")?,
                followers: row.read("analyzed_followers")?,
                biography: row.read("analyzed_biography")?,
                is_verified: row.read("analyzed_is_verified")?,
            })
        };
        let is_analyzed = row.read::<Option<Timestamp>>("analyzed_data_as_of")?.is_some();
        Ok(Self { username: row.read("username")?, seen: is_analyzed.then(seen).transpose()? })
    }

    /// What the last analysis saw.
    ///
    /// # Errors
    /// `NotReady` when there is no analysis to compare with.
    pub(crate) fn seen(&self) -> Result<&SeenProfile> {
        self.seen.as_ref().ok_or_else(never_analyzed)
    }
}

/// A route about one lead of the caller's account, for the API's description.
pub(crate) fn about_a_lead(route: Route) -> Route {
    route.path::<LeadId>("leadId", "The lead.").in_account().refuses(&Error::lead_not_found())
}

/// Reads the lead's id from the path. A text that is not an id gets the same answer as an unknown lead.
pub(crate) fn requested(request: &Request) -> Result<LeadId> {
    request.path_id("leadId", Error::lead_not_found)
}

pub(crate) fn never_analyzed() -> Error {
    Error::new(Code::NotReady, "No analysis of this lead is complete, so there is nothing to compare with.")
}

/// The path of the lead's latest check, below the API's base URL.
pub(crate) fn status_url(lead_id: LeadId) -> String {
    format!("/api/leads/{lead_id}/refresh-check")
}

/// The key under which the turns of an account are counted.
pub(crate) fn limit_key(what: &str, account_id: AccountId) -> String {
    format!("{what}#{account_id}")
}

/// Compares what the last analysis saw with what the cache holds of the profile.
pub(crate) async fn compare(
    profiles: &ProfileStore,
    seen: &SeenProfile,
    cached: &CachedProfile,
) -> Result<RefreshAnswer> {
    let compare = |current| seen.compare(current, cached.scraped_at(), Timestamp::now());
    Ok(match cached {
        CachedProfile::Found { snapshot_key, .. } => {
            compare(CurrentProfile::Public(&profiles.snapshot(snapshot_key).await?.profile))
        }
        CachedProfile::NotFound { .. } => compare(CurrentProfile::NotFound),
        CachedProfile::Private { .. } => compare(CurrentProfile::Private),
    })
}
