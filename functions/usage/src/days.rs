//! An account's usage by day and tier, as `public.usage_days` has it.

use jiff::{Span, Timestamp, civil::Date, tz::TimeZone};
use oslira_domain::{AccountId, Error, Result, Tier, UserId};
use oslira_postgres::{Row, UserDb};

/// Days from the first to the one before `until`, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Days {
    pub(crate) since: Date,
    pub(crate) until: Date,
}

/// What the account used of one tier on one day.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Used {
    pub(crate) day: Date,
    pub(crate) tier: Tier,
    pub(crate) started: u64,
    pub(crate) completed: u64,
    pub(crate) refunded: u64,
    pub(crate) credits_charged: u64,
    pub(crate) credits_refunded: u64,
    pub(crate) cache_hits: u64,
    /// The hits by the age of what they read: under 1, 3, 6 and 12 hours, and older.
    pub(crate) hits_by_age: [u64; 5],
    /// How long all hits together took to get their profile, in milliseconds.
    pub(crate) hits_reading_ms: u64,
    /// The same of the analyses that were no hits.
    pub(crate) misses_reading_ms: u64,
}

impl Days {
    /// The last 30 days with today.
    pub(crate) fn recent(now: Timestamp) -> Result<Self> {
        let today = now.to_zoned(TimeZone::UTC).date();
        let since = today.checked_sub(Span::new().days(29)).map_err(Error::internal)?;
        let until = today.tomorrow().map_err(Error::internal)?;
        Ok(Self { since, until })
    }
}

/// Reads what the account used on these days, the oldest day first and the cheapest tier of a day first. A day without anything
/// is left out. `AccountNotFound` when the user is not in the account.
pub(crate) async fn used(
    db: &UserDb,
    user_id: UserId,
    account_id: AccountId,
    days: Days,
) -> Result<Vec<Used>> {
    let sql = "select u.day, u.tier, u.started, u.completed, u.refunded, u.credits_charged, u.credits_refunded, u.cache_hits,
                      u.hits_under_1h, u.hits_under_3h, u.hits_under_6h, u.hits_under_12h, u.hits_from_12h,
                      u.hits_reading_ms, u.misses_reading_ms
                 from public.accounts a
                 left join public.usage_days u on u.account_id = a.account_id and u.day >= $2 and u.day < $3
                 where a.account_id = $1";
    let rows = db.all(user_id, sql, &[&account_id, &days.since, &days.until]).await?;
    if rows.is_empty() {
        return Err(Error::account_not_found());
    }
    let used = rows.iter().filter_map(|row| read(row).transpose());
    let mut used = used.collect::<Result<Vec<Used>>>()?;
    used.sort_by_key(|used| (used.day, used.tier.credits()));
    Ok(used)
}

/// `None` for the row of an account that used nothing.
fn read(row: &Row) -> Result<Option<Used>> {
    let Some(day) = row.read::<Option<Date>>("day")? else { return Ok(None) };
    let count = |name: &str| u64::try_from(row.read::<i32>(name)?).map_err(Error::internal);
    Ok(Some(Used {
        day,
        tier: row.read("tier")?,
        started: count("started")?,
        completed: count("completed")?,
        refunded: count("refunded")?,
        credits_charged: count("credits_charged")?,
        credits_refunded: count("credits_refunded")?,
        cache_hits: count("cache_hits")?,
        hits_by_age: [
            count("hits_under_1h")?,
            count("hits_under_3h")?,
            count("hits_under_6h")?,
            count("hits_under_12h")?,
            count("hits_from_12h")?,
        ],
        hits_reading_ms: row.read("hits_reading_ms")?,
        misses_reading_ms: row.read("misses_reading_ms")?,
    }))
}

/// The share of some in all; `None` when there are none at all.
pub(crate) fn rate(some: u64, all: u64) -> Option<f64> {
    // Counts are far below 2^53, from where on an f64 would not have them exactly.
    (all > 0).then(|| some as f64 / all as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirty_days_end_with_today() {
        let days = |now: &str| Days::recent(now.parse().unwrap()).unwrap();
        let expected =
            |since: &str, until: &str| Days { since: since.parse().unwrap(), until: until.parse().unwrap() };
        assert_eq!(days("2026-11-25T00:00:00Z"), expected("2026-10-27", "2026-11-26"));
        assert_eq!(days("2026-11-25T23:59:59.999Z"), expected("2026-10-27", "2026-11-26"));
        assert_eq!(days("2024-03-01T12:00:00Z"), expected("2024-02-01", "2024-03-02"));
    }

    #[test]
    fn a_rate_of_nothing_is_none() {
        assert_eq!(
            [rate(0, 0), rate(0, 4), rate(1, 4), rate(4, 4)],
            [None, Some(0.0), Some(0.25), Some(1.0)]
        );
    }
}
