//! `answer-refresh-check`: compares the profile that was scraped with what the lead's last analysis saw.

use crate::{
    lead::{self, LEAD, Lead},
    start::is_of_now,
};
use oslira_domain::{Error, RefreshCheckInput, Result};
use oslira_lambda::{Invocation, note_account, note_run};
use oslira_postgres::SystemDb;
use oslira_stores::{ProfileStore, RefreshChecks};
use serde::Serialize;

#[derive(Debug)]
pub struct AnswerTools {
    /// For what the lead's last analysis saw.
    pub db: SystemDb,
    /// For the profile of now.
    pub profiles: ProfileStore,
    pub checks: RefreshChecks,
}

/// The output. The answer itself stays in the check's item: it may hold bios.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AnsweredCheck {
    needs_refresh: bool,
}

/// Ends the check with its answer. "Not found" and "private" are answers, too: the scrape before this step keeps them in the
/// cache like a profile. When the profile differs, the username's older posts go from the cache. That happens before the
/// answer is written, so a repeated call does it again.
///
/// # Errors
/// `LeadNotFound` when the lead was deleted meanwhile. `NotReady` for a lead without a complete analysis.
pub async fn answer_refresh_check(
    tools: &AnswerTools,
    invocation: Invocation<RefreshCheckInput>,
) -> Result<AnsweredCheck> {
    let RefreshCheckInput { run_id: check_id, account_id, lead_id, username, .. } = invocation.input;
    note_run(check_id);
    note_account(account_id);
    let (lead, cached) = tokio::join!(
        async { tools.db.optional(LEAD, &[&lead_id, &account_id]).await },
        tools.profiles.cached(&username)
    );
    let lead = Lead::read(lead?)?;
    let seen = lead.seen()?;
    let gone = || Error::store("the profile that was scraped is not in the cache");
    let cached = cached?.filter(is_of_now).ok_or_else(gone)?;
    let answer = lead::compare(&tools.profiles, seen, &cached).await?;
    if answer.profile_differs() {
        let posts = tools.profiles.cached_posts(&username).await?;
        if posts.is_some_and(|posts| posts.scraped_at < cached.scraped_at()) {
            tools.profiles.forget_posts(&username).await?;
        }
    }
    tools.checks.answer(lead_id, check_id, &answer).await?;
    Ok(AnsweredCheck { needs_refresh: answer.needs_refresh })
}
