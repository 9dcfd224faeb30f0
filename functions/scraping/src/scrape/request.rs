//! What the state machines pass to `scrape-profiles`.

use crate::{slots::RunKind, want::Want};
use jiff::Timestamp;
use oslira_domain::{AccountId, RunId, Tier, Username};
use serde::Deserialize;

/// What to scrape, and for which run.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScrapeRequest {
    /// The run that pays for it.
    pub(crate) run_id: RunId,
    /// `None` for an anonymous run.
    #[serde(default)]
    pub(crate) account_id: Option<AccountId>,
    pub(crate) tier: Tier,
    /// The run reads nothing that was scraped before this time.
    #[serde(default)]
    pub(crate) fresh_since: Option<Timestamp>,
    /// One to ten.
    pub(crate) usernames: Vec<Username>,
    pub(crate) run_kind: RunKind,
    pub(crate) want: Want,
}
