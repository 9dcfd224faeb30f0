//! How often someone may do something, in DynamoDB: sliding windows, exact over all Lambdas.
//!
//! A key's item has a map for each window, with the turns that were taken: each by an id of its own, and when.
//! DynamoDB changes an item by one request after the other. The write that adds a turn demands that the map has
//! room for it, so no two writes take the same room, and none has to be repeated because of another. A turn
//! leaves its map when it has fallen out of the window and its room is needed.

use crate::{EXPIRES_AT, Item, n, text, update_if};
use aws_sdk_dynamodb::{Client, types::AttributeValue};
use jiff::Timestamp;
use oslira_domain::{Code, Error, Result};
use oslira_lambda::{Env, Quota, Variable, aws_error, note_quota};
use serde_json::json;
use std::{collections::HashMap, time::Duration};
use uuid::Uuid;

/// How often room is made and asked for again. Each time, turns have left that nobody needs any more, so a few
/// times are enough, however many ask at once.
const ATTEMPTS: usize = 20;
/// How many turns leave a map by one write. An expression may be 4 KB long.
const MOST_FORGOTTEN: usize = 150;

/// At most `count` requests in any window of this length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    pub count: u32,
    pub window: Duration,
}

/// A turn that was taken. It can be given back if nothing comes of it.
#[derive(Debug)]
#[must_use]
pub struct Pass {
    key: String,
    id: Uuid,
    limits: Vec<Limit>,
}

#[derive(Debug)]
pub struct RateLimits {
    client: Client,
    table: String,
}

impl RateLimits {
    /// Needs the variable `RATE_LIMITS_TABLE`.
    pub fn new(env: &Env) -> Result<Self> {
        Ok(Self { client: Client::new(env.sdk()), table: env.var(Variable::RateLimitsTable)? })
    }

    /// Lets one more request of this key through, if all these limits allow it. The key begins with what is
    /// limited, then `#` and whose limit it is. The turn has the id of what it is taken for.
    ///
    /// # Errors
    /// `TooManyRequests` with `details` `{limit, windowSeconds}` of the limit that takes the longest, and the
    /// time until the next request would be let through. `StoreUnavailable` when DynamoDB does not answer.
    pub async fn take(&self, key: &str, id: Uuid, limits: &[Limit]) -> Result<Pass> {
        match self.try_to_take(key, id, limits).await {
            Ok(()) => Ok(Pass { key: key.to_owned(), id, limits: limits.to_vec() }),
            Err(error) => {
                // The answer may have been lost, and not the write.
                if error.code != Code::TooManyRequests {
                    self.withdraw(key, id, limits).await;
                }
                Err(error)
            }
        }
    }

    async fn try_to_take(&self, key: &str, id: Uuid, limits: &[Limit]) -> Result<()> {
        let turn = id.simple().to_string();
        for _ in 0..ATTEMPTS {
            let now = Timestamp::now().as_millisecond();
            match self.add(key, &turn, limits, now).await? {
                Ok(item) => {
                    note(key, &windows(&item, limits), now);
                    return Ok(());
                }
                // The answer to an earlier try of the same write was lost.
                Err(Some(item)) if is_in_all(&item, &turn, limits) => {
                    note(key, &windows(&item, limits), now);
                    return Ok(());
                }
                Err(item) => self.make_room(key, &item.unwrap_or_default(), limits, now).await?,
            }
        }
        Err(Error::store("the turns of a rate limit do not leave it"))
    }

    /// Says whether [`take`](Self::take) would let a request of this key through now. Takes no turn.
    ///
    /// # Errors
    /// Those of [`take`](Self::take).
    pub async fn look(&self, key: &str, limits: &[Limit]) -> Result<()> {
        let got = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("key", text(key))
            .consistent_read(true)
            .send()
            .await
            .map_err(aws_error)?;
        has_room(key, &windows(&got.item.unwrap_or_default(), limits), Timestamp::now().as_millisecond())
    }

    /// Gives back a turn that led to nothing.
    pub async fn give_back(&self, pass: Pass) -> Result<()> {
        let Pass { key, id, limits } = pass;
        if let Some(item) = self.remove(&key, &turns_of(id, &limits)).await? {
            note(&key, &windows(&item, &limits), Timestamp::now().as_millisecond());
        }
        Ok(())
    }

    /// The same for a turn that perhaps was taken, and perhaps was not. It is tried once.
    pub async fn withdraw(&self, key: &str, id: Uuid, limits: &[Limit]) {
        if let Err(failure) = self.remove(key, &turns_of(id, limits)).await {
            tracing::warn!(cause = failure.chain(), "a turn that came to nothing may stay taken");
        }
    }

    /// Makes the turn another one's, which may have been taken already: then this one is given back. The other
    /// must not be this one.
    pub async fn hand_over(&self, pass: Pass, to: Uuid) -> Result<()> {
        let Pass { key, id, limits } = pass;
        let now = Timestamp::now().as_millisecond();
        let (mut sets, mut removed, mut conditions) = (Vec::new(), Vec::new(), Vec::new());
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("key", text(&key))
            .expression_attribute_names("#from", id.simple().to_string())
            .expression_attribute_names("#to", to.simple().to_string())
            .expression_attribute_values(":now", n(now));
        for (index, limit) in limits.iter().enumerate() {
            sets.push(format!("#w{index}.#to = if_not_exists(#w{index}.#to, :now)"));
            removed.push(format!("#w{index}.#from"));
            conditions.push(format!("attribute_exists(#w{index})"));
            update = update.expression_attribute_names(format!("#w{index}"), limit.map());
        }
        let update = update
            .update_expression(format!("SET {} REMOVE {}", sets.join(", "), removed.join(", ")))
            .condition_expression(conditions.join(" AND "));
        if let Ok(item) = update_if(update).await? {
            note(&key, &windows(&item, &limits), now);
        }
        Ok(())
    }

    /// Adds the turn to every window, if all have room. Otherwise the inner error is the item as it is.
    async fn add(
        &self,
        key: &str,
        turn: &str,
        limits: &[Limit],
        now: i64,
    ) -> Result<Result<Item, Option<Item>>> {
        let (mut sets, mut conditions) = (vec![format!("{EXPIRES_AT} = :expiresAt")], Vec::new());
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("key", text(key))
            .expression_attribute_names("#turn", turn)
            .expression_attribute_values(":now", n(now))
            .expression_attribute_values(":expiresAt", expiry(limits, now));
        for (index, limit) in limits.iter().enumerate() {
            sets.push(format!("#w{index}.#turn = :now"));
            conditions.push(format!("attribute_exists(#w{index}) AND size(#w{index}) < :count{index}"));
            update = update
                .expression_attribute_names(format!("#w{index}"), limit.map())
                .expression_attribute_values(format!(":count{index}"), n(limit.count));
        }
        update_if(
            update
                .update_expression(format!("SET {}", sets.join(", ")))
                .condition_expression(conditions.join(" AND ")),
        )
        .await
    }

    /// Prepares for another try, given the item that had no room.
    ///
    /// # Errors
    /// `TooManyRequests` when room cannot be made.
    async fn make_room(&self, key: &str, item: &Item, limits: &[Limit], now: i64) -> Result<()> {
        if limits.iter().any(|limit| !item.contains_key(&limit.map())) {
            self.prepare(key, limits, now).await?;
        }
        let taken = windows(item, limits);
        has_room(key, &taken, now)?;
        let over = taken.into_iter().map(|(limit, taken)| {
            let over = taken.into_iter().filter(|turn| turn.is_over(limit, now));
            (limit, over.map(|turn| turn.id).take(MOST_FORGOTTEN).collect::<Vec<_>>())
        });
        self.remove(key, &over.collect::<Vec<_>>()).await?;
        Ok(())
    }

    /// Makes the maps that are missing, empty.
    async fn prepare(&self, key: &str, limits: &[Limit], now: i64) -> Result<()> {
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("key", text(key))
            .expression_attribute_values(":none", AttributeValue::M(HashMap::new()))
            .expression_attribute_values(":expiresAt", expiry(limits, now));
        let mut sets = vec![format!("{EXPIRES_AT} = :expiresAt")];
        for (index, limit) in limits.iter().enumerate() {
            sets.push(format!("#w{index} = if_not_exists(#w{index}, :none)"));
            update = update.expression_attribute_names(format!("#w{index}"), limit.map());
        }
        let update = update.update_expression(format!("SET {}", sets.join(", ")));
        update.send().await.map_err(aws_error)?;
        Ok(())
    }

    /// Removes turns, and returns the item as it is then. It does no harm if others have removed them already.
    async fn remove(&self, key: &str, turns: &[(Limit, Vec<String>)]) -> Result<Option<Item>> {
        let (mut removed, mut conditions) = (Vec::new(), Vec::new());
        let mut update = self.client.update_item().table_name(&self.table).key("key", text(key));
        for (index, (limit, ids)) in turns.iter().enumerate().filter(|(_, (_, ids))| !ids.is_empty()) {
            conditions.push(format!("attribute_exists(#w{index})"));
            update = update.expression_attribute_names(format!("#w{index}"), limit.map());
            for (turn, id) in ids.iter().enumerate() {
                removed.push(format!("#w{index}.#t{index}x{turn}"));
                update = update.expression_attribute_names(format!("#t{index}x{turn}"), id);
            }
        }
        if removed.is_empty() {
            return Ok(None);
        }
        let update = update
            .update_expression(format!("REMOVE {}", removed.join(", ")))
            .condition_expression(conditions.join(" AND "));
        // Without the maps there is nothing to remove: the item has expired.
        Ok(update_if(update).await?.ok())
    }
}

/// Notes how much of each limit is left. `oslira_lambda::serve` puts it into the headers of the answer.
fn note(key: &str, taken: &[(Limit, Vec<Turn>)], now: i64) {
    for (limit, taken) in taken {
        let (left, wait) = limit.standing(taken, now);
        note_quota(Quota { policy: limit.policy(key), count: limit.count, window: limit.window, left, wait });
    }
}

/// A turn that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Turn {
    id: String,
    /// When it was taken, in Unix milliseconds.
    at: i64,
}

impl Turn {
    fn is_over(&self, limit: Limit, now: i64) -> bool {
        now - self.at >= milliseconds(limit.window)
    }
}

/// When an item whose latest turn was taken now is of no use any more: in seconds, rounded up.
fn expiry(limits: &[Limit], now: i64) -> AttributeValue {
    let longest = limits.iter().map(|limit| milliseconds(limit.window)).max().unwrap_or_default();
    n((now + longest) / 1000 + 1)
}

/// The turn of this id in each window.
fn turns_of(id: Uuid, limits: &[Limit]) -> Vec<(Limit, Vec<String>)> {
    limits.iter().map(|limit| (*limit, vec![id.simple().to_string()])).collect()
}

/// The turns of a window, the oldest first.
fn turns_in(item: &Item, limit: Limit) -> Vec<Turn> {
    let map = item.get(&limit.map()).and_then(|map| map.as_m().ok());
    let turn = |(id, at): (&String, &AttributeValue)| {
        Some(Turn { id: id.clone(), at: at.as_n().ok()?.parse().ok()? })
    };
    let mut turns: Vec<Turn> = map.into_iter().flatten().filter_map(turn).collect();
    turns.sort_by_key(|turn| turn.at);
    turns
}

/// Each limit with the turns of its window, the oldest first.
fn windows(item: &Item, limits: &[Limit]) -> Vec<(Limit, Vec<Turn>)> {
    limits.iter().map(|limit| (*limit, turns_in(item, *limit))).collect()
}

/// Notes how much of each limit is left.
///
/// # Errors
/// `TooManyRequests` when one of them has no room for one more turn.
fn has_room(key: &str, taken: &[(Limit, Vec<Turn>)], now: i64) -> Result<()> {
    note(key, taken, now);
    let reached = taken.iter().filter_map(|(limit, taken)| limit.refusal(taken, now));
    match reached.max_by_key(|reached| reached.wait) {
        Some(reached) => Err(reached.limit.reached(reached.wait)),
        None => Ok(()),
    }
}

fn is_in_all(item: &Item, turn: &str, limits: &[Limit]) -> bool {
    let map = |limit: &Limit| item.get(&limit.map()).and_then(|map| map.as_m().ok());
    limits.iter().all(|limit| map(limit).is_some_and(|map| map.contains_key(turn)))
}

/// A limit that is reached, and when it will no longer be.
#[derive(Debug, PartialEq)]
struct Reached {
    limit: Limit,
    wait: Duration,
}

impl Limit {
    /// The refusal of a request beyond this limit, with the time until the next one would be let through.
    pub fn reached(self, wait: Duration) -> Error {
        let seconds = self.window.as_secs();
        let window = match seconds {
            86_400 => "a day".to_owned(),
            3_600 => "an hour".to_owned(),
            seconds => format!("{seconds} seconds"),
        };
        let message = format!("Too many requests: {} in {window} is the limit.", self.count);
        Error::new(Code::TooManyRequests, message)
            .with_details(json!({"limit": self.count, "windowSeconds": seconds}))
            .with_retry_after(wait)
    }

    /// The name of the window's map.
    fn map(self) -> String {
        format!("window{}", self.window.as_secs())
    }

    /// What clients call the limit: what is limited, and for how long.
    fn policy(self, key: &str) -> String {
        let limited = key.split('#').next().unwrap_or_default();
        match self.window.as_secs() {
            86_400 => format!("{limited}-a-day"),
            3_600 => format!("{limited}-an-hour"),
            seconds => format!("{limited}-in-{seconds}-s"),
        }
    }

    /// The rule. Given the turns of the window, the oldest first, returns how long one more must wait; `None`
    /// when there is room for it.
    fn refusal(self, taken: &[Turn], now: i64) -> Option<Reached> {
        let window = milliseconds(self.window);
        let current: Vec<i64> =
            taken.iter().filter(|turn| !turn.is_over(self, now)).map(|turn| turn.at).collect();
        let room = usize::try_from(self.count).unwrap_or(usize::MAX);
        // So many of the oldest must leave first.
        let too_many = (current.len() + 1).checked_sub(room).filter(|too_many| *too_many > 0)?;
        // A limit of none never has room; a whole window is the most that can be said.
        let last_to_go = current.get(too_many - 1).copied().unwrap_or(now);
        let wait = Duration::from_millis(u64::try_from(last_to_go + window - now).unwrap_or_default());
        Some(Reached { limit: self, wait })
    }

    /// How much of the limit is left and when there is more, given the turns of the window, the oldest first.
    fn standing(self, taken: &[Turn], now: i64) -> (u32, Duration) {
        let mut current = taken.iter().filter(|turn| !turn.is_over(self, now)).peekable();
        let oldest = current.peek().map_or(now, |turn| turn.at);
        let wait = Duration::from_millis(
            u64::try_from(oldest + milliseconds(self.window) - now).unwrap_or_default(),
        );
        let used = u32::try_from(current.count()).unwrap_or(u32::MAX);
        (self.count.saturating_sub(used), wait)
    }
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOURLY: Limit = Limit { count: 3, window: Duration::from_secs(3_600) };
    const MINUTE: i64 = 60_000;

    fn turns(times: &[i64]) -> Vec<Turn> {
        times.iter().map(|at| Turn { id: at.to_string(), at: *at }).collect()
    }

    fn wait_for(times: &[i64], now: i64) -> Option<i64> {
        HOURLY.refusal(&turns(times), now).map(|reached| milliseconds(reached.wait))
    }

    #[test]
    fn no_window_of_an_hour_has_a_fourth_wherever_it_begins() {
        let times = [0, 50 * MINUTE, 59 * MINUTE];
        assert_eq!(wait_for(&times[..2], 59 * MINUTE), None);
        assert_eq!(wait_for(&times, 59 * MINUTE + 1), Some(MINUTE - 1));
        assert_eq!(wait_for(&times, 60 * MINUTE - 1), Some(1));
        assert_eq!(wait_for(&times, 60 * MINUTE), None, "the first has fallen out");
        // A bucket that refills every hour would let three through now.
        let times = [50 * MINUTE, 59 * MINUTE, 60 * MINUTE];
        assert_eq!(wait_for(&times, 61 * MINUTE), Some(49 * MINUTE));
    }

    #[test]
    fn a_lowered_limit_waits_until_enough_have_fallen_out() {
        let times = [0, MINUTE, 2 * MINUTE, 3 * MINUTE, 4 * MINUTE];
        assert_eq!(wait_for(&times, 5 * MINUTE), Some(57 * MINUTE));
        let none = Limit { count: 0, window: Duration::from_secs(60) };
        assert_eq!(none.refusal(&[], 0), Some(Reached { limit: none, wait: none.window }));
    }

    #[test]
    fn what_is_left_is_told_with_the_time_until_there_is_more() {
        let (left, wait) = HOURLY.standing(&turns(&[0, 50 * MINUTE, 59 * MINUTE]), 61 * MINUTE);
        assert_eq!((left, milliseconds(wait)), (1, 49 * MINUTE));
        assert_eq!(HOURLY.standing(&[], 7), (3, HOURLY.window));
    }

    #[test]
    fn a_refusal_says_what_the_limit_is_and_when_it_is_over() {
        let error = HOURLY.reached(Duration::from_millis(1_500));
        assert_eq!(error.message, "Too many requests: 3 in an hour is the limit.");
        assert_eq!(error.details, Some(json!({"limit": 3, "windowSeconds": 3_600})));
        assert_eq!(error.retry_after_seconds.unwrap().get(), 2);
        assert_eq!(HOURLY.policy("analyses#1"), "analyses-an-hour");
    }
}
