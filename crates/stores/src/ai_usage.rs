//! What AI calls cost today, and how many steps that make them are under way: for limits, not for bills.
//!
//! An item per minute counts the AI steps that began in it and have not ended, an item per day (UTC) what was spent, and one
//! per day and account what of that was spent for the account. A write whose answer is lost may be counted twice; the exact
//! costs are in `ai_usage_logs`.

use crate::{Item, n, number, text, update_if};
use aws_sdk_dynamodb::{Client, operation::update_item::builders::UpdateItemFluentBuilder};
use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use oslira_domain::{AccountId, Class, Result};
use oslira_lambda::{Env, aws_error};

/// A minute's item is looked at for three minutes.
const MINUTE_LIVES: SignedDuration = SignedDuration::from_mins(10);
/// A day's item, for its day; the rest is for people.
const DAY_LIVES: SignedDuration = SignedDuration::from_hours(72);
/// No call costs so much: 100,000 tokens of a prompt and 10,000 of an answer are $0.30 with the dearest model that has a role.
const MOST_USD_PER_CALL: f64 = 1.0;
/// The part of a day's calls that may be sent a second time.
const HEDGED_SHARE: f64 = 0.05;

/// The table of usage.
#[derive(Clone, Debug)]
pub struct AiUsage {
    client: Client,
    table: String,
}

/// An AI step under way.
#[derive(Debug)]
#[must_use]
pub struct InFlight {
    period: String,
}

impl AiUsage {
    /// Needs the variable `AI_USAGE_TABLE`.
    pub fn new(env: &Env) -> Result<Self> {
        Ok(Self::with(Client::new(env.sdk()), env.var("AI_USAGE_TABLE")?))
    }

    /// The usage in this table.
    pub fn with(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// Counts an AI step as under way, until [`end`](Self::end) or, if its Lambda dies, for three minutes at most.
    pub async fn begin(&self) -> Result<InFlight> {
        let now = Timestamp::now();
        let period = minute(now, 0);
        let update = self.update(&period, now + MINUTE_LIVES, "inFlight :one");
        update.expression_attribute_values(":one", n(1)).send().await.map_err(aws_error)?;
        Ok(InFlight { period })
    }

    /// The step has ended, after so many calls at such a cost. Without `in_flight` it could not be counted as under way,
    /// without an account it was a visitor's.
    pub async fn end(
        &self,
        in_flight: Option<InFlight>,
        account_id: Option<AccountId>,
        calls: u32,
        cost_usd: f64,
    ) -> Result<()> {
        let now = Timestamp::now();
        let ended = async {
            let Some(InFlight { period }) = in_flight else { return Ok(()) };
            let update = self.update(&period, now + MINUTE_LIVES, "inFlight :minusOne");
            let update = update.expression_attribute_values(":minusOne", n(-1));
            update.send().await.map(drop).map_err(aws_error)
        };
        let cost_usd = counted(cost_usd, calls);
        let spent = async |period: Option<String>| {
            let Some(period) = period.filter(|_| calls > 0) else { return Ok(()) };
            let update = self.update(&period, now + DAY_LIVES, "calls :calls, costUsd :costUsd");
            let update = update
                .expression_attribute_values(":calls", n(calls))
                .expression_attribute_values(":costUsd", n(format!("{cost_usd:.9}")));
            update.send().await.map(drop).map_err(aws_error)
        };
        let accounts_day = account_id.map(|account_id| account_day(account_id, now));
        let (ended, by_all, by_account) = tokio::join!(ended, spent(Some(day(now))), spent(accounts_day));
        by_all.and(by_account).and(ended)
    }

    /// Takes one of the second calls that the day has: one, and 5 % of its calls so far. `false` when there is none
    /// left, and when the table is out of reach: a second call is a luxury.
    pub async fn may_hedge(&self) -> bool {
        self.take_hedge(Timestamp::now()).await.unwrap_or_else(|error| {
            tracing::warn!(cause = error.chain(), "no second call: usage not read");
            false
        })
    }

    async fn take_hedge(&self, now: Timestamp) -> Result<bool> {
        let period = day(now);
        let read = self.client.get_item().table_name(&self.table).key("period", text(&period)).send();
        let item = read.await.map_err(aws_error)?.item.unwrap_or_default();
        let take = self
            .update(&period, now + DAY_LIVES, "hedges :one")
            .condition_expression("attribute_not_exists(hedges) OR hedges <= :most")
            .expression_attribute_values(":one", n(1))
            .expression_attribute_values(":most", n(share(&item)));
        Ok(update_if(take).await?.is_ok())
    }

    fn update(&self, period: &str, expires_at: Timestamp, add: &str) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.table)
            .key("period", text(period))
            .update_expression(format!("ADD {add} SET expiresAt = :expiresAt"))
            .expression_attribute_values(":expiresAt", n(expires_at.as_second()))
    }
}

/// The item of the minute that many minutes before `now`.
fn minute(now: Timestamp, before: i64) -> String {
    format!("steps#{}", now.as_second().div_euclid(60) - before)
}

/// The items whose `inFlight` add up to what may be under way: an AI step lasts a minute at most, so it began in this
/// minute or the last; one more for clocks that differ.
pub(crate) fn recent_minutes(now: Timestamp) -> [String; 3] {
    [minute(now, 0), minute(now, 1), minute(now, 2)]
}

/// The item of the day, in UTC.
pub(crate) fn day(now: Timestamp) -> String {
    format!("day#{}", date(now))
}

/// The item of an account's day.
pub(crate) fn account_day(account_id: AccountId, now: Timestamp) -> String {
    format!("account#{}#{account_id}", date(now))
}

fn date(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::UTC).date()
}

/// AI steps of a minute's item that have not ended.
pub(crate) fn in_flight(item: &Item) -> u64 {
    number::<i64>(item, "inFlight").map_or(0, |count| u64::try_from(count).unwrap_or(0))
}

/// What the item of a day, or of an account's day, says was spent.
pub(crate) fn cost_usd(item: &Item) -> f64 {
    number(item, "costUsd").unwrap_or(0.0)
}

/// What counts of a step's cost: a sum that cannot be must neither stop the count of calls nor use up everyone's day.
fn counted(cost_usd: f64, calls: u32) -> f64 {
    let most = f64::from(calls) * MOST_USD_PER_CALL;
    if (0.0..=most).contains(&cost_usd) {
        return cost_usd;
    }
    let counted = if cost_usd > most { most } else { 0.0 };
    tracing::error!(
        class = Class::Error.as_str(),
        cost_usd,
        calls,
        counted,
        "AI calls cannot have cost so much"
    );
    counted
}

/// The second calls that this day's calls pay for.
fn share(item: &Item) -> u64 {
    (number::<u64>(item, "calls").unwrap_or(0) as f64 * HEDGED_SHARE) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_minutes_and_days_of_utc() {
        let now: Timestamp = "2026-11-21T23:59:59.9Z".parse().unwrap();
        assert_eq!(day(now), "day#2026-11-21");
        let second = now.as_second();
        let [this, last, before] = recent_minutes(now);
        assert_eq!((this, last), (format!("steps#{}", second / 60), format!("steps#{}", second / 60 - 1)));
        assert_eq!(before, minute(now - SignedDuration::from_secs(120), 0));
        assert_ne!(day(now + SignedDuration::from_millis(100)), day(now));
        let account_id: AccountId = "0190a5a0-0000-7000-8000-000000000001".parse().unwrap();
        let accounts_day = "account#2026-11-21#0190a5a0-0000-7000-8000-000000000001";
        assert_eq!(account_day(account_id, now), accounts_day);
    }

    #[test]
    fn a_twentieth_of_the_calls_may_be_sent_twice() {
        for (calls, expected) in [(0, 0), (19, 0), (20, 1), (400, 20)] {
            assert_eq!(share(&Item::from([("calls".into(), n(calls))])), expected);
        }
        assert_eq!(share(&Item::new()), 0);
    }

    #[test]
    fn no_sum_uses_up_everyones_day() {
        for (cost_usd, calls, expected) in [
            (0.25, 2, 0.25),
            (1e18, 2, 2.0),
            (f64::INFINITY, 3, 3.0),
            (-1.0, 2, 0.0),
            (f64::NAN, 2, 0.0),
            (0.0, 0, 0.0),
        ] {
            assert_eq!(counted(cost_usd, calls), expected, "{cost_usd}");
        }
    }

    #[test]
    fn an_item_that_lost_a_beginning_takes_nothing_from_the_others() {
        assert_eq!(in_flight(&Item::from([("inFlight".into(), n(-2))])), 0);
        assert_eq!(in_flight(&Item::from([("inFlight".into(), n(7))])), 7);
        assert_eq!(cost_usd(&Item::from([("costUsd".into(), n("12.500000001"))])), 12.500_000_001);
    }
}
