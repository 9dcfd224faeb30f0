//! Refresh checks of leads, in the table of runs' progress: one item per lead, for the lead's latest check.
//!
//! A check begins with a conditional write, so a lead has one check under way. Its end is written only while the item is still
//! its own: a check that was taken for dead, and another one begun in its place, changes nothing.

use crate::{EXPIRES_AT, Failure, Item, delete_if, milliseconds, n, number, text, time, update_if};
use aws_sdk_dynamodb::{Client, operation::update_item::builders::UpdateItemFluentBuilder};
use jiff::{SignedDuration, Timestamp};
use oslira_domain::{AccountId, Code, Error, LeadId, RefreshAnswer, Result, RunId};
use oslira_lambda::{Env, Variable, aws_error};

/// How long an item lives.
const LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// A lead's latest check.
#[derive(Clone, Debug, PartialEq)]
pub struct RefreshCheck {
    pub check_id: RunId,
    /// Whose lead it is.
    pub account_id: AccountId,
    pub started_at: Timestamp,
    /// `None` while it is under way, as far as the item knows.
    pub end: Option<RefreshCheckEnd>,
}

/// How a check ended, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct RefreshCheckEnd {
    pub at: Timestamp,
    pub outcome: Result<RefreshAnswer, Failure>,
}

#[derive(Debug)]
pub struct RefreshChecks {
    client: Client,
    table: String,
}

impl RefreshChecks {
    /// Needs the variable `PROGRESS_TABLE`.
    pub fn new(env: &Env) -> Result<Self> {
        Ok(Self { client: Client::new(env.sdk()), table: env.var(Variable::ProgressTable)? })
    }

    /// Returns the lead's latest check, or `None` when there was none in the past day.
    pub async fn read(&self, lead_id: LeadId) -> Result<Option<RefreshCheck>> {
        let get = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("runId", text(key(lead_id)))
            .consistent_read(true);
        let Some(item) = get.send().await.map_err(aws_error)?.item else { return Ok(None) };
        // DynamoDB may keep an expired item for two days.
        let is_live = number::<i64>(&item, EXPIRES_AT).is_some_and(|at| at > Timestamp::now().as_second());
        if is_live { RefreshCheck::read(&item).map(Some) } else { Ok(None) }
    }

    /// Begins a check in the place of the `latest` one that was read. Returns the check that is under way now: another one
    /// when that began in the meantime.
    pub async fn begin(
        &self,
        lead_id: LeadId,
        account_id: AccountId,
        check_id: RunId,
        latest: Option<&RefreshCheck>,
    ) -> Result<RefreshCheck> {
        let now = Timestamp::now();
        let begin = self
            .update(lead_id)
            .update_expression(format!(
                "SET checkId = :checkId, accountId = :accountId, startedAt = :now, {EXPIRES_AT} = :expiresAt
                   REMOVE endedAt, answer, failureCode, failureReason"
            ))
            .expression_attribute_values(":checkId", text(check_id))
            .expression_attribute_values(":accountId", text(account_id))
            .expression_attribute_values(":now", milliseconds(now))
            .expression_attribute_values(":expiresAt", n((now + LIFETIME).as_second()));
        let begin = match latest {
            Some(latest) => begin
                .condition_expression("checkId = :latest")
                .expression_attribute_values(":latest", text(latest.check_id)),
            // An expired item may still be there.
            None => begin
                .condition_expression(format!("attribute_not_exists(checkId) OR {EXPIRES_AT} <= :second"))
                .expression_attribute_values(":second", n(now.as_second())),
        };
        let item = match update_if(begin).await? {
            Ok(item) | Err(Some(item)) => item,
            Err(None) => return Err(Error::store("the check before this one has just been withdrawn")),
        };
        RefreshCheck::read(&item)
    }

    /// Ends a check with its answer. Changes nothing when the check has ended, or is not the lead's latest.
    pub async fn answer(&self, lead_id: LeadId, check_id: RunId, answer: &RefreshAnswer) -> Result<()> {
        let answer = serde_json::to_string(answer).map_err(Error::internal)?;
        let end = self
            .end(lead_id, check_id)
            .update_expression("SET endedAt = :now, answer = :answer")
            .expression_attribute_values(":answer", text(answer));
        update_if(end).await.map(drop)
    }

    /// Ends a check that failed, in the same way.
    pub async fn fail(&self, lead_id: LeadId, check_id: RunId, failure: &Failure) -> Result<()> {
        let end = self
            .end(lead_id, check_id)
            .update_expression("SET endedAt = :now, failureCode = :code, failureReason = :reason")
            .expression_attribute_values(":code", text(failure.code))
            .expression_attribute_values(":reason", text(&failure.reason));
        update_if(end).await.map(drop)
    }

    /// Takes back a check that could not be started.
    pub async fn withdraw(&self, lead_id: LeadId, check_id: RunId) -> Result<()> {
        let delete = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key("runId", text(key(lead_id)))
            .condition_expression("checkId = :checkId")
            .expression_attribute_values(":checkId", text(check_id));
        delete_if(delete).await
    }

    fn end(&self, lead_id: LeadId, check_id: RunId) -> UpdateItemFluentBuilder {
        self.update(lead_id)
            .condition_expression("checkId = :checkId AND attribute_not_exists(endedAt)")
            .expression_attribute_values(":checkId", text(check_id))
            .expression_attribute_values(":now", milliseconds(Timestamp::now()))
    }

    fn update(&self, lead_id: LeadId) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.table).key("runId", text(key(lead_id)))
    }
}

impl RefreshCheck {
    fn read(item: &Item) -> Result<Self> {
        let wrong = |name: &str| Error::internal(format!("a refresh check's item has no good `{name}`"));
        let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).ok_or_else(|| wrong(name));
        let outcome = || {
            if item.contains_key("failureCode") {
                let code = Code::named(text("failureCode")?).ok_or_else(|| wrong("failureCode"))?;
                return Ok(Err(Failure { code, reason: text("failureReason")?.clone() }));
            }
            // The parser's own message is left out, because it may quote a profile.
            serde_json::from_str(text("answer")?).map(Ok).map_err(|_| wrong("answer"))
        };
        // Another version of this code may have written how it ended. It has ended, so another check may begin.
        let unreadable = |error: Error| {
            tracing::warn!(cause = error.chain(), "unreadable outcome of a refresh check");
            let reason = "The answer of this check cannot be read any more. Start another check.".to_owned();
            Err(Failure { code: Code::InternalError, reason })
        };
        let end = |at| RefreshCheckEnd { at, outcome: outcome().unwrap_or_else(unreadable) };
        Ok(Self {
            check_id: text("checkId")?.parse().map_err(|_| wrong("checkId"))?,
            account_id: text("accountId")?.parse().map_err(|_| wrong("accountId"))?,
            started_at: time(item, "startedAt").ok_or_else(|| wrong("startedAt"))?,
            end: time(item, "endedAt").map(end),
        })
    }
}

/// The item's key. No run's id looks like it.
fn key(lead_id: LeadId) -> String {
    format!("refresh-check#{lead_id}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use oslira_domain::Visibility;

    #[test]
    fn an_item_is_under_way_answered_or_failed() {
        let id = RunId::generate();
        let at = Timestamp::UNIX_EPOCH;
        let mut item = Item::from([
            ("checkId".to_owned(), text(id)),
            ("accountId".to_owned(), text(id)),
            ("startedAt".to_owned(), milliseconds(at)),
        ]);
        assert_eq!(RefreshCheck::read(&item).unwrap().end, None);
        let answer = RefreshAnswer {
            needs_refresh: false,
            reasons: Vec::new(),
            visibility: Visibility::Public,
            profile_as_of: at,
        };
        item.insert("endedAt".to_owned(), milliseconds(at));
        for unreadable in ["", "{}"] {
            item.insert("answer".to_owned(), text(unreadable));
            let ended = RefreshCheck::read(&item).unwrap().end.unwrap();
            assert_eq!(ended.outcome.unwrap_err().code, Code::InternalError, "it has ended all the same");
        }
        item.insert("answer".to_owned(), text(serde_json::to_string(&answer).unwrap()));
        assert_eq!(RefreshCheck::read(&item).unwrap().end.unwrap().outcome, Ok(answer));
        item.insert("failureCode".to_owned(), text("ApifyBusy"));
        item.insert("failureReason".to_owned(), text("All scrapers were busy."));
        let failure = Failure { code: Code::ApifyBusy, reason: "All scrapers were busy.".to_owned() };
        assert_eq!(RefreshCheck::read(&item).unwrap().end.unwrap().outcome, Err(failure));
    }
}
