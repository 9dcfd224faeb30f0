//! Progress of runs, in DynamoDB.
//!
//! An anonymous run has no account and no row in Postgres. Only its item says how it ended, so the item
//! lives for the whole day.

use crate::{EXPIRES_AT, Item, milliseconds, n, number, text, time, update_if};
use aws_sdk_dynamodb::{
    Client, operation::update_item::builders::UpdateItemFluentBuilder, types::AttributeValue,
};
use jiff::{SignedDuration, Timestamp};
use oslira_domain::{AccountId, Code, Error, Result, RunId, RunStatus, Step};
use oslira_lambda::{Env, Variable, aws_error};
use std::time::Duration;

/// How long an item lives after its run has ended.
const LIFETIME_AFTER_END: SignedDuration = SignedDuration::from_hours(1);
/// How often a waiting stage checks whether its run was cancelled.
const LOOK: Duration = Duration::from_secs(2);
/// The condition for every change: the run has not ended.
const MAY_END: &str = "attribute_not_exists(#status) OR NOT #status IN (:complete, :failed, :cancelled)";

/// A progress item.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// Who may see the run. `None` for an anonymous run, which is open to everyone who knows its token.
    pub account_id: Option<AccountId>,
    pub status: RunStatus,
    /// 0 to 100.
    pub percent: u8,
    /// The current step, as a sentence.
    pub step: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Whether someone asked for the run to stop.
    pub cancel_requested: bool,
    /// When each status was first reached, in order of time.
    pub reached: Vec<(RunStatus, Timestamp)>,
    /// Why an anonymous run failed. For all other runs Postgres knows.
    pub failure: Option<Failure>,
}

/// Why a run failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    pub code: Code,
    /// The sentence that is shown with the code.
    pub reason: String,
}

/// After this time without a sign of life, nothing works any more on what has no row in Postgres: an operator stopped its
/// execution, or the execution ran out of time. A healthy one is silent for about three minutes at most. That happens when a
/// scraper is killed at its limit, waited for and started again.
const QUIET: SignedDuration = SignedDuration::from_mins(5);

/// Whether the latest sign of life is too long ago for work that no row in Postgres settles.
pub fn has_gone_silent(latest_sign: Timestamp, now: Timestamp) -> bool {
    now.duration_since(latest_sign) > QUIET
}

impl Progress {
    /// Fails when the run was cancelled or settled: nothing may be spent on it any more.
    fn may_spend(&self) -> Result<()> {
        match self.status {
            status if status.is_terminal() => {
                Err(Error::new(Code::RunSettled, format!("The analysis was {status} before this step.")))
            }
            _ if self.cancel_requested => Err(Error::new(Code::RunCancelled, "The analysis was cancelled.")),
            _ => Ok(()),
        }
    }
}

#[derive(Debug)]
pub struct ProgressStore {
    client: Client,
    table: String,
}

impl ProgressStore {
    /// How long an item lives if nothing ends its run. An anonymous run's item always lives this long.
    pub const LIFETIME: SignedDuration = SignedDuration::from_hours(24);

    /// Needs the variable `PROGRESS_TABLE`.
    pub fn new(env: &Env) -> Result<Self> {
        Ok(Self { client: Client::new(env.sdk()), table: env.var(Variable::ProgressTable)? })
    }

    /// Moves a run on to `step` and returns its progress. A late or repeated call changes nothing.
    pub async fn advance(
        &self,
        run_id: RunId,
        account_id: impl Into<Option<AccountId>>,
        step: Step,
    ) -> Result<Progress> {
        let (status, percent, sentence) = step.shown();
        send(self.write(run_id, account_id.into(), status, percent, sentence, None)).await
    }

    /// Like [`advance`](Self::advance), for a stage that is about to spend money. It fails when the run was
    /// cancelled or settled meanwhile.
    pub async fn begin(
        &self,
        run_id: RunId,
        account_id: impl Into<Option<AccountId>>,
        step: Step,
    ) -> Result<Progress> {
        let progress = self.advance(run_id, account_id, step).await?;
        progress.may_spend()?;
        Ok(progress)
    }

    /// Fails when the run was cancelled or settled. A stage asks this again after it has waited. A run
    /// without an item counts as neither.
    pub async fn may_spend(&self, run_id: RunId) -> Result<()> {
        self.read(run_id).await?.as_ref().map_or(Ok(()), Progress::may_spend)
    }

    /// Sets the flag that asks a run to stop. It makes the item if it is missing, so that the flag is never
    /// lost. When the run has ended, it changes nothing and returns how the run ended.
    pub async fn request_cancel(&self, run_id: RunId, account_id: AccountId) -> Result<Option<RunStatus>> {
        let now = Timestamp::now();
        let (status, percent, sentence) = Step::Accepted.shown();
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("runId", text(run_id))
            .update_expression(format!(
                "SET cancelRequested = :true, {EXPIRES_AT} = :expiresAt, #status = if_not_exists(#status, :status), \
                 #step = if_not_exists(#step, :step), #progress = if_not_exists(#progress, :progress), \
                 accountId = if_not_exists(accountId, :accountId), createdAt = if_not_exists(createdAt, :now), \
                 updatedAt = if_not_exists(updatedAt, :now)"
            ))
            .condition_expression(MAY_END)
            .expression_attribute_names("#status", "status")
            .expression_attribute_names("#step", "step")
            .expression_attribute_names("#progress", "progress")
            .expression_attribute_values(":true", AttributeValue::Bool(true))
            .expression_attribute_values(":status", text(status))
            .expression_attribute_values(":step", text(sentence))
            .expression_attribute_values(":progress", n(percent))
            .expression_attribute_values(":now", milliseconds(now))
            .expression_attribute_values(":expiresAt", n((now + Self::LIFETIME).as_second()))
            .expression_attribute_values(":accountId", text(account_id));
        let progress = send(update).await?;
        Ok(progress.status.is_terminal().then_some(progress.status))
    }

    /// Waits until the run is cancelled or settled, and returns the error that says so. Stages use it beside
    /// an expensive wait.
    pub async fn stopped(&self, run_id: RunId) -> Error {
        loop {
            tokio::time::sleep(LOOK).await;
            match self.may_spend(run_id).await {
                Ok(()) => {}
                Err(error) if matches!(error.code, Code::RunCancelled | Code::RunSettled) => return error,
                // The wait goes on, since the next read may succeed.
                Err(error) => {
                    tracing::warn!(runId = %run_id, cause = error.chain(), "cancel flag not read");
                }
            }
        }
    }

    /// Shows that a run has ended. A failed or cancelled run keeps its percentage.
    pub async fn finish(
        &self,
        run_id: RunId,
        account_id: impl Into<Option<AccountId>>,
        status: RunStatus,
    ) -> Result<()> {
        let percent = if status == RunStatus::Complete { 100 } else { 0 };
        send(self.write(run_id, account_id.into(), status, percent, status.as_str(), None)).await.map(drop)
    }

    /// Ends an anonymous run that failed, and keeps the reason. Returns how the run ended: it may have ended
    /// otherwise before.
    pub async fn fail(&self, run_id: RunId, failure: &Failure) -> Result<RunStatus> {
        let status = RunStatus::Failed;
        let progress = send(self.write(run_id, None, status, 0, status.as_str(), Some(failure))).await?;
        Ok(progress.status)
    }

    /// Returns the item of a run, or `None` when it is missing or has expired.
    pub async fn read(&self, run_id: RunId) -> Result<Option<Progress>> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("runId", text(run_id))
            .consistent_read(true)
            .send()
            .await
            .map_err(aws_error)?;
        let Some(item) = answer.item else { return Ok(None) };
        // DynamoDB may keep an expired item for two days.
        let is_live = number::<i64>(&item, EXPIRES_AT).is_some_and(|at| at > Timestamp::now().as_second());
        if is_live { parse(&item).map(Some) } else { Ok(None) }
    }

    /// The update that moves a run on, or ends it.
    fn write(
        &self,
        run_id: RunId,
        account_id: Option<AccountId>,
        status: RunStatus,
        percent: u8,
        sentence: &str,
        failure: Option<&Failure>,
    ) -> UpdateItemFluentBuilder {
        let now = Timestamp::now();
        let lifetime =
            if status.is_terminal() && account_id.is_some() { LIFETIME_AFTER_END } else { Self::LIFETIME };
        let is_rising = status == RunStatus::Complete || !status.is_terminal();
        // A failed run keeps its percentage: the bar stops where it was.
        let set_percent = if is_rising {
            "#progress = :progress"
        } else {
            "#progress = if_not_exists(#progress, :progress)"
        };
        let may_change = if is_rising {
            "attribute_not_exists(#status) OR (NOT #status IN (:complete, :failed, :cancelled) AND #progress <= :progress)"
        } else {
            MAY_END
        };
        // An anonymous caller was shown when the token expires, so the item keeps its first expiry.
        let (owner, expires_at) = match account_id {
            Some(_) => ("accountId = if_not_exists(accountId, :accountId), ", ":expiresAt".to_owned()),
            None => ("", format!("if_not_exists({EXPIRES_AT}, :expiresAt)")),
        };
        let set_failure =
            if failure.is_some() { ", failureCode = :code, failureReason = :reason" } else { "" };
        let reached = format!("reached_{status}");
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("runId", text(run_id))
            .update_expression(format!(
                "SET #status = :status, #step = :step, {set_percent}, updatedAt = :now, {EXPIRES_AT} = {expires_at}, {owner}\
                 createdAt = if_not_exists(createdAt, :now), #reached = if_not_exists(#reached, :now){set_failure}"
            ))
            .condition_expression(may_change)
            .expression_attribute_names("#status", "status")
            .expression_attribute_names("#step", "step")
            .expression_attribute_names("#progress", "progress")
            .expression_attribute_names("#reached", reached)
            .expression_attribute_values(":status", text(status))
            .expression_attribute_values(":step", text(sentence))
            .expression_attribute_values(":progress", n(percent))
            .expression_attribute_values(":now", milliseconds(now))
            .expression_attribute_values(":expiresAt", n((now + lifetime).as_second()));
        let texts = [
            (":accountId", account_id.map(|id| id.to_string())),
            (":code", failure.map(|failure| failure.code.to_string())),
            (":reason", failure.map(|failure| failure.reason.clone())),
        ];
        texts
            .into_iter()
            .filter_map(|(name, value)| Some((name, text(value?))))
            .fold(update, |update, (name, value)| update.expression_attribute_values(name, value))
    }
}

/// Sends a conditional update and returns the item as it is afterwards, even when the condition refused the
/// update.
async fn send(update: UpdateItemFluentBuilder) -> Result<Progress> {
    let update = update
        .expression_attribute_values(":complete", text(RunStatus::Complete))
        .expression_attribute_values(":failed", text(RunStatus::Failed))
        .expression_attribute_values(":cancelled", text(RunStatus::Cancelled));
    let item = update_if(update).await?.or_else(|refused| refused.ok_or("DynamoDB refused without the item"));
    parse(&item.map_err(Error::store)?)
}

fn parse(item: &Item) -> Result<Progress> {
    let wrong = |name: &str| Error::internal(format!("a progress item has no good `{name}`"));
    let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).ok_or_else(|| wrong(name));
    let time = |name: &str| time(item, name).ok_or_else(|| wrong(name));
    let mut reached: Vec<(RunStatus, Timestamp)> = RunStatus::ALL
        .into_iter()
        .filter_map(|status| Some((status, time(&format!("reached_{status}")).ok()?)))
        .collect();
    reached.sort_by_key(|(_, at)| *at);
    let account_id =
        item.contains_key("accountId").then(|| text("accountId")?.parse().map_err(|_| wrong("accountId")));
    let failure = item.contains_key("failureCode").then(|| {
        let code = Code::named(text("failureCode")?).ok_or_else(|| wrong("failureCode"))?;
        Ok::<_, Error>(Failure { code, reason: text("failureReason")?.clone() })
    });
    Ok(Progress {
        account_id: account_id.transpose()?,
        status: text("status")?.parse().map_err(|_| wrong("status"))?,
        percent: number(item, "progress").ok_or_else(|| wrong("progress"))?,
        step: text("step")?.clone(),
        created_at: time("createdAt")?,
        updated_at: time("updatedAt")?,
        cancel_requested: item
            .get("cancelRequested")
            .and_then(|value| value.as_bool().ok())
            .copied()
            .unwrap_or(false),
        reached,
        failure: failure.transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn an_item_is_read_in_order_of_time() {
        let n = |n: i64| AttributeValue::N(n.to_string());
        let mut item: Item = HashMap::from([
            ("accountId".into(), AttributeValue::S("0190a5a0-0000-7000-8000-000000000001".into())),
            ("status".into(), AttributeValue::S("analyzing".into())),
            ("progress".into(), n(45)),
            ("step".into(), AttributeValue::S("Thinking".into())),
            ("createdAt".into(), n(1_000)),
            ("updatedAt".into(), n(9_000)),
            ("reached_analyzing".into(), n(9_000)),
            ("reached_queued".into(), n(1_000)),
        ]);
        let progress = parse(&item).unwrap();
        assert_eq!(
            (progress.status, progress.percent, progress.cancel_requested),
            (RunStatus::Analyzing, 45, false)
        );
        assert_eq!(progress.reached.first().unwrap().0, RunStatus::Queued);
        assert!(progress.may_spend().is_ok());
        item.insert("cancelRequested".into(), AttributeValue::Bool(true));
        assert_eq!(parse(&item).unwrap().may_spend().unwrap_err().code, Code::RunCancelled);
        // How the run ended counts more than the wish to cancel it.
        item.insert("status".into(), AttributeValue::S("complete".into()));
        assert_eq!(parse(&item).unwrap().may_spend().unwrap_err().code, Code::RunSettled);
        item.insert("accountId".into(), AttributeValue::S("mine".into()));
        assert_eq!(parse(&item).unwrap_err().code, Code::InternalError);
    }

    #[test]
    fn an_anonymous_runs_item_has_no_owner_and_tells_why_it_failed() {
        let s = |text: &str| AttributeValue::S(text.into());
        let n = |n: i64| AttributeValue::N(n.to_string());
        let mut item: Item = HashMap::from([
            ("status".into(), s("failed")),
            ("progress".into(), n(10)),
            ("step".into(), s("failed")),
            ("createdAt".into(), n(1_000)),
            ("updatedAt".into(), n(9_000)),
            ("failureCode".into(), s("ProfilePrivate")),
            ("failureReason".into(), s("The account is private.")),
        ]);
        let progress = parse(&item).unwrap();
        let reason = "The account is private.".to_owned();
        assert_eq!(progress.failure, Some(Failure { code: Code::ProfilePrivate, reason }));
        assert_eq!(progress.account_id, None);
        item.remove("failureReason");
        assert_eq!(parse(&item).unwrap_err().code, Code::InternalError);
    }
}
