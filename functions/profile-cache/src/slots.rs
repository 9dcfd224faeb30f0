//! Apify's limit: ten slots in DynamoDB, one per actor run in flight, over all runs, batches and tenants.
//!
//! A slot is held by what is wanted, not by the run that wants it: whichever run is in charge of the flight goes on with
//! the actor that it finds there, and gives the slot back as soon as that has ended. A lease that nobody gives back outlives
//! its actor: it holds until the actor's own timeout and half a minute more. So a scraper that dies does not free its slot
//! while its actor runs on.

use crate::want::Want;
use aws_sdk_dynamodb::{
    Client, operation::update_item::builders::UpdateItemFluentBuilder, types::KeysAndAttributes,
};
use jiff::{SignedDuration, Timestamp};
use oslira_domain::{Code, Error, Result, RunId};
use oslira_lambda::{Env, aws_error};
use oslira_stores::{Item, delete_if, milliseconds, text, time, update_if};
use serde::Deserialize;
use std::{collections::HashMap, time::Duration};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

/// Actor runs in flight at any time.
const SLOTS: usize = 10;
/// Of these, how many only profiles of single runs may take, so that a batch never makes a single user wait.
const FOR_SINGLES: usize = 2;
/// How many of the others visitors may take: however many come, the rest is for accounts.
const FOR_VISITORS: usize = 3;
/// Slots that one thing wanted may have with an actor that may or may not have started.
const MOST_DOUBTFUL: usize = 2;
/// How long a scraper waits inside for a free slot before it hands the waiting over to the state machine.
const PATIENCE: Duration = Duration::from_secs(4);
/// The condition under which a slot is still a lease's.
const IS_STILL: &str = "leaseId = :lease";

/// Who wants a slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// One user waits for one profile.
    #[default]
    Single,
    /// A group of a batch.
    Batch,
    /// Someone without an account.
    Visitor,
}

impl Lane {
    /// How long a scraper waits inside for a slot. A visitor's does not: an account's run may want the same, and waits with it
    /// although other slots are open to that.
    const fn patience(self) -> Duration {
        match self {
            Self::Single | Self::Batch => PATIENCE,
            Self::Visitor => Duration::ZERO,
        }
    }

    /// The slots it may take, in the order it tries them. Singles leave the shared ones to batches if they can. Their posts
    /// never take those that are kept for singles: what the posts mean may depend on the profile, which must get a slot.
    fn slots(self, want: Want) -> Vec<usize> {
        let (shared, for_singles) = (0..SLOTS - FOR_SINGLES, SLOTS - FOR_SINGLES..SLOTS);
        match (self, want) {
            (Self::Single, Want::Profiles) => for_singles.chain(shared).collect(),
            (Self::Single, Want::Posts) | (Self::Batch, _) => shared.collect(),
            // The last that others come to.
            (Self::Visitor, _) => shared.rev().take(FOR_VISITORS).collect(),
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
#[derive(Debug)]
pub(crate) struct Lease {
    slot: usize,
    /// Chosen before the write that took the slot. So who repeats that write, its answer lost, knows that it was done; and
    /// who comes late with an id that was replaced changes nothing.
    id: String,
    /// The run that started the actor, or will: what it costs is that run's.
    pub(crate) payer: RunId,
    /// The actor run in it, once there is one.
    pub(crate) actor_run_id: Option<String>,
}

/// What a slot's item says, when it is held.
#[derive(Debug)]
struct Held {
    holder: String,
    /// Empty in a lease of an earlier version of this code: that one is left to expire.
    id: String,
    /// `None` in a lease of an earlier version.
    payer: Option<RunId>,
    actor_run_id: Option<String>,
    until: Timestamp,
}

/// Who asks for a slot, and for what.
#[derive(Clone, Copy)]
pub(crate) struct Asker<'a> {
    /// What is wanted.
    pub(crate) holder: &'a str,
    /// The run in charge.
    pub(crate) run_id: RunId,
    pub(crate) lane: Lane,
    pub(crate) want: Want,
}

impl ScrapeSlots {
    /// Needs the variable `SCRAPE_SLOTS_TABLE`.
    pub fn new(env: &Env) -> Result<Self> {
        Ok(Self { client: Client::new(env.sdk()), table: env.var("SCRAPE_SLOTS_TABLE")? })
    }

    /// Takes a slot for what is wanted, or finds the one that it holds with an actor run in it.
    ///
    /// A slot it holds without one is left to expire: an earlier try may have started an actor and died before it
    /// could say so, and two actors must not share a slot. It takes one more then, but not a third: a burst of
    /// doubtful starts must not take the slots from everyone.
    pub(crate) async fn lease(&self, asker: Asker<'_>, actor_timeout: Duration) -> Result<Lease> {
        let give_up = Instant::now() + asker.lane.patience();
        loop {
            let now = Timestamp::now();
            let held = self.held(now).await?;
            if let Some(lease) = with_actor(&held, asker.holder, asker.run_id) {
                return Ok(lease);
            }
            let own = || held.values().filter(|held| held.holder == asker.holder);
            let is_free = |slot: &usize| !held.contains_key(slot);
            let free = asker.lane.slots(asker.want).into_iter().filter(is_free);
            for slot in free.take_while(|_| own().count() < MOST_DOUBTFUL) {
                if let Some(lease) = self.take(slot, asker, now, actor_timeout).await? {
                    return Ok(lease);
                }
            }
            if Instant::now() >= give_up {
                return Err(Error::new(Code::ApifyBusy, "All scrapers were busy."));
            }
            sleep(Duration::from_millis(400)).await;
        }
    }

    /// The slot that `holder` has with an actor run in it. `run_id` pays for one whose lease does not say who does.
    pub(crate) async fn held_by(&self, holder: &str, run_id: RunId) -> Result<Option<Lease>> {
        Ok(with_actor(&self.held(Timestamp::now()).await?, holder, run_id))
    }

    /// Notes the actor run in the lease, so that a retry waits for it instead of starting another.
    pub(crate) async fn note_actor_run(&self, lease: &mut Lease, actor_run_id: &str) -> Result<()> {
        let update = self
            .of(lease)
            .update_expression("SET actorRunId = :started")
            .expression_attribute_values(":started", text(actor_run_id));
        update_if(update).await?.map_err(|_| lost())?;
        lease.actor_run_id = Some(actor_run_id.to_owned());
        Ok(())
    }

    /// Gives the slot back; nothing if it is not this lease's any more.
    pub(crate) async fn release(&self, lease: &Lease) -> Result<()> {
        let delete = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key("slot", text(lease.slot))
            .condition_expression(IS_STILL)
            .expression_attribute_values(":lease", text(&lease.id));
        delete_if(delete).await
    }

    /// An update of a slot on condition that it is still this lease's.
    fn of(&self, lease: &Lease) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.table)
            .key("slot", text(lease.slot))
            .condition_expression(IS_STILL)
            .expression_attribute_values(":lease", text(&lease.id))
    }

    /// Takes a slot; `None` when another has it.
    async fn take(
        &self,
        slot: usize,
        asker: Asker<'_>,
        now: Timestamp,
        actor_timeout: Duration,
    ) -> Result<Option<Lease>> {
        let lease = Lease::new(slot, asker.run_id);
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("slot", text(slot))
            .update_expression(
                "SET holder = :holder, leaseId = :lease, payer = :payer, leasedUntil = :until REMOVE actorRunId, isSecond",
            )
            .condition_expression("attribute_not_exists(holder) OR leasedUntil < :now")
            .expression_attribute_values(":holder", text(asker.holder))
            .expression_attribute_values(":lease", text(&lease.id))
            .expression_attribute_values(":payer", text(asker.run_id))
            .expression_attribute_values(":until", milliseconds(until(now, actor_timeout)))
            .expression_attribute_values(":now", milliseconds(now));
        Ok(match update_if(update).await? {
            Err(other) if !lease.is_in(other.as_ref()) => None,
            _ => Some(lease),
        })
    }

    /// The slots whose lease has not expired.
    async fn held(&self, now: Timestamp) -> Result<HashMap<usize, Held>> {
        let keys = (0..SLOTS).map(|slot| HashMap::from([("slot".to_owned(), text(slot))])).collect();
        let keys = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build();
        let request = self.client.batch_get_item().request_items(&self.table, keys.map_err(Error::internal)?);
        let answer = request.send().await.map_err(aws_error)?;
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

impl Lease {
    fn new(slot: usize, payer: RunId) -> Self {
        Self { slot, id: Uuid::new_v4().to_string(), payer, actor_run_id: None }
    }

    /// Whether the item of its slot is this lease's: then a write that was refused is one that had been done.
    fn is_in(&self, item: Option<&Item>) -> bool {
        item.and_then(|item| item.get("leaseId")) == Some(&text(&self.id))
    }
}

fn lost() -> Error {
    Error::store("the scrape slot is another lease's by now")
}

fn with_actor(held: &HashMap<usize, Held>, holder: &str, run_id: RunId) -> Option<Lease> {
    let mut own = held.iter().filter(|(_, held)| held.holder == holder);
    let (slot, own) = own.find(|(_, held)| held.actor_run_id.is_some())?;
    Some(Lease {
        slot: *slot,
        id: own.id.clone(),
        payer: own.payer.unwrap_or(run_id),
        actor_run_id: own.actor_run_id.clone(),
    })
}

fn read(item: &Item) -> Option<(usize, Held)> {
    let text = |name: &str| item.get(name)?.as_s().ok();
    let held = Held {
        holder: text("holder")?.clone(),
        id: text("leaseId").cloned().unwrap_or_default(),
        payer: text("payer").and_then(|id| id.parse().ok()),
        actor_run_id: text("actorRunId").cloned(),
        until: time(item, "leasedUntil")?,
    };
    Some((text("slot")?.parse().ok()?, held))
}

/// When a lease of an actor that starts now expires: half a minute after Apify would have stopped it.
fn until(now: Timestamp, actor_timeout: Duration) -> Timestamp {
    now + SignedDuration::try_from(actor_timeout).unwrap_or_default() + SignedDuration::from_secs(30)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_leave_two_slots_to_single_runs() {
        let batch = Lane::Batch.slots(Want::Profiles);
        assert_eq!(batch.len(), 8);
        assert!(batch.iter().all(|slot| *slot < 8));
    }

    #[test]
    fn visitors_leave_seven_slots_to_accounts() {
        assert_eq!(Lane::Visitor.slots(Want::Profiles), [7, 6, 5]);
    }

    #[test]
    fn a_single_run_takes_them_first_for_its_profile_and_never_for_posts() {
        let (profile, posts) = (Lane::Single.slots(Want::Profiles), Lane::Single.slots(Want::Posts));
        assert_eq!((profile.len(), &profile[..2]), (10, &[8, 9][..]));
        assert_eq!(posts, [0, 1, 2, 3, 4, 5, 6, 7]);
    }
}
