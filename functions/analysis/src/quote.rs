//! `POST /api/leads/analyze?quote=true`: what an analysis would cost, and what would refuse it.

use crate::start::{Asked, StartTools, refusal};
use jiff::Timestamp;
use oslira_api::{AnalysisQuote, AnalysisRequest, CachedProfile, Refusal};
use oslira_domain::{Code, Error, Result, Tier, is_fresh};
use oslira_lambda::{Caller, Reply};
use oslira_postgres::{Row, UserDb};

/// Answers [`AnalysisQuote`]. Nothing is written, locked or started.
///
/// The shared cache is not asked, since its answer would tell what other accounts analyse. That also holds for
/// how long the quote takes and for its estimate: both depend on the account's own runs alone.
pub(crate) async fn quote(tools: &StartTools, caller: &Caller, asked: &Asked<'_>) -> Result<Reply> {
    let (taken_in, has_room, row) = tokio::join!(
        tools.intake.check(asked.account_id),
        tools.limits.look(&tools.db, caller, asked.account_id),
        look(&tools.db, asked)
    );
    // The database comes first: strangers must not learn whether an account is paused.
    let row = row?;
    let mut refusals: Vec<Refusal> = Vec::new();
    for answer in [taken_in, has_room] {
        match answer {
            Ok(()) => {}
            Err(error) if [Code::Paused, Code::TooManyRequests].contains(&error.code) => {
                refusals.push(error.into());
            }
            Err(error) => return Err(error),
        }
    }
    for outcome in row.read::<Vec<String>>("refusals")? {
        refusals.push(refusal(&outcome, &row)?.into());
    }

    let tier = asked.body.analysis_type;
    let cached_profile = seen(tier, row.read("data_as_of")?, Timestamp::now());
    let (cost, balance): (i32, i32) = (row.read("price")?, row.read("balance")?);
    Ok(Reply::ok(AnalysisQuote {
        cost,
        balance,
        balance_after: balance - cost,
        estimated_seconds: match cached_profile {
            Some(_) => tier.estimated_seconds_cached(),
            None => tier.estimated_seconds(),
        },
        cached_profile,
        duplicate_of: row.read("run_id")?,
        refusals,
    }))
}

/// Reads the price and what would refuse the analysis. Also reads when the profile was scraped that the account's latest
/// complete analysis of this username has read, if that analysis had as many posts as this one needs, and nothing newer is
/// demanded for the lead.
async fn look(db: &UserDb, asked: &Asked<'_>) -> Result<Row> {
    let sql = "select q.price, q.balance, q.refusals, (q.twin).run_id,
                      exists (
                        select from public.business_profiles p
                          where p.business_profile_id = $2 and p.account_id = $1 and p.deleted_at is null
                      ) as has_business_profile,
                      (
                        select a.data_as_of from public.runs r join public.analyses a using (run_id)
                          where r.account_id = $1 and r.username = $3 and r.status = 'complete' and r.tier = any ($5)
                            and not exists (
                              select from public.leads l
                                where l.account_id = $1 and l.business_profile_id = $2 and l.username = $3
                                  and l.deleted_at is null and l.fresh_since > a.data_as_of
                            )
                          order by r.created_at desc
                          limit 1
                      ) as data_as_of
                 from public.quote_analysis($1, $2, $3, $4) q";
    let AnalysisRequest { username, analysis_type, business_profile_id } = &asked.body;
    let with_enough_posts = Tier::ALL.into_iter().filter(|tier| tier.posts() >= analysis_type.posts());
    let with_enough_posts: Vec<String> = with_enough_posts.map(|tier| tier.as_str().to_owned()).collect();
    let row = db
        .optional(
            asked.user_id,
            sql,
            &[&asked.account_id, business_profile_id, username, analysis_type, &with_enough_posts],
        )
        .await?
        .ok_or_else(Error::account_not_found)?;
    if !row.read::<bool>("has_business_profile")? {
        return Err(Error::business_profile_not_found());
    }
    Ok(row)
}

/// What the account has seen of the profile, while a run of this tier may still read it.
fn seen(tier: Tier, data_as_of: Option<Timestamp>, now: Timestamp) -> Option<CachedProfile> {
    let data_as_of = data_as_of.filter(|data_as_of| is_fresh(tier, true, *data_as_of, now))?;
    Some(CachedProfile { data_as_of, age_seconds: now.duration_since(data_as_of).as_secs() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;

    #[test]
    fn what_was_seen_counts_for_as_long_as_the_tier_may_read_it() {
        let now = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(100);
        let age = |tier, hours| {
            let seen = seen(tier, Some(now - SignedDuration::from_hours(hours)), now);
            seen.map(|seen| seen.age_seconds)
        };
        assert_eq!(age(Tier::Light, 23), Some(23 * 3_600));
        assert_eq!(age(Tier::Light, 24), None);
        assert_eq!(age(Tier::Deep, 11), Some(11 * 3_600));
        assert_eq!(age(Tier::Deep, 12), None);
        assert_eq!(age(Tier::Xray, 0), Some(0));
        assert_eq!(age(Tier::Xray, -1), None);
        assert!(seen(Tier::Light, None, now).is_none());
    }
}
