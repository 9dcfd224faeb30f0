//! `upsert-lead`: shows the profile on the lead while AI tasks are still running.

use oslira_domain::{Error, LeadId, Result, RunId};
use oslira_lambda::{Invocation, note_account, note_run};
use oslira_postgres::SystemDb;
use oslira_stores::ProfileStore;
use serde::{Deserialize, Serialize};

/// The state machine's input.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpsertLead {
    run_id: RunId,
    account_id: oslira_domain::AccountId,
    snapshot_key: String,
}

/// The output.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UpsertedLead {
    lead_id: LeadId,
}

/// Writes the run's profile to its lead. A snapshot that is older than the lead's own changes nothing.
pub async fn upsert_lead(
    db: &SystemDb,
    profiles: &ProfileStore,
    invocation: Invocation<UpsertLead>,
) -> Result<UpsertedLead> {
    let input = invocation.input;
    note_run(input.run_id);
    note_account(input.account_id);
    let snapshot = profiles.snapshot(&input.snapshot_key).await?;
    let profile = &snapshot.profile;

    let sql = "with upserted as (
                 insert into public.leads as l (account_id, business_profile_id, username, full_name, biography,
                     external_url, followers, following, posts_count, is_verified, is_business, profile_as_of)
                   select r.account_id, r.business_profile_id, r.username, $2, $3, $4, $5, $6, $7, $8, $9, $10
                     from public.runs r where r.run_id = $1
                 on conflict (account_id, business_profile_id, username) where deleted_at is null do update
                   set full_name = excluded.full_name, biography = excluded.biography,
                       external_url = excluded.external_url, followers = excluded.followers,
                       following = excluded.following, posts_count = excluded.posts_count,
                       is_verified = excluded.is_verified, is_business = excluded.is_business,
                       profile_as_of = excluded.profile_as_of, updated_at = now()
                   where l.profile_as_of <= excluded.profile_as_of
                 returning l.lead_id
               )
               select lead_id from upserted
               union all
               select l.lead_id
                 from public.runs r
                 join public.leads l using (account_id, business_profile_id, username)
                 where r.run_id = $1 and l.deleted_at is null
               limit 1";
    let row = db
        .optional(
            sql,
            &[
                &input.run_id,
                &profile.full_name,
                &profile.biography,
                &profile.external_url,
                &profile.followers,
                &profile.following,
                &profile.posts_count,
                &profile.is_verified,
                &profile.is_business,
                &snapshot.scraped_at,
            ],
        )
        .await?;
    // There is no row when another run made the lead, with a newer profile, after this statement began. The
    // next try sees that lead.
    let row = row.ok_or_else(|| Error::store("the lead was made at the same moment"))?;
    Ok(UpsertedLead { lead_id: row.read("lead_id")? })
}
