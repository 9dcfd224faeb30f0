//! Apify's limit: ten slots in DynamoDB, one per actor run in flight, over all runs, batches and tenants.
//!
//! A lease outlives its actor: it holds until the actor's own timeout and half a minute more. So a scraper that
//! dies does not free its slot while its actor runs on, and a retry finds the actor and waits for it again.

use aws_sdk_dynamodb::{
    Client,
    error::SdkError,
    operation::update_item::UpdateItemError,
    types::{AttributeValue, KeysAndAttributes},
};
use jiff::{SignedDuration, Timestamp};
use oslira_domain::{Code, Error, Result};
use oslira_lambda::Env;
use serde::Deserialize;
use std::{collections::HashMap, time::Duration};
use tokio::time::{Instant, sleep};

/// Actor runs in flight at any time.
const SLOTS: usize = 10;
/// Of these, how many only single runs may take, so that a batch never makes a single user wait.
const FOR_SINGLES: usize = 2;
/// Slots that one holder may have with an actor that may or may not have started.
const MOST_DOUBTFUL: usize = 2;
/// How long a scraper waits inside for a free slot before it hands the waiting over to the state machine.
const PATIENCE: Duration = Duration::from_secs(4);

/// Who wants a slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// One user waits for one profile.
    #[default]
    Single,
    /// A group of a batch.
    Batch,
}

impl Lane {
    /// The slots it may take, in the order it tries them: singles leave the shared ones to batches if they can.
    fn slots(self) -> Vec<usize> {
        let shared = 0..SLOTS - FOR_SINGLES;
        match self {
            Self::Single => (SLOTS - FOR_SINGLES..SLOTS).chain(shared).collect(),
            Self::Batch => shared.collect(),
        }
    }
}

/// The table of slots.
#[derive(Debug)]
pub struct ScrapeSlots {
    client: Client,
    table: String,
}

/// A slot that is held.
#[derive(Debug, PartialEq)]
pub(crate) struct Lease {
    slot: usize,
    holder: String,
    /// The actor run that an earlier try started in it.
    pub(crate) actor_run_id: Option<String>,
    /// The actor run is, or will be, the second one for what was asked.
    pub(crate) is_second: bool,
}

/// What a slot's item says, when it is held.
#[derive(Debug)]
struct Held {
    holder: String,
    actor_run_id: Option<String>,
    is_second: bool,
    until: Timestamp,
}

impl ScrapeSlots {
    /// Needs the variable `SCRAPE_SLOTS_TABLE`.
    pub fn new(env: &Env) -> Result<Self> {
        Ok(Self { client: Client::new(env.sdk()), table: env.var("SCRAPE_SLOTS_TABLE")? })
    }

    /// Takes a slot for `holder`, or finds the one it holds with an actor run in it.
    ///
    /// A slot it holds without one is left to expire: an earlier try may have started an actor and died before it
    /// could say so, and two actors must not share a slot. It takes one more then, but not a third: a burst of
    /// doubtful starts must not take the slots from everyone.
    pub(crate) async fn lease(&self, holder: &str, lane: Lane, actor_timeout: Duration) -> Result<Lease> {
        let give_up = Instant::now() + PATIENCE;
        loop {
            let now = Timestamp::now();
            let held = self.held(now).await?;
            if let Some(lease) = with_actor(&held, holder) {
                return Ok(lease);
            }
            let own = || held.values().filter(|held| held.holder == holder);
            let is_free = |slot: &usize| !held.contains_key(slot);
            for slot in lane.slots().into_iter().filter(is_free).take_while(|_| own().count() < MOST_DOUBTFUL)
            {
                if self.take(slot, holder, now, actor_timeout).await? {
                    let holder = holder.to_owned();
                    return Ok(Lease { slot, holder, actor_run_id: None, is_second: false });
                }
            }
            if Instant::now() >= give_up {
                return Err(Error::new(Code::ApifyBusy, "All scrapers are busy; waiting for a free one."));
            }
            sleep(Duration::from_millis(400)).await;
        }
    }

    /// The slot that `holder` has with an actor run in it.
    pub(crate) async fn held_by(&self, holder: &str) -> Result<Option<Lease>> {
        Ok(with_actor(&self.held(Timestamp::now()).await?, holder))
    }

    /// Makes a lease whose actor has ended fit for a second one: a full term, and no actor named that it is not.
    pub(crate) async fn renew(&self, lease: &Lease, actor_timeout: Duration) -> Result<Lease> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("slot", text(lease.slot))
            .update_expression("SET leasedUntil = :until, isSecond = :true REMOVE actorRunId")
            .condition_expression("holder = :holder")
            .expression_attribute_values(":until", milliseconds(until(Timestamp::now(), actor_timeout)))
            .expression_attribute_values(":true", AttributeValue::Bool(true))
            .expression_attribute_values(":holder", text(&lease.holder));
        update.send().await.map_err(Error::store)?;
        Ok(Lease { slot: lease.slot, holder: lease.holder.clone(), actor_run_id: None, is_second: true })
    }

    /// Notes the actor run in the lease, so that a retry waits for it instead of starting another.
    pub(crate) async fn note_actor_run(&self, lease: &Lease, actor_run_id: &str) -> Result<()> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("slot", text(lease.slot))
            .update_expression("SET actorRunId = :actorRunId")
            .condition_expression("holder = :holder")
            .expression_attribute_values(":actorRunId", text(actor_run_id))
            .expression_attribute_values(":holder", text(&lease.holder));
        update.send().await.map(drop).map_err(Error::store)
    }

    /// Gives the slot back; nothing if someone else holds it by now.
    pub(crate) async fn release(&self, lease: &Lease) -> Result<()> {
        let delete = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key("slot", text(lease.slot))
            .condition_expression("holder = :holder")
            .expression_attribute_values(":holder", text(&lease.holder));
        match delete.send().await {
            Ok(_) => Ok(()),
            Err(SdkError::ServiceError(error)) if error.err().is_conditional_check_failed_exception() => {
                Ok(())
            }
            Err(error) => Err(Error::store(error)),
        }
    }

    async fn take(&self, slot: usize, holder: &str, now: Timestamp, actor_timeout: Duration) -> Result<bool> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("slot", text(slot))
            .update_expression("SET holder = :holder, leasedUntil = :until REMOVE actorRunId, isSecond")
            .condition_expression("attribute_not_exists(holder) OR leasedUntil < :now")
            .expression_attribute_values(":holder", text(holder))
            .expression_attribute_values(":until", milliseconds(until(now, actor_timeout)))
            .expression_attribute_values(":now", milliseconds(now));
        match update.send().await {
            Ok(_) => Ok(true),
            Err(SdkError::ServiceError(error))
                if matches!(error.err(), UpdateItemError::ConditionalCheckFailedException(_)) =>
            {
                Ok(false)
            }
            Err(error) => Err(Error::store(error)),
        }
    }

    /// The slots whose lease has not expired.
    async fn held(&self, now: Timestamp) -> Result<HashMap<usize, Held>> {
        let keys = (0..SLOTS).map(|slot| HashMap::from([("slot".to_owned(), text(slot))])).collect();
        let keys = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build();
        let request = self.client.batch_get_item().request_items(&self.table, keys.map_err(Error::internal)?);
        let answer = request.send().await.map_err(Error::store)?;
        if answer.unprocessed_keys.is_some_and(|keys| !keys.is_empty()) {
            return Err(Error::store("DynamoDB read only some of the slots"));
        }
        let items = answer.responses.and_then(|mut tables| tables.remove(&self.table)).unwrap_or_default();
        let mut held = HashMap::new();
        for item in &items {
            let (slot, lease) = read(item).ok_or_else(|| Error::internal("a scrape slot cannot be read"))?;
            if lease.until >= now {
                held.insert(slot, lease);
            }
        }
        Ok(held)
    }
}

fn with_actor(held: &HashMap<usize, Held>, holder: &str) -> Option<Lease> {
    let mut own = held.iter().filter(|(_, held)| held.holder == holder);
    let (slot, own) = own.find(|(_, held)| held.actor_run_id.is_some())?;
    Some(Lease {
        slot: *slot,
        holder: holder.to_owned(),
        actor_run_id: own.actor_run_id.clone(),
        is_second: own.is_second,
    })
}

fn read(item: &HashMap<String, AttributeValue>) -> Option<(usize, Held)> {
    let text = |name: &str| item.get(name)?.as_s().ok();
    let until = item.get("leasedUntil")?.as_n().ok()?.parse().ok()?;
    let held = Held {
        holder: text("holder")?.clone(),
        actor_run_id: text("actorRunId").cloned(),
        is_second: item.contains_key("isSecond"),
        until: Timestamp::from_millisecond(until).ok()?,
    };
    Some((text("slot")?.parse().ok()?, held))
}

/// When a lease of an actor that starts now expires: half a minute after Apify would have stopped it.
fn until(now: Timestamp, actor_timeout: Duration) -> Timestamp {
    now + SignedDuration::try_from(actor_timeout).unwrap_or_default() + SignedDuration::from_secs(30)
}

fn milliseconds(time: Timestamp) -> AttributeValue {
    AttributeValue::N(time.as_millisecond().to_string())
}

fn text(value: impl ToString) -> AttributeValue {
    AttributeValue::S(value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_leave_two_slots_to_single_runs() {
        let (single, batch) = (Lane::Single.slots(), Lane::Batch.slots());
        assert_eq!((single.len(), batch.len()), (10, 8));
        assert_eq!(single[..2], [8, 9]);
        assert!(batch.iter().all(|slot| *slot < 8));
    }
}
