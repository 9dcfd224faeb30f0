//! What the state machines pass to `scrape-profiles`.

use crate::{slots::RunKind, want::Want};
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
    /// One to ten.
    pub(crate) usernames: Vec<Username>,
    #[serde(default)]
    pub(crate) run_kind: RunKind,
    #[serde(default)]
    pub(crate) want: Want,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both fields have a default. So without this test, a name that no state machine passes would go
    /// unnoticed.
    #[test]
    fn the_sample_events_say_for_which_kind_of_run_and_what() {
        let anonymous = include_str!("../../../../events/scrape-profiles/anonymous.json");
        let posts = include_str!("../../../../events/scrape-profiles/posts.json");
        for (event, expected) in
            [(anonymous, (RunKind::Anonymous, Want::Profiles)), (posts, (RunKind::Single, Want::Posts))]
        {
            let request: ScrapeRequest = serde_json::from_str(event).unwrap();
            assert_eq!((request.run_kind, request.want), expected);
            assert_eq!(request.account_id.is_none(), request.run_kind == RunKind::Anonymous);
        }
    }
}
