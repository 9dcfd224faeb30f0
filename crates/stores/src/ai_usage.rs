//! What AI calls cost today, and how many are under way. These figures serve limits, not bills.
//!
//! There are four kinds of items. An item per minute counts the AI calls that began in that minute and have
//! not ended, in total and by account. An item per account counts, by minute, the AI calls that the account
//! has under way or is about to begin. An item per day (UTC) holds what was spent. An item per day and
//! account holds how much of that was spent for the account.
//!
//! A write whose answer is lost may be counted twice. The exact costs are in `ai_usage_logs`.

use crate::{EXPIRES_AT, Item, intake::max_concurrent_calls, n, number, text, update_if};
use aws_sdk_dynamodb::{
    Client,
    operation::update_item::builders::UpdateItemFluentBuilder,
    types::{KeysAndAttributes, ReturnValue},
};
use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use oslira_domain::{AccountId, Class, Error, Result, share, share_taken};
use oslira_lambda::{Env, Variable, aws_error};
use std::collections::HashMap;

/// How long a minute's item is kept. It is read for three minutes.
const MINUTE_LIVES: SignedDuration = SignedDuration::from_mins(10);
/// How long a day's item is kept. It is read on its day only; the other days are for people who look at it.
const DAY_LIVES: SignedDuration = SignedDuration::from_hours(72);
/// The upper bound of what one call can cost, in US dollars. 100,000 tokens of prompt and 10,000 of answer
/// cost $0.30 with the dearest model that has a role.
const MOST_USD_PER_CALL: f64 = 1.0;
/// The part of a day's calls that may be sent a second time.
const HEDGED_SHARE: f64 = 0.05;

/// The AI calls that every account may have under way, however many others have. One X-Ray needs this many.
const CALLS_OF_A_RUN: u64 = 4;

/// The account id under which the AI calls of all anonymous runs are counted.
const ANONYMOUS: &str = "anonymous";

#[derive(Clone, Debug)]
pub struct AiUsage {
    client: Client,
    table: String,
    most: u64,
}

/// The room that was seen for an AI call. It may be gone by the time the call begins.
#[derive(Debug)]
pub struct Room {
    call: InFlight,
    account_id: Option<AccountId>,
    /// How many AI calls the account may have under way.
    share: u64,
}

/// An AI call that is counted as under way.
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

    /// Uses this table. `most` is how many AI calls may be under way in total.
    pub fn with(client: Client, table: impl Into<String>, most: u64) -> Self {
        Self { client, table: table.into(), most }
    }

    /// Checks whether the account may begin another AI call. `None` stands for the anonymous runs.
    ///
    /// It only reads. Calls that keep asking in vain thus write nothing to the items that count everyone's
    /// calls.
    ///
    /// # Errors
    /// `ShareTaken` when the account has its share of AI calls under way. `StoreUnavailable` when the table
    /// does not answer.
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

    /// Counts an AI call as under way, until [`end`](Self::end). If its Lambda dies, it is counted for three
    /// minutes.
    ///
    /// It first raises the account's own count. That write gives each of the account's AI calls another
    /// number, however many calls saw the same room. A call whose number is beyond the share takes itself out
    /// again. Only calls within the share enter the minute's count: an account that keeps trying in vain must
    /// not look like one that is served.
    ///
    /// # Errors
    /// `ShareTaken` when other AI calls of the account were quicker. `StoreUnavailable` when the table does
    /// not answer.
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

    /// How many AI calls an account may have under way while the others have `others`. All anonymous runs
    /// count as one account, which may have half of the total at most.
    fn share_of(&self, account_id: Option<AccountId>, others: u64) -> u64 {
        let share = share(self.most, others);
        let share = if account_id.is_some() { share } else { share.min(self.most.div_ceil(2)) };
        share.max(CALLS_OF_A_RUN)
    }

    /// Changes the total count in the call's minute, and the account's count in the same item.
    async fn add(&self, call: &InFlight, change: i64, now: Timestamp) -> Result<()> {
        let update = self
            .update(&begun_in(call.minute), now + MINUTE_LIVES, "inFlight :change, #own :change")
            .expression_attribute_names("#own", of(&call.owner))
            .expression_attribute_values(":change", n(change));
        update.send().await.map(drop).map_err(aws_error)
    }

    /// Changes the account's count in the call's minute and forgets minutes that are over. Returns how many
    /// AI calls the account then has under way, at least one. All minutes of an account are in one item, so
    /// no two of its calls get the same number.
    async fn add_own(&self, call: &InFlight, change: i64, now: Timestamp) -> Result<u64> {
        let over: Vec<String> = (3..=MINUTE_LIVES.as_mins()).map(|ago| counter(call.minute - ago)).collect();
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("period", text(account_calls(&call.owner)))
            .update_expression(format!(
                "ADD {} :change SET {EXPIRES_AT} = :expiresAt REMOVE {}",
                counter(call.minute),
                over.join(", ")
            ))
            .expression_attribute_values(":change", n(change))
            .expression_attribute_values(":expiresAt", n((now + MINUTE_LIVES).as_second()))
            .return_values(ReturnValue::AllNew);
        let item = update.send().await.map_err(aws_error)?.attributes.unwrap_or_default();
        // One minute ahead is counted too, since clocks differ.
        let recent = (-2..=1).map(|later| count(&item, &counter(call.minute + later)));
        Ok(recent.sum::<u64>().max(1))
    }

    /// Returns how many AI calls are under way: the account's, then everyone else's.
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

    /// Ends an AI call and counts its requests to models and their cost. `in_flight` is `None` when the call
    /// could not be counted as under way. `account_id` is `None` for an anonymous run.
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

    /// Takes one second call from the day's budget: one, plus 5 % of the day's calls so far. `false` when
    /// none is left, and when the table does not answer: a second call is a luxury.
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
            .update_expression(format!("ADD {add} SET {EXPIRES_AT} = :expiresAt"))
            .expression_attribute_values(":expiresAt", n(expires_at.as_second()))
    }
}

/// Minutes since 1970.
pub(crate) fn minute(now: Timestamp) -> i64 {
    now.as_second().div_euclid(60)
}

/// The key of a minute's item.
fn begun_in(minute: i64) -> String {
    format!("calls#{minute}")
}

/// The attribute of an account in a minute's item.
fn of(owner: &str) -> String {
    format!("of {owner}")
}

/// The attribute of a minute in an account's item.
fn counter(minute: i64) -> String {
    format!("minute{minute}")
}

/// The key of the item that counts an account's AI calls.
fn account_calls(owner: &str) -> String {
    format!("account-calls#{owner}")
}

/// The keys of the items whose `inFlight` add up to the AI calls under way. An AI call lasts a minute at
/// most, so it began in this minute or the last. The third item allows for clocks that differ.
pub(crate) fn recent_minutes(minute: i64) -> [String; 3] {
    [begun_in(minute), begun_in(minute - 1), begun_in(minute - 2)]
}

/// The key of the day's item, in UTC.
pub(crate) fn day(now: Timestamp) -> String {
    format!("day#{}", date(now))
}

/// The key of the item of an account's day.
pub(crate) fn account_day(account_id: AccountId, now: Timestamp) -> String {
    format!("account#{}#{account_id}", date(now))
}

fn date(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::UTC).date()
}

/// How many AI calls of a minute's item have not ended.
pub(crate) fn in_flight(item: &Item) -> u64 {
    count(item, "inFlight")
}

/// Reads a count. A negative count is 0: its beginning was lost.
fn count(item: &Item, name: &str) -> u64 {
    number::<i64>(item, name).map_or(0, |count| u64::try_from(count).unwrap_or(0))
}

/// What was spent according to the item of a day, or of an account's day.
pub(crate) fn cost_usd(item: &Item) -> f64 {
    number(item, "costUsd").unwrap_or(0.0)
}

/// The part of a call's cost that is counted. An impossible sum must neither keep the requests from being
/// counted nor use up the day's limit for everyone.
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

/// How many second calls the day's calls allow.
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
        // Calls that began before the limit was set to 0 go on.
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
