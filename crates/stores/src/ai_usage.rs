//! What AI calls cost today, and how many are under way: for limits, not for bills.
//!
//! An item per minute counts the AI calls that began in it and have not ended, in all and of each account. An item per
//! account counts those that it has or is about to begin, by minute. An item per day (UTC) holds what was spent, and one per
//! day and account what of that was spent for the account. A write whose answer is lost may be counted twice; the exact
//! costs are in `ai_usage_logs`.

use crate::{Item, intake::max_concurrent_calls, n, number, text, update_if};
use aws_sdk_dynamodb::{
    Client,
    operation::update_item::builders::UpdateItemFluentBuilder,
    types::{KeysAndAttributes, ReturnValue},
};
use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use oslira_domain::{AccountId, Class, Error, Result, share, share_taken};
use oslira_lambda::{Env, Variable, aws_error};
use std::collections::HashMap;

/// A minute's item is looked at for three minutes.
const MINUTE_LIVES: SignedDuration = SignedDuration::from_mins(10);
/// A day's item, for its day; the rest is for people.
const DAY_LIVES: SignedDuration = SignedDuration::from_hours(72);
/// No call costs so much: 100,000 tokens of a prompt and 10,000 of an answer are $0.30 with the dearest model that has a role.
const MOST_USD_PER_CALL: f64 = 1.0;
/// The part of a day's calls that may be sent a second time.
const HEDGED_SHARE: f64 = 0.05;

/// AI calls that every account may have under way, however many others have: those of one X-Ray.
const CALLS_OF_A_RUN: u64 = 4;

/// Whose the AI calls of anonymous runs are.
const ANONYMOUS: &str = "anonymous";

/// The table of usage.
#[derive(Clone, Debug)]
pub struct AiUsage {
    client: Client,
    table: String,
    most: u64,
}

/// Room for an AI call that was seen, and may be gone by now.
#[derive(Debug)]
pub struct Room {
    call: InFlight,
    account_id: Option<AccountId>,
    /// How many the account may have under way.
    share: u64,
}

/// An AI call under way.
#[derive(Debug)]
#[must_use]
pub struct InFlight {
    minute: i64,
    /// An account's id, or [`ANONYMOUS`].
    owner: String,
}

impl AiUsage {
    /// Needs the variables `AI_USAGE_TABLE` and `MAX_CONCURRENT_AI_CALLS`.
    pub fn new(env: &Env) -> Result<Self> {
        Ok(Self::with(Client::new(env.sdk()), env.var(Variable::AiUsageTable)?, max_concurrent_calls(env)?))
    }

    /// The usage in this table, where so many AI calls may be under way.
    pub fn with(client: Client, table: impl Into<String>, most: u64) -> Self {
        Self { client, table: table.into(), most }
    }

    /// Looks whether another AI call of the account may begin. Without an account it is an anonymous run's.
    ///
    /// It only reads: however many keep asking in vain, they write nothing to the items by which all are counted.
    ///
    /// # Errors
    /// `ShareTaken` when the account has its share of the AI calls under way. `StoreUnavailable` when that cannot be known.
    pub async fn look(&self, account_id: Option<AccountId>) -> Result<Room> {
        let owner = account_id.map_or_else(|| ANONYMOUS.to_owned(), |account_id| account_id.to_string());
        let call = InFlight { minute: minute(Timestamp::now()), owner };
        let (own, others) = self.under_way(&call).await?;
        let share = self.share_of(account_id, others);
        if own >= share {
            return Err(share_taken(account_id));
        }
        Ok(Room { call, account_id, share })
    }

    /// Counts an AI call as under way, until [`end`](Self::end) or, if its Lambda dies, for three minutes at most.
    ///
    /// First the account's own count is raised, which tells each of its AI calls another number, however many saw the same
    /// room; those beyond its share take themselves out again. Only what is let through is in the minute's count: an account
    /// that keeps trying must not look like one that is served.
    ///
    /// # Errors
    /// `ShareTaken` when others of the account's were quicker. `StoreUnavailable` when that cannot be known.
    pub async fn begin(&self, room: Room) -> Result<InFlight> {
        let Room { call, account_id, share } = room;
        let now = Timestamp::now();
        let refusal = if self.add_own(&call, 1, now).await? <= share {
            match self.add(&call, 1, now).await {
                Ok(()) => return Ok(call),
                Err(error) => error,
            }
        } else {
            share_taken(account_id)
        };
        if let Err(error) = self.add_own(&call, -1, now).await {
            tracing::warn!(
                cause = error.chain(),
                "an AI call that did not begin is counted for three minutes"
            );
        }
        Err(refusal)
    }

    /// How many AI calls an account may have under way while others have so many. Anonymous runs together are one account, which has
    /// half at most.
    fn share_of(&self, account_id: Option<AccountId>, others: u64) -> u64 {
        let share = share(self.most, others);
        let share = if account_id.is_some() { share } else { share.min(self.most.div_ceil(2)) };
        share.max(CALLS_OF_A_RUN)
    }

    /// Changes the count of all in the call's minute, and of the account's among them.
    async fn add(&self, call: &InFlight, change: i64, now: Timestamp) -> Result<()> {
        let update = self
            .update(&begun_in(call.minute), now + MINUTE_LIVES, "inFlight :change, #own :change")
            .expression_attribute_names("#own", of(&call.owner))
            .expression_attribute_values(":change", n(change));
        update.send().await.map(drop).map_err(aws_error)
    }

    /// Changes the count of the account in the call's minute, and forgets minutes that are over: how many it has under way
    /// then, and at least one. All of its minutes are in one item, so that no two calls are told the same.
    async fn add_own(&self, call: &InFlight, change: i64, now: Timestamp) -> Result<u64> {
        let over: Vec<String> = (3..=MINUTE_LIVES.as_mins()).map(|ago| counter(call.minute - ago)).collect();
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("period", text(account_calls(&call.owner)))
            .update_expression(format!(
                "ADD {} :change SET expiresAt = :expiresAt REMOVE {}",
                counter(call.minute),
                over.join(", ")
            ))
            .expression_attribute_values(":change", n(change))
            .expression_attribute_values(":expiresAt", n((now + MINUTE_LIVES).as_second()))
            .return_values(ReturnValue::AllNew);
        let item = update.send().await.map_err(aws_error)?.attributes.unwrap_or_default();
        // Of clocks that are ahead too.
        let recent = (-2..=1).map(|later| count(&item, &counter(call.minute + later)));
        Ok(recent.sum::<u64>().max(1))
    }

    /// How many AI calls are under way: the account's, and others'.
    async fn under_way(&self, call: &InFlight) -> Result<(u64, u64)> {
        let keys = recent_minutes(call.minute);
        let keys = keys.map(|period| HashMap::from([("period".to_owned(), text(period))]));
        let keys = KeysAndAttributes::builder()
            .set_keys(Some(keys.into()))
            .projection_expression("inFlight, #own")
            .expression_attribute_names("#own", of(&call.owner))
            .consistent_read(true)
            .build();
        let request = self.client.batch_get_item().request_items(&self.table, keys.map_err(Error::internal)?);
        let answer = request.send().await.map_err(aws_error)?;
        if answer.unprocessed_keys.is_some_and(|keys| !keys.is_empty()) {
            return Err(Error::store("DynamoDB read only some of the AI calls under way"));
        }
        let items = answer.responses.and_then(|mut tables| tables.remove(&self.table)).unwrap_or_default();
        let of_minutes = items.iter().map(|item| (count(item, &of(&call.owner)), in_flight(item)));
        Ok(of_minutes.fold((0, 0), |(own, others), (its, all)| (own + its, others + all.saturating_sub(its))))
    }

    /// The AI call has ended, after so many requests to models at such a cost. Without `in_flight` it could not be counted
    /// as under way; without an account it was an anonymous run's.
    pub async fn end(
        &self,
        in_flight: Option<InFlight>,
        account_id: Option<AccountId>,
        requests: u32,
        cost_usd: f64,
    ) -> Result<()> {
        let now = Timestamp::now();
        let ended = async {
            let Some(call) = in_flight else { return Ok(()) };
            let (all, own) = tokio::join!(self.add(&call, -1, now), self.add_own(&call, -1, now));
            all.and(own.map(drop))
        };
        let cost_usd = counted(cost_usd, requests);
        let spent = async |period: Option<String>| {
            let Some(period) = period.filter(|_| requests > 0) else { return Ok(()) };
            let update = self.update(&period, now + DAY_LIVES, "calls :calls, costUsd :costUsd");
            let update = update
                .expression_attribute_values(":calls", n(requests))
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
            .expression_attribute_values(":most", n(hedges(&item)));
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

/// Minutes since 1970.
pub(crate) fn minute(now: Timestamp) -> i64 {
    now.as_second().div_euclid(60)
}

/// The item of a minute.
fn begun_in(minute: i64) -> String {
    format!("calls#{minute}")
}

/// The attribute of an account, in the item of a minute.
fn of(owner: &str) -> String {
    format!("of {owner}")
}

/// The attribute of a minute, in the item of an account.
fn counter(minute: i64) -> String {
    format!("minute{minute}")
}

/// The item of an account's AI calls.
fn account_calls(owner: &str) -> String {
    format!("account-calls#{owner}")
}

/// The items whose `inFlight` add up to what may be under way: an AI call lasts a minute at most, so it began in this
/// minute or the last; one more for clocks that differ.
pub(crate) fn recent_minutes(minute: i64) -> [String; 3] {
    [begun_in(minute), begun_in(minute - 1), begun_in(minute - 2)]
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

/// AI calls of a minute's item that have not ended.
pub(crate) fn in_flight(item: &Item) -> u64 {
    count(item, "inFlight")
}

/// A count; nothing when it lost a beginning.
fn count(item: &Item, name: &str) -> u64 {
    number::<i64>(item, name).map_or(0, |count| u64::try_from(count).unwrap_or(0))
}

/// What the item of a day, or of an account's day, says was spent.
pub(crate) fn cost_usd(item: &Item) -> f64 {
    number(item, "costUsd").unwrap_or(0.0)
}

/// What counts of a call's cost: a sum that cannot be must neither stop the count of requests nor use up everyone's day.
fn counted(cost_usd: f64, requests: u32) -> f64 {
    let most = f64::from(requests) * MOST_USD_PER_CALL;
    if (0.0..=most).contains(&cost_usd) {
        return cost_usd;
    }
    let counted = if cost_usd > most { most } else { 0.0 };
    tracing::error!(
        class = Class::Error.as_str(),
        cost_usd,
        requests,
        counted,
        "AI calls cannot have cost so much"
    );
    counted
}

/// The second calls that this day's calls pay for.
fn hedges(item: &Item) -> u64 {
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
        let [this, last, before] = recent_minutes(minute(now));
        assert_eq!((this, last), (format!("calls#{}", second / 60), format!("calls#{}", second / 60 - 1)));
        assert_eq!(before, begun_in(minute(now - SignedDuration::from_secs(120))));
        assert_ne!(day(now + SignedDuration::from_millis(100)), day(now));
        let account_id: AccountId = "0190a5a0-0000-7000-8000-000000000001".parse().unwrap();
        let accounts_day = "account#2026-11-21#0190a5a0-0000-7000-8000-000000000001";
        assert_eq!(account_day(account_id, now), accounts_day);
    }

    #[test]
    fn a_twentieth_of_the_calls_may_be_sent_twice() {
        for (calls, expected) in [(0, 0), (19, 0), (20, 1), (400, 20)] {
            assert_eq!(hedges(&Item::from([("calls".into(), n(calls))])), expected);
        }
        assert_eq!(hedges(&Item::new()), 0);
    }

    #[test]
    fn an_account_has_two_thirds_of_what_others_leave_and_always_a_runs_calls() {
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::latest())
            .build();
        let usage = |most| AiUsage::with(Client::from_conf(config.clone()), "usage", most);
        let account_id = Some(AccountId(uuid::Uuid::from_bytes([1; 16])));
        for (others, ours, anonymous) in
            [(0, 134, 100), (80, 80, 80), (134, 44, 44), (200, 4, 4), (300, 4, 4)]
        {
            assert_eq!(usage(200).share_of(account_id, others), ours, "{others}");
            assert_eq!(usage(200).share_of(None, others), anonymous, "{others}");
        }
        // What was let in before nothing was to be let in goes on.
        assert_eq!(usage(0).share_of(account_id, 0), 4);
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
