//! Whether new analyses are accepted. That depends on the operator's switch, the day's spending, the
//! account's part of it, the AI calls under way and the providers.

use crate::{
    Item, Upstream,
    ai_usage::{account_day, cost_usd, day, in_flight, minute, recent_minutes},
    circuit::{Circuit, State},
    text, time,
};
use aws_sdk_dynamodb::{Client, types::KeysAndAttributes};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use oslira_domain::{AccountId, Code, Error, Result};
use oslira_lambda::{Env, Variable, aws_error};
use serde_json::json;
use std::{collections::HashMap, str::FromStr, time::Duration};

/// The key of the operator's switch.
const PAUSE: &str = "pause";
/// How long a caller should wait before asking again, while paused without an end.
const PAUSED_RETRY: Duration = Duration::from_secs(300);
/// The same while too many AI calls are under way. They end within seconds.
const CALLS_RETRY: Duration = Duration::from_secs(5);
/// The same while a half-open circuit breaker waits for its probe, which also ends within seconds.
const PROBE_RETRY: Duration = Duration::from_secs(5);
/// The part of the day's spending limit that one account may use up. Analyses that fail or are cancelled cost
/// us money too, although the account gets its credits back for them.
const ACCOUNT_SHARE: f64 = 0.2;
/// Anonymous runs are refused once this part of a limit is used up, whoever used it. However many addresses
/// they come from, they must not turn away callers who pay.
const ANONYMOUS_SHARE: f64 = 0.5;
/// An analysis needs at least one of these.
const PROVIDERS: [Upstream; 2] = [Upstream::OpenAi, Upstream::Anthropic];

/// The configured limits. New runs are refused once one is reached, so 0 accepts none.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Limits {
    daily_spend_usd: f64,
    /// AI calls under way. An AI call is one request to a model at a time, or two while a slow request is
    /// made again.
    concurrent_calls: u64,
}

impl Limits {
    fn for_anonymous_runs(self) -> Self {
        Self {
            daily_spend_usd: self.daily_spend_usd * ANONYMOUS_SHARE,
            concurrent_calls: (self.concurrent_calls as f64 * ANONYMOUS_SHARE).ceil() as u64,
        }
    }
}

/// Everything that the decision depends on.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    pause: Option<Pause>,
    spent_usd: f64,
    /// The account's part of it; 0 for an anonymous run.
    account_spent_usd: f64,
    calls: u64,
    providers: [State; 2],
}

/// The operator's switch, while it is set.
#[derive(Clone, Debug, PartialEq)]
struct Pause {
    /// `None` when it holds until it is removed.
    until: Option<Timestamp>,
    /// Shown to operators only.
    note: Option<String>,
}

/// Decides whether a new run is accepted.
#[derive(Clone, Debug)]
pub struct Intake {
    client: Client,
    intake_table: String,
    usage_table: String,
    breakers_table: String,
    limits: Limits,
}

impl Intake {
    /// Needs the variables `INTAKE_TABLE`, `AI_USAGE_TABLE`, `CIRCUIT_BREAKERS_TABLE`, `DAILY_AI_SPEND_LIMIT_USD` and
    /// `MAX_CONCURRENT_AI_CALLS`.
    pub fn new(env: &Env) -> Result<Self> {
        let spend = Variable::DailyAiSpendLimitUsd;
        let limits = Limits {
            daily_spend_usd: limit(spend, &env.var(spend)?, is_amount)?,
            concurrent_calls: max_concurrent_calls(env)?,
        };
        Ok(Self {
            client: Client::new(env.sdk()),
            intake_table: env.var(Variable::IntakeTable)?,
            usage_table: env.var(Variable::AiUsageTable)?,
            breakers_table: env.var(Variable::CircuitBreakersTable)?,
            limits,
        })
    }

    /// The refusal while the limit of AI calls is reached.
    pub fn busy() -> Error {
        let message = "Oslira is very busy at the moment; try again in a few seconds.";
        paused("aiCalls", message, CALLS_RETRY)
    }

    /// Checks whether a run may be accepted, before its account is charged.
    ///
    /// # Errors
    /// `Paused` with a time to wait and `details.reason`: `operator`, `dailySpend`, `accountSpend`, `aiCalls`
    /// or `aiProviders`.
    /// `StoreUnavailable` when DynamoDB does not answer.
    pub async fn check(&self, account_id: AccountId) -> Result<()> {
        let now = Timestamp::now();
        verdict(&self.look(Some(account_id), now).await?, self.limits, now)
    }

    /// The same for an anonymous run, which is refused at half of each limit.
    ///
    /// # Errors
    /// Those of [`check`](Self::check).
    pub async fn check_anonymous(&self) -> Result<()> {
        let now = Timestamp::now();
        verdict(&self.look(None, now).await?, self.limits.for_anonymous_runs(), now)
    }

    /// Reads everything that the decision depends on, in one round trip.
    async fn look(&self, account_id: Option<AccountId>, now: Timestamp) -> Result<Seen> {
        let day = day(now);
        let accounts_day = account_id.map(|account_id| account_day(account_id, now));
        let minutes = recent_minutes(minute(now));
        let usage = minutes.iter().chain([&day]).chain(&accounts_day).map(String::as_str);
        let answer = self
            .client
            .batch_get_item()
            .request_items(&self.intake_table, keys("switch", [PAUSE])?)
            .request_items(&self.usage_table, keys("period", usage)?)
            .request_items(&self.breakers_table, keys("upstream", PROVIDERS.map(Upstream::as_str))?)
            .send()
            .await
            .map_err(aws_error)?;
        if answer.unprocessed_keys.is_some_and(|keys| !keys.is_empty()) {
            return Err(Error::store("DynamoDB read only some of what decides on intake"));
        }
        let tables = answer.responses.unwrap_or_default();
        let item = |table: &String, key: &str, value: &str| {
            let is_it = |item: &&Item| {
                item.get(key).and_then(|found| found.as_s().ok()).is_some_and(|found| found == value)
            };
            tables.get(table).and_then(|items| items.iter().find(is_it))
        };
        let used = |period: &String| item(&self.usage_table, "period", period);
        Ok(Seen {
            pause: item(&self.intake_table, "switch", PAUSE).map(Pause::read),
            spent_usd: used(&day).map_or(0.0, cost_usd),
            account_spent_usd: accounts_day.as_ref().and_then(used).map_or(0.0, cost_usd),
            calls: minutes.iter().filter_map(used).map(in_flight).sum(),
            providers: PROVIDERS.map(|upstream| {
                let item = item(&self.breakers_table, "upstream", upstream.as_str());
                item.map_or(Circuit::CLEAN, Circuit::read).state(now)
            }),
        })
    }
}

/// The operator's switch alone, for work that asks no model.
#[derive(Clone, Debug)]
pub struct IntakeSwitch {
    client: Client,
    table: String,
}

impl IntakeSwitch {
    /// Needs the variable `INTAKE_TABLE`.
    pub fn new(env: &Env) -> Result<Self> {
        Ok(Self { client: Client::new(env.sdk()), table: env.var(Variable::IntakeTable)? })
    }

    /// The refusal while an operator has stopped intake.
    pub fn off(wait: Duration) -> Error {
        paused("operator", "New analyses and refresh checks are paused at the moment; try again later.", wait)
    }

    /// Checks whether an operator has stopped intake.
    ///
    /// # Errors
    /// `Paused` with `details.reason` `operator`; `StoreUnavailable` when DynamoDB does not answer.
    pub async fn check(&self) -> Result<()> {
        let get =
            self.client.get_item().table_name(&self.table).key("switch", text(PAUSE)).consistent_read(true);
        let item = get.send().await.map_err(aws_error)?.item;
        by_operator(item.as_ref().map(Pause::read).as_ref(), Timestamp::now())
    }
}

impl Pause {
    fn read(item: &Item) -> Self {
        let note = item.get("note").and_then(|note| note.as_s().ok()).cloned();
        Self { until: time(item, "until"), note }
    }
}

/// The rule: whether to accept a run, given what was seen.
fn verdict(seen: &Seen, limits: Limits, now: Timestamp) -> Result<()> {
    by_operator(seen.pause.as_ref(), now)?;
    if seen.spent_usd >= limits.daily_spend_usd {
        let message = "Oslira has done as much as it may today; new analyses start again at midnight UTC.";
        return Err(paused("dailySpend", message, duration(now, midnight(now)))
            .because(format!("{:.2} US$ were spent on AI today", seen.spent_usd)));
    }
    if seen.account_spent_usd >= limits.daily_spend_usd * ACCOUNT_SHARE {
        let message =
            "This account has used as much as it may today; its analyses start again at midnight UTC.";
        return Err(paused("accountSpend", message, duration(now, midnight(now)))
            .because(format!("{:.2} US$ were spent on AI for this account today", seen.account_spent_usd)));
    }
    if seen.calls >= limits.concurrent_calls {
        return Err(Intake::busy().because(format!("{} AI calls are under way", seen.calls)));
    }
    // A half-open breaker without a probe must let a run in: that run is the probe.
    let waits = seen.providers.map(|provider| match provider {
        State::Closed | State::HalfOpen { is_probed: false } => None,
        State::HalfOpen { is_probed: true } => Some(PROBE_RETRY),
        State::Open { until } => Some(duration(now, until)),
    });
    if let [Some(first), Some(second)] = waits {
        let message =
            "The AI services that Oslira works with are out of order at the moment; try again shortly.";
        return Err(paused("aiProviders", message, first.min(second)));
    }
    Ok(())
}

fn by_operator(pause: Option<&Pause>, now: Timestamp) -> Result<()> {
    match pause {
        Some(Pause { until, note }) if until.is_none_or(|until| until > now) => {
            let error = IntakeSwitch::off(until.map_or(PAUSED_RETRY, |until| duration(now, until)));
            Err(match note {
                Some(note) => error.because(note.clone()),
                None => error,
            })
        }
        _ => Ok(()),
    }
}

fn paused(reason: &str, message: &'static str, wait: Duration) -> Error {
    Error::new(Code::Paused, message).with_details(json!({"reason": reason})).with_retry_after(wait)
}

fn duration(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

/// The end of the day, in UTC.
fn midnight(now: Timestamp) -> Timestamp {
    let tomorrow = now.to_zoned(TimeZone::UTC).date().tomorrow();
    let midnight =
        tomorrow.and_then(|date| date.to_zoned(TimeZone::UTC)).map(|midnight| midnight.timestamp());
    midnight.unwrap_or(now + SignedDuration::from_hours(1))
}

fn keys<'a>(name: &str, values: impl IntoIterator<Item = &'a str>) -> Result<KeysAndAttributes> {
    let keys = values.into_iter().map(|value| HashMap::from([(name.to_owned(), text(value))])).collect();
    KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build().map_err(Error::internal)
}

/// How many AI calls may be under way, from the configuration.
pub(crate) fn max_concurrent_calls(env: &Env) -> Result<u64> {
    let most = Variable::MaxConcurrentAiCalls;
    limit(most, &env.var(most)?, |_| true)
}

fn limit<T: FromStr>(variable: Variable, value: &str, is_good: impl Fn(&T) -> bool) -> Result<T> {
    let parsed = value.trim().parse().ok().filter(is_good);
    parsed.ok_or_else(|| Error::internal(format!("{variable} must be a number from 0 on, not {value:?}")))
}

fn is_amount(usd: &f64) -> bool {
    usd.is_finite() && *usd >= 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { daily_spend_usd: 100.0, concurrent_calls: 200 };
    const QUIET: Seen = Seen {
        pause: None,
        spent_usd: 99.99,
        account_spent_usd: 19.99,
        calls: 199,
        providers: [State::Closed, State::Closed],
    };

    fn now() -> Timestamp {
        "2026-11-21T22:30:00Z".parse().unwrap()
    }

    fn after(seconds: i64) -> Timestamp {
        now() + SignedDuration::from_secs(seconds)
    }

    /// The reason of the refusal, and the seconds to wait.
    fn refusal(seen: &Seen) -> (String, u32) {
        let error = verdict(seen, LIMITS, now()).unwrap_err();
        assert_eq!(error.code, Code::Paused);
        let reason = error.details.unwrap()["reason"].as_str().unwrap().to_owned();
        (reason, error.retry_after_seconds.unwrap().get())
    }

    #[test]
    fn below_its_limits_everything_is_taken_in() {
        verdict(&QUIET, LIMITS, now()).unwrap();
    }

    #[test]
    fn an_operator_pauses_until_a_time_or_without_end() {
        let pause = |until| Seen { pause: Some(Pause { until, note: Some("n".into()) }), ..QUIET };
        assert_eq!(refusal(&pause(None)), ("operator".into(), 300));
        assert_eq!(refusal(&pause(Some(after(90)))), ("operator".into(), 90));
        verdict(&pause(Some(now())), LIMITS, now()).unwrap();
    }

    #[test]
    fn at_the_daily_limit_it_is_over_until_midnight() {
        assert_eq!(refusal(&Seen { spent_usd: 100.0, ..QUIET }), ("dailySpend".into(), 90 * 60));
    }

    #[test]
    fn an_account_at_its_fifth_of_the_daily_limit_waits_until_midnight() {
        assert_eq!(refusal(&Seen { account_spent_usd: 20.0, ..QUIET }), ("accountSpend".into(), 90 * 60));
    }

    #[test]
    fn at_the_cap_of_calls_it_is_a_matter_of_seconds() {
        assert_eq!(refusal(&Seen { calls: 200, ..QUIET }), ("aiCalls".into(), 5));
    }

    #[test]
    fn limits_of_0_take_nothing_in() {
        let nothing = Seen { spent_usd: 0.0, account_spent_usd: 0.0, calls: 0, ..QUIET };
        for limits in [Limits { daily_spend_usd: 0.0, ..LIMITS }, Limits { concurrent_calls: 0, ..LIMITS }] {
            for limits in [limits, limits.for_anonymous_runs()] {
                assert_eq!(verdict(&nothing, limits, now()).unwrap_err().code, Code::Paused, "{limits:?}");
            }
        }
    }

    #[test]
    fn anonymous_callers_are_turned_away_first() {
        let quiet = Seen { account_spent_usd: 0.0, ..QUIET };
        let half_spent = Seen { spent_usd: 50.0, calls: 0, ..quiet.clone() };
        verdict(&half_spent, LIMITS, now()).unwrap();
        assert!(verdict(&half_spent, LIMITS.for_anonymous_runs(), now()).is_err());
        let half_busy = Seen { spent_usd: 0.0, calls: 100, ..quiet.clone() };
        assert!(verdict(&half_busy, LIMITS.for_anonymous_runs(), now()).is_err());
        verdict(&Seen { spent_usd: 49.0, calls: 99, ..quiet }, LIMITS.for_anonymous_runs(), now()).unwrap();
        assert_eq!(Limits { concurrent_calls: 1, ..LIMITS }.for_anonymous_runs().concurrent_calls, 1);
    }

    #[test]
    fn both_providers_must_be_down_and_the_first_to_be_probed_is_waited_for() {
        let open = |seconds| State::Open { until: after(seconds) };
        let providers = |first, second| Seen { providers: [first, second], ..QUIET };
        assert_eq!(refusal(&providers(open(40), open(20))), ("aiProviders".into(), 20));
        // Both are being probed, so a new run would find no model to ask.
        let probed = State::HalfOpen { is_probed: true };
        assert_eq!(refusal(&providers(probed, probed)), ("aiProviders".into(), 5));
        assert_eq!(refusal(&providers(open(3), probed)), ("aiProviders".into(), 3));
        for other in [State::Closed, State::HalfOpen { is_probed: false }] {
            verdict(&providers(probed, other), LIMITS, now()).unwrap();
            verdict(&providers(open(40), other), LIMITS, now()).unwrap();
            verdict(&providers(other, open(40)), LIMITS, now()).unwrap();
        }
    }

    #[test]
    fn limits_are_numbers_from_0_on() {
        let usd = |text| limit(Variable::DailyAiSpendLimitUsd, text, is_amount);
        assert_eq!((usd(" 12.5 ").unwrap(), usd("0").unwrap()), (12.5, 0.0));
        for text in ["-1", "inf", "NaN", "much"] {
            assert!(usd(text).unwrap_err().chain().contains("DAILY_AI_SPEND_LIMIT_USD must be"), "{text}");
        }
        assert!(limit(Variable::MaxConcurrentAiCalls, "-1", |_: &u64| true).is_err());
    }
}
