//! How often someone may do something, in DynamoDB: sliding windows, exact over all Lambdas.
//!
//! A key's item holds the times of the requests that were let through, as far back as the longest window
//! reaches. So no window of that length ever has more requests than the limit, wherever it begins: nothing
//! refills in between. This is meant for limits of dozens in a window. Limits of thousands would make a large
//! item, and each write replaces the whole item.
//!
//! When another Lambda has written since the item was read, it is read again. Such a conflict means that
//! another request was let through or given back, so a small limit causes few conflicts. The attempts end
//! after [`BACKOFF`].

use crate::{EXPIRES_AT, Item, n, number, text, update_if};
use aws_sdk_dynamodb::{Client, types::AttributeValue};
use backon::{BackoffBuilder, ExponentialBuilder};
use jiff::Timestamp;
use oslira_domain::{Code, Error, Result};
use oslira_lambda::{Env, Variable, aws_error};
use serde_json::json;
use std::time::Duration;
use uuid::Uuid;

/// A second and a half in total, on average, because the caller is waiting.
const BACKOFF: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(5))
    .with_max_delay(Duration::from_millis(100))
    .with_max_times(15)
    .with_jitter();

/// At most `count` requests in any window of this length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    pub count: u32,
    pub window: Duration,
}

/// A request that was let through. It can be given back if nothing comes of it.
#[derive(Debug)]
#[must_use]
pub struct Pass {
    key: String,
    at: i64,
}

#[derive(Debug)]
pub struct RateLimits {
    client: Client,
    table: String,
}

/// A key's item.
#[derive(Debug, Default)]
struct Entry {
    /// When each request was let through, in Unix milliseconds, the oldest first.
    times: Vec<i64>,
    expires_at: i64,
    /// A random value that every write replaces.
    version: Option<String>,
}

impl RateLimits {
    /// Needs the variable `RATE_LIMITS_TABLE`.
    pub fn new(env: &Env) -> Result<Self> {
        Ok(Self { client: Client::new(env.sdk()), table: env.var(Variable::RateLimitsTable)? })
    }

    /// Lets one more request of this key through, if all these limits allow it.
    ///
    /// # Errors
    /// `TooManyRequests` with `details` `{limit, windowSeconds}` of the limit that takes the longest, and the
    /// time until the next request would be let through. `StoreUnavailable` when DynamoDB does not answer, or
    /// when too many requests come at once.
    pub async fn take(&self, key: &str, limits: &[Limit]) -> Result<Pass> {
        let longest = limits.iter().map(|limit| milliseconds(limit.window)).max().unwrap_or_default();
        let at = self
            .change(key, |entry| {
                let now = Timestamp::now().as_millisecond();
                let at = admit(&entry.times, limits, now).map_err(refused)?;
                entry.times.retain(|time| at - time < longest);
                entry.times.push(at);
                // In seconds, rounded up.
                entry.expires_at = (at + longest) / 1000 + 1;
                Ok(at)
            })
            .await?;
        Ok(Pass { key: key.to_owned(), at })
    }

    /// Gives back a request that led to nothing.
    pub async fn give_back(&self, pass: Pass) -> Result<()> {
        self.change(&pass.key, |entry| {
            if let Some(index) = entry.times.iter().rposition(|time| *time == pass.at) {
                entry.times.remove(index);
            }
            Ok(())
        })
        .await
    }

    /// Changes a key's item as if nobody else changed it at the same time.
    async fn change<T>(&self, key: &str, change: impl Fn(&mut Entry) -> Result<T>) -> Result<T> {
        let mut delays = BACKOFF.build();
        let mut last: Option<(String, T)> = None;
        loop {
            let mut entry = self.read(key).await?;
            if let Some((version, outcome)) = last
                && entry.version.as_ref() == Some(&version)
            {
                // The write had succeeded. Its answer was lost, and the repeated write met its own result.
                return Ok(outcome);
            }
            let outcome = change(&mut entry)?;
            let version = Uuid::new_v4().to_string();
            if self.write(key, &entry, &version).await? {
                return Ok(outcome);
            }
            last = Some((version, outcome));
            let Some(delay) = delays.next() else {
                return Err(Error::store("too many write one rate limit at once"));
            };
            tokio::time::sleep(delay).await;
        }
    }

    async fn read(&self, key: &str) -> Result<Entry> {
        let get = self.client.get_item().table_name(&self.table).key("key", text(key)).consistent_read(true);
        let item = get.send().await.map_err(aws_error)?.item;
        item.map_or_else(|| Ok(Entry::default()), |item| Entry::read(&item))
    }

    /// Returns `false` when another Lambda has written since the entry was read.
    async fn write(&self, key: &str, entry: &Entry, version: &str) -> Result<bool> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("key", text(key))
            .update_expression(format!(
                "SET passedAt = :passedAt, writtenAs = :version, {EXPIRES_AT} = :expiresAt"
            ))
            .expression_attribute_values(":passedAt", AttributeValue::L(entry.times.iter().map(n).collect()))
            .expression_attribute_values(":version", text(version))
            .expression_attribute_values(":expiresAt", n(entry.expires_at));
        let update = match &entry.version {
            Some(seen) => update
                .condition_expression("writtenAs = :seen")
                .expression_attribute_values(":seen", text(seen)),
            None => update.condition_expression("attribute_not_exists(writtenAs)"),
        };
        Ok(update_if(update).await?.is_ok())
    }
}

impl Entry {
    fn read(item: &Item) -> Result<Self> {
        let times = || {
            let times = item.get("passedAt")?.as_l().ok()?;
            let mut times: Vec<i64> =
                times.iter().map(|time| time.as_n().ok()?.parse().ok()).collect::<Option<_>>()?;
            times.sort_unstable();
            Some(times)
        };
        let wrong = || Error::internal("a rate limit's item cannot be read");
        Ok(Self {
            times: times().ok_or_else(wrong)?,
            expires_at: number(item, EXPIRES_AT).ok_or_else(wrong)?,
            version: Some(
                item.get("writtenAs").and_then(|version| version.as_s().ok()).ok_or_else(wrong)?.clone(),
            ),
        })
    }
}

/// A limit that is reached, and when it will no longer be.
#[derive(Debug, PartialEq)]
struct Reached {
    limit: Limit,
    wait: Duration,
}

/// The rule. Given the times of earlier requests in order, returns the time at which the next one counts as
/// let through, or the limit that refuses it. When this clock is behind another's, the latest time that it
/// finds is used.
fn admit(times: &[i64], limits: &[Limit], now: i64) -> Result<i64, Reached> {
    let reached = limits.iter().filter_map(|limit| {
        let (window, count) =
            (milliseconds(limit.window), usize::try_from(limit.count).unwrap_or(usize::MAX));
        let in_window = times.iter().filter(|time| now - **time < window).count();
        if in_window < count {
            return None;
        }
        // There is room once all but `count - 1` of them have left the window.
        let last_to_go = times.len().checked_sub(count).and_then(|index| times.get(index)).unwrap_or(&now);
        let wait = Duration::from_millis(u64::try_from(last_to_go + window - now).unwrap_or_default());
        Some(Reached { limit: *limit, wait })
    });
    match reached.max_by_key(|reached| reached.wait) {
        Some(reached) => Err(reached),
        None => Ok(times.last().map_or(now, |last| now.max(*last))),
    }
}

fn refused(Reached { limit, wait }: Reached) -> Error {
    limit.reached(wait)
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
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOURLY: Limit = Limit { count: 3, window: Duration::from_secs(3_600) };
    const DAILY: Limit = Limit { count: 10, window: Duration::from_secs(86_400) };
    const MINUTE: i64 = 60_000;

    fn wait(times: &[i64], now: i64) -> Option<(Limit, i64)> {
        let reached = admit(times, &[HOURLY, DAILY], now).err()?;
        Some((reached.limit, milliseconds(reached.wait)))
    }

    #[test]
    fn no_window_of_an_hour_has_a_fourth_wherever_it_begins() {
        let times = [0, 50 * MINUTE, 59 * MINUTE];
        assert_eq!(wait(&times[..2], 59 * MINUTE), None);
        assert_eq!(wait(&times, 59 * MINUTE + 1), Some((HOURLY, MINUTE - 1)));
        assert_eq!(wait(&times, 60 * MINUTE - 1), Some((HOURLY, 1)));
        assert_eq!(wait(&times, 60 * MINUTE), None, "the first has fallen out");
        // A bucket that refills every hour would let three through now.
        let times = [50 * MINUTE, 59 * MINUTE, 60 * MINUTE];
        assert_eq!(wait(&times, 61 * MINUTE), Some((HOURLY, 49 * MINUTE)));
    }

    #[test]
    fn the_wait_is_that_of_the_limit_which_takes_the_longest() {
        let hours: Vec<i64> = (0..10).map(|hour| hour * 61 * MINUTE).collect();
        let now = 10 * 61 * MINUTE;
        assert_eq!(wait(&hours[..9], now), None);
        assert_eq!(wait(&hours, now), Some((DAILY, 24 * 60 * MINUTE - now)));
        // Both limits are reached: after the hour's wait, the other would still refuse.
        let mut both = hours[..7].to_vec();
        both.extend([now - 3, now - 2, now - 1]);
        assert_eq!(wait(&both, now), Some((DAILY, 24 * 60 * MINUTE - now)));
    }

    #[test]
    fn a_lowered_limit_waits_until_enough_have_fallen_out() {
        let times = [0, MINUTE, 2 * MINUTE, 3 * MINUTE, 4 * MINUTE];
        assert_eq!(wait(&times, 5 * MINUTE), Some((HOURLY, 57 * MINUTE)));
        let none = Limit { count: 0, window: Duration::from_secs(60) };
        assert_eq!(admit(&[], &[none], 0), Err(Reached { limit: none, wait: none.window }));
    }

    #[test]
    fn a_clock_that_is_behind_does_not_open_the_window() {
        assert_eq!(admit(&[9_000], &[HOURLY], 8_000), Ok(9_000));
        assert_eq!(wait(&[9_000, 9_000, 9_000], 8_000), Some((HOURLY, 60 * MINUTE + 1_000)));
    }

    #[test]
    fn a_refusal_says_what_the_limit_is_and_when_it_is_over() {
        let error = refused(Reached { limit: HOURLY, wait: Duration::from_millis(1_500) });
        assert_eq!(error.message, "Too many requests: 3 in an hour is the limit.");
        assert_eq!(error.details, Some(json!({"limit": 3, "windowSeconds": 3_600})));
        assert_eq!(error.retry_after_seconds.unwrap().get(), 2);
    }
}
