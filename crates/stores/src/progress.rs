//! Progress of runs, in DynamoDB.
//!
//! A run without an account is anonymous. Its item is all that tells how it ended, so it lives for the whole day.

use crate::{Item, milliseconds, n, number, text, time, update_if};
use aws_sdk_dynamodb::{
    Client, operation::update_item::builders::UpdateItemFluentBuilder, types::AttributeValue,
};
use jiff::{SignedDuration, Timestamp};
use oslira_domain::{AccountId, Code, Error, Result, RunId, RunStatus, Step};
use oslira_lambda::{Env, Variable, aws_error};
use std::time::Duration;

/// How long it lives after the run has ended.
const LIFETIME_AFTER_END: SignedDuration = SignedDuration::from_hours(1);
/// How often a waiting stage looks whether its run was cancelled.
const LOOK: Duration = Duration::from_secs(2);
/// The condition under which a run that has not ended may change.
const MAY_END: &str = "attribute_not_exists(#status) OR NOT #status IN (:complete, :failed, :cancelled)";

/// What a progress item says.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// Who may see it. `None`: whoever knows the token of an anonymous run.
    pub account_id: Option<AccountId>,
    /// Where the run is.
    pub status: RunStatus,
    /// 0 to 100.
    pub percent: u8,
    /// The step, as a sentence.
    pub step: String,
    /// When the run was accepted.
    pub created_at: Timestamp,
    /// When the item last changed.
    pub updated_at: Timestamp,
    /// Someone asked for the run to stop.
    pub cancel_requested: bool,
    /// When each status was first reached, in order of time.
    pub reached: Vec<(RunStatus, Timestamp)>,
    /// Why an anonymous run failed. Of all others Postgres knows.
    pub failure: Option<Failure>,
}

/// Why a run failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// The code.
    pub code: Code,
    /// The sentence that belongs to it.
    pub reason: String,
}

impl Progress {
    /// An error when the run was cancelled or settled: nothing may be spent on it any more.
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

/// The table of progress items.
#[derive(Debug)]
pub struct ProgressStore {
    client: Client,
    table: String,
}

impl ProgressStore {
    /// How long an item lives if nothing ends its run; an anonymous run's lives as long in any case.
    pub const LIFETIME: SignedDuration = SignedDuration::from_hours(24);

    /// Needs the variable `PROGRESS_TABLE`.
    pub fn new(env: &Env) -> Result<Self> {
        Ok(Self { client: Client::new(env.sdk()), table: env.var(Variable::ProgressTable)? })
    }

    /// Moves a run on to `step` and tells where it is now. A late or repeated call changes nothing.
    pub async fn advance(
        &self,
        run_id: RunId,
        account_id: impl Into<Option<AccountId>>,
        step: Step,
    ) -> Result<Progress> {
        let (status, percent, sentence) = step.shown();
        send(self.write(run_id, account_id.into(), status, percent, sentence, None)).await
    }

    /// Like [`advance`](Self::advance), for a stage that is about to spend money: an error when the run was
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

    /// An error when the run was cancelled or settled, for a stage that has waited since it began. A run without an item was
    /// neither.
    pub async fn may_spend(&self, run_id: RunId) -> Result<()> {
        self.read(run_id).await?.as_ref().map_or(Ok(()), Progress::may_spend)
    }

    /// Notes the wish to cancel, in an item that is made if it is missing: the flag must not be lost. Answers how the
    /// run ended when it has, and then changes nothing.
    pub async fn request_cancel(&self, run_id: RunId, account_id: AccountId) -> Result<Option<RunStatus>> {
        let now = Timestamp::now();
        let (status, percent, sentence) = Step::Accepted.shown();
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("runId", text(run_id))
            .update_expression(
                "SET cancelRequested = :true, expiresAt = :expiresAt, #status = if_not_exists(#status, :status), \
                 #step = if_not_exists(#step, :step), #progress = if_not_exists(#progress, :progress), \
                 accountId = if_not_exists(accountId, :accountId), createdAt = if_not_exists(createdAt, :now), \
                 updatedAt = if_not_exists(updatedAt, :now)",
            )
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

    /// Waits until the run is cancelled or settled, and answers with the error that says so: for whoever waits for
    /// something expensive meanwhile.
    pub async fn stopped(&self, run_id: RunId) -> Error {
        loop {
            tokio::time::sleep(LOOK).await;
            match self.may_spend(run_id).await {
                Ok(()) => {}
                Err(error) if matches!(error.code, Code::RunCancelled | Code::RunSettled) => return error,
                // The wait goes on; the next look may be luckier.
                Err(error) => {
                    tracing::warn!(runId = %run_id, cause = error.chain(), "cancel flag not read");
                }
            }
        }
    }

    /// Shows the end of a run. The percentage of a failed or cancelled one stays where it was.
    pub async fn finish(
        &self,
        run_id: RunId,
        account_id: impl Into<Option<AccountId>>,
        status: RunStatus,
    ) -> Result<()> {
        let percent = if status == RunStatus::Complete { 100 } else { 0 };
        send(self.write(run_id, account_id.into(), status, percent, status.as_str(), None)).await.map(drop)
    }

    /// Ends an anonymous run that failed, and keeps why. Answers how it ended, which may have been otherwise before.
    pub async fn fail(&self, run_id: RunId, failure: &Failure) -> Result<RunStatus> {
        let status = RunStatus::Failed;
        let progress = send(self.write(run_id, None, status, 0, status.as_str(), Some(failure))).await?;
        Ok(progress.status)
    }

    /// The item of a run; `None` when it is missing or has expired.
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
        let is_live = number::<i64>(&item, "expiresAt").is_some_and(|at| at > Timestamp::now().as_second());
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
        // An anonymous caller is told when the token expires, so the item keeps its first expiry.
        let (owner, expires_at) = match account_id {
            Some(_) => ("accountId = if_not_exists(accountId, :accountId), ", "expiresAt = :expiresAt"),
            None => ("", "expiresAt = if_not_exists(expiresAt, :expiresAt)"),
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
                "SET #status = :status, #step = :step, {set_percent}, updatedAt = :now, {expires_at}, {owner}\
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

/// Sends a conditional update; the item as it is afterwards, also when the condition refused it.
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
        // How it ended outweighs what was wished.
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
