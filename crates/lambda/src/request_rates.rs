//! How many requests a signed-in user sends in a minute, counted in DynamoDB.
//!
//! Reads and writes are counted apart. The count is an estimate, which one cheap write keeps: the requests of
//! this minute, and of the minute before as large a part as still lies within the past sixty seconds. What
//! costs credits or money has exact limits beside it (`oslira_stores::RateLimits`).

use crate::{Env, Quota, Variable, aws_error, note_quota};
use aws_sdk_dynamodb::{
    Client,
    config::{retry::RetryConfig, timeout::TimeoutConfig},
    error::SdkError,
    operation::update_item::UpdateItemError,
    types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use jiff::Timestamp;
use oslira_domain::{Error, RequestClass, Result, UserId};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

const MINUTE: i64 = 60_000;
/// How long the count may take. A request need not wait for it: without an answer it is let through.
const PATIENCE: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(crate) struct RequestRates {
    client: Client,
    table: String,
    reads_a_minute: u32,
    writes_a_minute: u32,
    /// Who was refused, and until when. A flood that meets the same execution environment again costs nothing.
    refused: Mutex<HashMap<(UserId, RequestClass), Instant>>,
}

/// A user's item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counted {
    /// Since the Unix epoch.
    minute: i64,
    /// Requests of that minute.
    count: u32,
    /// Requests of the minute before it.
    before: u32,
}

impl RequestRates {
    /// Needs the variables `RATE_LIMITS_TABLE`, `READS_PER_MINUTE` and `WRITES_PER_MINUTE`.
    pub(crate) fn new(env: &Env) -> Result<Self> {
        let patience = TimeoutConfig::builder().operation_timeout(PATIENCE).build();
        let config = aws_sdk_dynamodb::config::Builder::from(env.sdk())
            .timeout_config(patience)
            .retry_config(RetryConfig::disabled())
            .build();
        let number = |variable: Variable| -> Result<u32> {
            let text = env.var(variable)?;
            text.parse()
                .map_err(|_| Error::internal(format!("{variable} must be a whole number, not {text:?}")))
        };
        Ok(Self {
            client: Client::from_conf(config),
            table: env.var(Variable::RateLimitsTable)?,
            reads_a_minute: number(Variable::ReadsPerMinute)?,
            writes_a_minute: number(Variable::WritesPerMinute)?,
            refused: Mutex::default(),
        })
    }

    /// Counts a request. One that cannot be counted is let through.
    ///
    /// # Errors
    /// `TooManyRequests` with `details` `{limit, windowSeconds}`.
    pub(crate) async fn count(&self, user_id: UserId, class: RequestClass) -> Result<()> {
        let limit = self.limit(class);
        let now = Timestamp::now().as_millisecond();
        let counted = match self.add(user_id, class, now).await {
            Ok(counted) => counted,
            Err(error) => {
                tracing::warn!(cause = error.chain(), "a request was not counted");
                return Ok(());
            }
        };
        let (left, wait) = verdict(counted, limit, now);
        note(class, limit, left.unwrap_or_default(), wait);
        if left.is_some() {
            return Ok(());
        }
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.retain(|_, until| *until > Instant::now());
        refused.insert((user_id, class), Instant::now() + wait);
        Err(class.refusal(limit, wait))
    }

    /// Refuses a user who was refused before, until the wait that they were told is over.
    pub(crate) fn remembered(&self, user_id: UserId, class: RequestClass) -> Result<()> {
        let wait = {
            let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
            refused.get(&(user_id, class)).map(|until| until.saturating_duration_since(Instant::now()))
        };
        let Some(wait) = wait.filter(|wait| !wait.is_zero()) else { return Ok(()) };
        let limit = self.limit(class);
        note(class, limit, 0, wait);
        Err(class.refusal(limit, wait))
    }

    const fn limit(&self, class: RequestClass) -> u32 {
        match class {
            RequestClass::Read => self.reads_a_minute,
            RequestClass::Write => self.writes_a_minute,
        }
    }

    /// Adds a request to its minute. Only the first one of a minute needs a second write.
    async fn add(&self, user_id: UserId, class: RequestClass, now: i64) -> Result<Counted> {
        let minute = now / MINUTE;
        let key = format!("{}#{user_id}", class.name());
        let mut seen = Some(Counted { minute, ..Counted::default() });
        // The third try meets this minute's count, which another request has begun.
        for _ in 0..3 {
            let update = self
                .client
                .update_item()
                .table_name(&self.table)
                .key("key", AttributeValue::S(key.clone()))
                .expression_attribute_names("#count", "count")
                .expression_attribute_names("#minute", "minute")
                .expression_attribute_values(":one", number(1))
                .return_values(ReturnValue::AllNew)
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
            let update = match seen {
                // A clock that is behind counts in the minute that another has begun.
                Some(seen) if seen.minute >= minute => update
                    .update_expression("SET #count = #count + :one")
                    .condition_expression("#minute = :seen")
                    .expression_attribute_values(":seen", number(seen.minute)),
                seen => {
                    let before = seen.filter(|seen| seen.minute == minute - 1).map_or(0, |seen| seen.count);
                    let update = update
                        .update_expression(
                            "SET #count = :one, #minute = :now, #before = :before, expiresAt = :expiresAt",
                        )
                        .expression_attribute_names("#before", "before")
                        .expression_attribute_values(":now", number(minute))
                        .expression_attribute_values(":before", number(before.into()))
                        .expression_attribute_values(":expiresAt", number((minute + 3) * 60));
                    match seen {
                        Some(seen) => update
                            .condition_expression("#minute = :seen")
                            .expression_attribute_values(":seen", number(seen.minute)),
                        None => update.condition_expression("attribute_not_exists(#minute)"),
                    }
                }
            };
            match update.send().await {
                Ok(answer) => {
                    let item = answer.attributes.unwrap_or_default();
                    return Counted::read(&item).ok_or_else(|| Error::internal("a count cannot be read"));
                }
                Err(SdkError::ServiceError(error)) => match error.into_err() {
                    UpdateItemError::ConditionalCheckFailedException(refused) => {
                        seen = refused.item.as_ref().and_then(Counted::read);
                    }
                    error => return Err(crate::aws_refused(&error)),
                },
                Err(error) => return Err(aws_error(error)),
            }
        }
        Err(Error::store("a minute's count changed three times"))
    }
}

impl Counted {
    fn read(item: &HashMap<String, AttributeValue>) -> Option<Self> {
        let text = |name: &str| item.get(name)?.as_n().ok();
        Some(Self {
            minute: text("minute")?.parse().ok()?,
            count: text("count")?.parse().ok()?,
            before: text("before").and_then(|text| text.parse().ok()).unwrap_or_default(),
        })
    }
}

/// The rule. Returns how many more requests would be let through, or `None` when this one is not; and the
/// time until there is more.
fn verdict(counted: Counted, limit: u32, now: i64) -> (Option<u32>, Duration) {
    let Counted { minute, count, before } = counted;
    let (count, before, limit) = (f64::from(count), f64::from(before), f64::from(limit));
    // Which part of the minute is over. A clock that is behind takes it to have just begun.
    let over = ((now - minute * MINUTE).max(0) as f64 / MINUTE as f64).min(1.0);
    let estimate = count + before * (1.0 - over);
    let left = (estimate <= limit).then(|| (limit - estimate).floor() as u32);
    if left.is_some() {
        // The estimate falls with the part of the minute before, and then with this minute.
        return (left, Duration::from_secs(60));
    }
    // When one more would fit: this minute, or in the next one, when this one is the minute before.
    let parts = if count < limit {
        1.0 - over - (limit - 1.0 - count).max(0.0) / before.max(1.0)
    } else {
        1.0 - over + 1.0 - (limit - 1.0).max(0.0) / count
    };
    let wait = Duration::from_secs_f64((parts * 60.0).clamp(1.0, 120.0));
    (None, wait)
}

fn note(class: RequestClass, limit: u32, left: u32, wait: Duration) {
    let policy = format!("{}-a-minute", class.name());
    note_quota(Quota { policy, count: limit, window: Duration::from_secs(60), left, wait });
}

fn number(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

#[cfg(test)]
impl RequestRates {
    /// Has refused this user, and can count nothing.
    pub(crate) fn that_refused(user_id: UserId, class: RequestClass) -> Self {
        let config = aws_sdk_dynamodb::Config::builder().behavior_version_latest().build();
        let until = Instant::now() + Duration::from_secs(60);
        Self {
            client: Client::from_conf(config),
            table: String::new(),
            reads_a_minute: 3,
            writes_a_minute: 2,
            refused: Mutex::new(HashMap::from([((user_id, class), until)])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: u32 = 100;

    fn at(seconds: i64, count: u32, before: u32) -> (Option<u32>, u64) {
        let (left, wait) = verdict(Counted { minute: 5, count, before }, LIMIT, 5 * MINUTE + seconds * 1_000);
        (left, u64::try_from(wait.as_millis().div_ceil(1_000)).unwrap())
    }

    #[test]
    fn the_minute_before_counts_as_far_as_it_is_within_sixty_seconds() {
        assert_eq!(at(0, 1, 0), (Some(99), 60));
        assert_eq!(at(0, 1, 100).0, None);
        assert_eq!(at(30, 50, 100).0, Some(0));
        assert_eq!(at(30, 51, 100).0, None);
        assert_eq!(at(59, 90, 100).0, Some(8));
    }

    #[test]
    fn the_wait_is_until_one_more_fits() {
        // 51 and half of 100 are 101; one more fits once there are 99.
        assert_eq!(at(30, 51, 100), (None, 2));
        assert_eq!((at(31, 52, 100).0, at(32, 52, 100).0), (None, Some(1)));
        // A minute that is full by itself lets the next one wait, too.
        assert_eq!(at(10, 150, 0), (None, 71));
        let next = |seconds: i64| {
            verdict(Counted { minute: 6, count: 1, before: 150 }, LIMIT, (6 * 60 + seconds) * 1_000).0
        };
        assert_eq!((next(20), next(21)), (None, Some(1)));
    }

    #[test]
    fn a_limit_of_none_lets_nothing_through_and_a_clock_that_is_behind_does_no_harm() {
        let none = verdict(Counted { minute: 5, count: 1, before: 0 }, 0, 5 * MINUTE);
        assert_eq!(none.0, None);
        assert_eq!(verdict(Counted { minute: 5, count: 1, before: 0 }, LIMIT, 4 * MINUTE).0, Some(99));
    }
}
