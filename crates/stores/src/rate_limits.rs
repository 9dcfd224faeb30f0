//! How often someone may do something, in DynamoDB: sliding windows, exact over all Lambdas.
//!
//! A key's item has a map for each window, with the turns that were taken: each by an id of its own, and when.
//! DynamoDB changes an item by one request after the other. The write that adds turns demands that the map has
//! room for them, so no two writes take the same room, and none has to be repeated because of another. A turn
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

/// Turns that were taken. They can be given back if nothing comes of them.
#[derive(Debug)]
#[must_use]
pub struct Pass {
    key: String,
    ids: Vec<String>,
    standings: Vec<Standing>,
}

#[derive(Debug)]
pub struct RateLimits {
    client: Client,
    table: String,
}

/// A limit, and how much of it is left.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Standing {
    limit: Limit,
    left: u32,
    /// Until there is more.
    wait: Duration,
}

impl RateLimits {
    /// Needs the variable `RATE_LIMITS_TABLE`.
    pub fn new(env: &Env) -> Result<Self> {
        Ok(Self { client: Client::new(env.sdk()), table: env.var(Variable::RateLimitsTable)? })
    }

    /// Lets one more request of this key through, if all these limits allow it. The key begins with what is
    /// limited, then `#` and whose limit it is.
    ///
    /// # Errors
    /// `TooManyRequests` with `details` `{limit, windowSeconds}` of the limit that takes the longest, and the
    /// time until the next request would be let through. `StoreUnavailable` when DynamoDB does not answer.
    pub async fn take(&self, key: &str, limits: &[Limit]) -> Result<Pass> {
        self.take_turns(key, 1, limits).await
    }

    /// The same for a request that takes several turns, two hundred at most: all of them or none.
    ///
    /// # Errors
    /// Those of [`take`](Self::take).
    pub async fn take_turns(&self, key: &str, turns: u32, limits: &[Limit]) -> Result<Pass> {
        let ids: Vec<String> = (0..turns).map(|_| new_id()).collect();
        for _ in 0..ATTEMPTS {
            let now = Timestamp::now().as_millisecond();
            let item = match self.add(key, &ids, limits, now).await? {
                Ok(item) => item,
                // The answer to an earlier try of the same write was lost.
                Err(Some(item)) if has_all(&item, &ids, limits) => item,
                Err(item) => {
                    self.make_room(key, &item.unwrap_or_default(), turns, limits, now).await?;
                    continue;
                }
            };
            let standings: Vec<Standing> =
                limits.iter().map(|limit| limit.standing(&turns_in(&item, *limit), now)).collect();
            let pass = Pass { key: key.to_owned(), ids, standings };
            pass.note(0);
            return Ok(pass);
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
        has_room(key, &windows(&got.item.unwrap_or_default(), limits), 1, Timestamp::now().as_millisecond())
    }

    /// Gives back turns that led to nothing.
    pub async fn give_back(&self, pass: Pass) -> Result<()> {
        let turns: Vec<_> = pass.standings.iter().map(|it| (it.limit, pass.ids.clone())).collect();
        self.remove(&pass.key, &turns).await?;
        pass.note(u32::try_from(pass.ids.len()).unwrap_or(u32::MAX));
        Ok(())
    }

    /// Adds the turns to every window, if all have room. Otherwise the inner error is the item as it is.
    async fn add(
        &self,
        key: &str,
        ids: &[String],
        limits: &[Limit],
        now: i64,
    ) -> Result<Result<Item, Option<Item>>> {
        let (mut sets, mut conditions) = (vec![format!("{EXPIRES_AT} = :expiresAt")], Vec::new());
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("key", text(key))
            .expression_attribute_values(":now", n(now))
            .expression_attribute_values(":expiresAt", expiry(limits, now));
        for (index, id) in ids.iter().enumerate() {
            update = update.expression_attribute_names(format!("#t{index}"), id);
        }
        for (index, limit) in limits.iter().enumerate() {
            sets.extend((0..ids.len()).map(|turn| format!("#w{index}.#t{turn} = :now")));
            conditions.push(format!("attribute_exists(#w{index}) AND size(#w{index}) <= :room{index}"));
            let room = i64::from(limit.count) - i64::try_from(ids.len()).unwrap_or(i64::MAX);
            update = update
                .expression_attribute_names(format!("#w{index}"), limit.map())
                .expression_attribute_values(format!(":room{index}"), n(room));
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
    async fn make_room(&self, key: &str, item: &Item, turns: u32, limits: &[Limit], now: i64) -> Result<()> {
        if limits.iter().any(|limit| !item.contains_key(&limit.map())) {
            self.prepare(key, limits, now).await?;
        }
        let taken = windows(item, limits);
        has_room(key, &taken, turns, now)?;
        let over = taken.into_iter().map(|(limit, taken)| {
            let over = taken.into_iter().filter(|turn| turn.is_over(limit, now));
            (limit, over.map(|turn| turn.id).take(MOST_FORGOTTEN).collect::<Vec<_>>())
        });
        self.remove(key, &over.collect::<Vec<_>>()).await
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

    /// Removes turns. It does no harm if others have removed them already.
    async fn remove(&self, key: &str, turns: &[(Limit, Vec<String>)]) -> Result<()> {
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
            return Ok(());
        }
        let update = update
            .update_expression(format!("REMOVE {}", removed.join(", ")))
            .condition_expression(conditions.join(" AND "));
        // Without the maps there is nothing to remove: the item has expired.
        update_if(update).await.map(|_| ())
    }
}

impl Pass {
    /// Notes how much is left when so many turns are given back.
    fn note(&self, given_back: u32) {
        for standing in &self.standings {
            standing.note(&self.key, given_back);
        }
    }
}

impl Standing {
    fn note(&self, key: &str, given_back: u32) {
        let Self { limit, left, wait } = self;
        note_quota(Quota {
            policy: limit.policy(key),
            count: limit.count,
            window: limit.window,
            left: left.saturating_add(given_back).min(limit.count),
            wait: *wait,
        });
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

/// An id for a turn. A key has thousands of turns at most, and an item is paid for by its length.
fn new_id() -> String {
    let (first, _) = Uuid::new_v4().as_u64_pair();
    format!("{first:x}")
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
/// `TooManyRequests` when one of them has no room for so many more turns.
fn has_room(key: &str, taken: &[(Limit, Vec<Turn>)], turns: u32, now: i64) -> Result<()> {
    for (limit, taken) in taken {
        limit.standing(taken, now).note(key, 0);
    }
    let reached = taken.iter().filter_map(|(limit, taken)| limit.refusal(taken, turns, now));
    match reached.max_by_key(|reached| reached.wait) {
        Some(reached) => Err(reached.limit.reached(reached.wait)),
        None => Ok(()),
    }
}

fn has_all(item: &Item, ids: &[String], limits: &[Limit]) -> bool {
    let has = |limit: &Limit, id: &String| {
        let map = item.get(&limit.map()).and_then(|map| map.as_m().ok());
        map.is_some_and(|map| map.contains_key(id))
    };
    limits.iter().all(|limit| ids.iter().all(|id| has(limit, id)))
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

    /// The rule. Given the turns of the window, the oldest first, returns how long so many more must wait;
    /// `None` when there is room for them.
    fn refusal(self, taken: &[Turn], turns: u32, now: i64) -> Option<Reached> {
        let window = milliseconds(self.window);
        let current: Vec<i64> =
            taken.iter().filter(|turn| !turn.is_over(self, now)).map(|turn| turn.at).collect();
        let room = usize::try_from(self.count).unwrap_or(usize::MAX);
        let wanted = usize::try_from(turns).unwrap_or(usize::MAX);
        // So many of the oldest must leave first.
        let too_many = (current.len() + wanted).checked_sub(room).filter(|too_many| *too_many > 0)?;
        // More than the limit is never let through; a whole window is the most that can be said.
        let last_to_go = current.get(too_many - 1).copied().unwrap_or(now);
        let wait = Duration::from_millis(u64::try_from(last_to_go + window - now).unwrap_or_default());
        Some(Reached { limit: self, wait })
    }

    /// How much of the limit is left, given the turns of the window, the oldest first.
    fn standing(self, taken: &[Turn], now: i64) -> Standing {
        let mut current = taken.iter().filter(|turn| !turn.is_over(self, now)).peekable();
        let oldest = current.peek().map_or(now, |turn| turn.at);
        let wait = Duration::from_millis(
            u64::try_from(oldest + milliseconds(self.window) - now).unwrap_or_default(),
        );
        let used = u32::try_from(current.count()).unwrap_or(u32::MAX);
        Standing { limit: self, left: self.count.saturating_sub(used), wait }
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

    fn wait_for(wanted: u32, times: &[i64], now: i64) -> Option<i64> {
        HOURLY.refusal(&turns(times), wanted, now).map(|reached| milliseconds(reached.wait))
    }

    #[test]
    fn no_window_of_an_hour_has_a_fourth_wherever_it_begins() {
        let times = [0, 50 * MINUTE, 59 * MINUTE];
        assert_eq!(wait_for(1, &times[..2], 59 * MINUTE), None);
        assert_eq!(wait_for(1, &times, 59 * MINUTE + 1), Some(MINUTE - 1));
        assert_eq!(wait_for(1, &times, 60 * MINUTE - 1), Some(1));
        assert_eq!(wait_for(1, &times, 60 * MINUTE), None, "the first has fallen out");
        // A bucket that refills every hour would let three through now.
        let times = [50 * MINUTE, 59 * MINUTE, 60 * MINUTE];
        assert_eq!(wait_for(1, &times, 61 * MINUTE), Some(49 * MINUTE));
    }

    #[test]
    fn several_turns_wait_until_there_is_room_for_all() {
        let times = [0, 10 * MINUTE, 20 * MINUTE];
        assert_eq!(wait_for(2, &times, 30 * MINUTE), Some(40 * MINUTE));
        assert_eq!(wait_for(3, &times, 30 * MINUTE), Some(50 * MINUTE));
        assert_eq!(wait_for(2, &times, 70 * MINUTE), None);
        assert_eq!(wait_for(4, &times, 30 * MINUTE), Some(60 * MINUTE), "there is never room for four");
    }

    #[test]
    fn a_lowered_limit_waits_until_enough_have_fallen_out() {
        let times = [0, MINUTE, 2 * MINUTE, 3 * MINUTE, 4 * MINUTE];
        assert_eq!(wait_for(1, &times, 5 * MINUTE), Some(57 * MINUTE));
        let none = Limit { count: 0, window: Duration::from_secs(60) };
        assert_eq!(none.refusal(&[], 1, 0), Some(Reached { limit: none, wait: none.window }));
    }

    #[test]
    fn what_is_left_is_told_with_the_time_until_there_is_more() {
        let standing = HOURLY.standing(&turns(&[0, 50 * MINUTE, 59 * MINUTE]), 61 * MINUTE);
        assert_eq!((standing.left, milliseconds(standing.wait)), (1, 49 * MINUTE));
        let unused = HOURLY.standing(&[], 7);
        assert_eq!((unused.left, unused.wait), (3, HOURLY.window));
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
