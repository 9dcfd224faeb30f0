//! What the state machines pass to `scrape-profiles`.

use crate::{slots::RunKind, want::Want};
use oslira_domain::{AccountId, RunId, Tier, Username};
use serde::Deserialize;

/// What to scrape, for which run.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScrapeRequest {
    /// The run that pays for it.
    pub(crate) run_id: RunId,
    /// `None`: an anonymous run.
    #[serde(default)]
    pub(crate) account_id: Option<AccountId>,
    pub(crate) tier: Tier,
    /// One to ten.
    pub(crate) usernames: Vec<Username>,
    #[serde(default)]
    pub(crate) run_kind: RunKind,
    #[serde(default)]
    pub(crate) want: Want,
}
