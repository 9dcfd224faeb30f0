//! Apify's limit: ten slots in DynamoDB, one per actor run in flight, over all runs, batches and tenants.
//!
//! All ten are one item, so that who takes one decides on all of them as they are: each take demands that no other came
//! since they were read. So an account never gets more than its share of them, however many of its runs ask at once.
//!
//! A slot is held by what is wanted, not by the run that wants it: whichever run is in charge of the flight goes on with
//! the actor that it finds there, and gives the slot back as soon as that has ended. A lease that nobody gives back outlives
//! its actor: it holds until the actor's own timeout and half a minute more. So a scraper that dies does not free its slot
//! while its actor runs on.

use crate::want::Want;
use aws_sdk_dynamodb::{
    Client, operation::update_item::builders::UpdateItemFluentBuilder, types::AttributeValue,
};
use jiff::{SignedDuration, Timestamp};
use oslira_domain::{AccountId, Code, Error, Result, RunId, share, share_taken};
use oslira_lambda::{Env, aws_error};
use oslira_stores::{Item, milliseconds, text, time, update_if};
use serde::Deserialize;
use std::{collections::HashMap, time::Duration};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

/// Actor runs in flight at any time.
const SLOTS: usize = 10;
/// Of these, how many only profiles of single runs may take, so that a batch never makes a single user wait.
const FOR_SINGLES: usize = 2;
/// How many of the others visitors may take: however many come, the rest is for accounts.
const FOR_ANONYMOUS_RUNS: usize = 3;
/// Slots that one thing wanted may have with an actor that may or may not have started.
const MOST_DOUBTFUL: usize = 2;
/// How long a scraper of an account that holds no slot waits inside for a free one, before it hands the waiting over to the
/// state machine.
const PATIENCE: Duration = Duration::from_secs(4);
/// How long, at most, a scraper of an account that has its share waits before it looks once more. It is chosen at random:
/// runs that were started together would otherwise all come back at the same time, and leave slots unused until then.
const SECOND_LOOK_MS: u128 = 2_000;
/// The key of the item.
const ALL: &str = "all";
/// Who has the slots of visitors, who have no account.
const ANONYMOUS: &str = "anonymous";

/// Who wants a slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunKind {
    /// One user waits for one profile.
    #[default]
    Single,
    /// A group of a batch.
    Batch,
    /// Someone without an account.
    Anonymous,
}

impl RunKind {
    /// How long a scraper waits inside for a slot. A visitor's does not: an account's run may want the same, and waits with it
    /// although other slots are open to that.
    const fn patience(self) -> Duration {
        match self {
            Self::Single | Self::Batch => PATIENCE,
            Self::Anonymous => Duration::ZERO,
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
            (Self::Anonymous, _) => shared.rev().take(FOR_ANONYMOUS_RUNS).collect(),
        }
    }

    /// Of how many slots, from the first, an account has its share. Without those that are kept for singles where it may
    /// not take them: beside its batches and posts a profile gets one more, while others leave the two that are kept.
    const fn shares(self, want: Want) -> usize {
        match (self, want) {
            (Self::Single, Want::Profiles) => SLOTS,
            (Self::Single, Want::Posts) | (Self::Batch | Self::Anonymous, _) => SLOTS - FOR_SINGLES,
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

/// The slots as they were read.
#[derive(Debug, Default)]
struct Slots {
    /// The lease that was taken last: no two are the same.
    latest: Option<AttributeValue>,
    /// By slot; the lease may have expired.
    leases: HashMap<usize, Held>,
}

/// What the item says of a slot.
#[derive(Clone, Debug)]
struct Held {
    holder: String,
    id: String,
    payer: RunId,
    /// An account's id, or [`ANONYMOUS`].
    account: String,
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
    /// None for a visitor's.
    pub(crate) account_id: Option<AccountId>,
    pub(crate) run_kind: RunKind,
    pub(crate) want: Want,
}

/// What to do about a slot.
#[derive(Debug, PartialEq, Eq)]
enum Choice {
    /// Try to get this one.
    Take(usize),
    /// Wait until the account has fewer.
    Leave,
    /// Wait for one.
    Wait,
}

impl Asker<'_> {
    fn account(&self) -> String {
        self.account_id.map_or_else(|| ANONYMOUS.to_owned(), |account_id| account_id.to_string())
    }

    /// The rule, given the leases that have not expired.
    fn choice(&self, held: &HashMap<usize, Held>) -> Choice {
        if held.values().filter(|lease| lease.holder == self.holder).count() >= MOST_DOUBTFUL {
            return Choice::Wait;
        }
        let account = self.account();
        let whole = self.run_kind.shares(self.want);
        let own = held.values().filter(|lease| lease.account == account).count();
        let others = held.iter().filter(|(slot, lease)| **slot < whole && lease.account != account).count();
        let free = self.run_kind.slots(self.want).into_iter().find(|slot| !held.contains_key(slot));
        match free {
            Some(slot) if (own as u64) < share(whole as u64, others as u64) => Choice::Take(slot),
            // One of its own runs will free a slot; who has none waits for one of others'.
            _ if own > 0 => Choice::Leave,
            _ => Choice::Wait,
        }
    }
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
    ///
    /// # Errors
    /// `ShareTaken` when the account has as many as it may. `ApifyBusy` when none is free for long.
    pub(crate) async fn lease(&self, asker: Asker<'_>, actor_timeout: Duration) -> Result<Lease> {
        let give_up = Instant::now() + asker.run_kind.patience();
        let mut slots = self.look().await?;
        let mut may_look_again = !asker.run_kind.patience().is_zero();
        loop {
            let now = Timestamp::now();
            let held = slots.held(now);
            if let Some(lease) = with_actor(&held, asker.holder) {
                return Ok(lease);
            }
            match asker.choice(&held) {
                Choice::Take(slot) => match self.take(slot, &slots, asker, now, actor_timeout).await? {
                    Ok(lease) => return Ok(lease),
                    // Another took one in between, so someone got on: decide anew.
                    Err(seen) => slots = seen,
                },
                Choice::Leave if may_look_again => {
                    let pause = Uuid::new_v4().as_u128() % SECOND_LOOK_MS;
                    sleep(Duration::from_millis(pause as u64)).await;
                    slots = self.look().await?;
                    may_look_again = false;
                }
                Choice::Leave => return Err(share_taken(asker.account_id)),
                Choice::Wait if Instant::now() >= give_up => {
                    return Err(Error::new(Code::ApifyBusy, "All scrapers were busy."));
                }
                Choice::Wait => {
                    sleep(Duration::from_millis(400)).await;
                    slots = self.look().await?;
                }
            }
        }
    }

    /// The slot that `holder` has with an actor run in it.
    pub(crate) async fn held_by(&self, holder: &str) -> Result<Option<Lease>> {
        Ok(with_actor(&self.look().await?.held(Timestamp::now()), holder))
    }

    /// Notes the actor run in the lease, so that a retry waits for it instead of starting another.
    pub(crate) async fn note_actor_run(&self, lease: &mut Lease, actor_run_id: &str) -> Result<()> {
        let update = self
            .of(lease)
            .update_expression(format!("SET {}.actorRunId = :started", attribute(lease.slot)))
            .expression_attribute_values(":started", text(actor_run_id));
        update_if(update).await?.map_err(|_| lost())?;
        lease.actor_run_id = Some(actor_run_id.to_owned());
        Ok(())
    }

    /// Gives the slot back; nothing if it is not this lease's any more.
    pub(crate) async fn release(&self, lease: &Lease) -> Result<()> {
        let release = self.of(lease).update_expression(format!("REMOVE {}", attribute(lease.slot)));
        update_if(release).await.map(drop)
    }

    /// An update on condition that a slot is still this lease's.
    fn of(&self, lease: &Lease) -> UpdateItemFluentBuilder {
        self.update()
            .condition_expression(format!("{}.leaseId = :lease", attribute(lease.slot)))
            .expression_attribute_values(":lease", text(&lease.id))
    }

    /// Takes a slot if none was taken since these were read; as they are now if one was.
    async fn take(
        &self,
        slot: usize,
        seen: &Slots,
        asker: Asker<'_>,
        now: Timestamp,
        actor_timeout: Duration,
    ) -> Result<Result<Lease, Slots>> {
        let lease = Lease::new(slot, asker.run_id);
        let name = attribute(slot);
        let (is_latest, latest) = match &seen.latest {
            Some(latest) => ("latestLease = :seen", Some((":seen".to_owned(), latest.clone()))),
            None => ("attribute_not_exists(latestLease)", None),
        };
        let fields = Item::from([
            ("holder".to_owned(), text(asker.holder)),
            ("leaseId".to_owned(), text(&lease.id)),
            ("payer".to_owned(), text(asker.run_id)),
            ("account".to_owned(), text(asker.account())),
            ("leasedUntil".to_owned(), milliseconds(until(now, actor_timeout))),
        ]);
        let mut values = HashMap::from([
            (":taken".to_owned(), AttributeValue::M(fields)),
            (":latest".to_owned(), text(&lease.id)),
            (":now".to_owned(), milliseconds(now)),
        ]);
        values.extend(latest);
        let update = self
            .update()
            .update_expression(format!("SET {name} = :taken, latestLease = :latest"))
            // One that had expired may have been renewed since.
            .condition_expression(format!(
                "{is_latest} AND (attribute_not_exists({name}) OR {name}.leasedUntil < :now)"
            ))
            .set_expression_attribute_values(Some(values));
        match update_if(update).await? {
            Err(other) if !lease.is_in(other.as_ref()) => Ok(Err(Slots::read(&other.unwrap_or_default())?)),
            _ => Ok(Ok(lease)),
        }
    }

    fn update(&self) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.table).key("slot", text(ALL))
    }

    async fn look(&self) -> Result<Slots> {
        let get = self.client.get_item().table_name(&self.table).key("slot", text(ALL)).consistent_read(true);
        Slots::read(&get.send().await.map_err(aws_error)?.item.unwrap_or_default())
    }
}

impl Slots {
    fn read(item: &Item) -> Result<Self> {
        let slots = (0..SLOTS).filter_map(|slot| Some((slot, item.get(&attribute(slot))?)));
        let leases = slots.map(|(slot, lease)| {
            let lease = lease.as_m().ok().and_then(Held::read);
            Ok((slot, lease.ok_or_else(|| Error::internal("a scrape slot cannot be read"))?))
        });
        Ok(Self { latest: item.get("latestLease").cloned(), leases: leases.collect::<Result<_>>()? })
    }

    /// The slots whose lease has not expired.
    fn held(&self, now: Timestamp) -> HashMap<usize, Held> {
        let leases = self.leases.iter().filter(|(_, lease)| lease.until >= now);
        leases.map(|(slot, lease)| (*slot, lease.clone())).collect()
    }
}

impl Held {
    fn read(lease: &Item) -> Option<Self> {
        let text = |name: &str| lease.get(name)?.as_s().ok();
        Some(Self {
            holder: text("holder")?.clone(),
            id: text("leaseId")?.clone(),
            payer: text("payer")?.parse().ok()?,
            account: text("account")?.clone(),
            actor_run_id: text("actorRunId").cloned(),
            until: time(lease, "leasedUntil")?,
        })
    }
}

impl Lease {
    fn new(slot: usize, payer: RunId) -> Self {
        Self { slot, id: Uuid::new_v4().to_string(), payer, actor_run_id: None }
    }

    /// Whether its slot is this lease's: then a write that was refused is one that had been done.
    fn is_in(&self, item: Option<&Item>) -> bool {
        let lease = item.and_then(|item| item.get(&attribute(self.slot))?.as_m().ok()?.get("leaseId"));
        lease == Some(&text(&self.id))
    }
}

/// The attribute of a slot.
fn attribute(slot: usize) -> String {
    format!("slot{slot}")
}

fn lost() -> Error {
    Error::store("the scrape slot is another lease's by now")
}

fn with_actor(held: &HashMap<usize, Held>, holder: &str) -> Option<Lease> {
    let mut own = held.iter().filter(|(_, held)| held.holder == holder);
    let (slot, own) = own.find(|(_, held)| held.actor_run_id.is_some())?;
    Some(Lease { slot: *slot, id: own.id.clone(), payer: own.payer, actor_run_id: own.actor_run_id.clone() })
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
        let batch = RunKind::Batch.slots(Want::Profiles);
        assert_eq!(batch.len(), 8);
        assert!(batch.iter().all(|slot| *slot < 8));
    }

    #[test]
    fn anonymous_runs_leave_seven_slots_to_accounts() {
        assert_eq!(RunKind::Anonymous.slots(Want::Profiles), [7, 6, 5]);
    }

    #[test]
    fn a_single_run_takes_them_first_for_its_profile_and_never_for_posts() {
        let (profile, posts) = (RunKind::Single.slots(Want::Profiles), RunKind::Single.slots(Want::Posts));
        assert_eq!((profile.len(), &profile[..2]), (10, &[8, 9][..]));
        assert_eq!(posts, [0, 1, 2, 3, 4, 5, 6, 7]);
    }

    fn run_id(number: u8) -> RunId {
        RunId(Uuid::from_bytes([number; 16]))
    }

    fn account(number: u8) -> AccountId {
        AccountId(Uuid::from_bytes([number; 16]))
    }

    fn asker(holder: &str, account_id: Option<AccountId>, run_kind: RunKind, want: Want) -> Asker<'_> {
        Asker { holder, run_id: run_id(0), account_id, run_kind, want }
    }

    /// The account's run of a profile that has no slot yet.
    fn single(number: u8) -> Asker<'static> {
        asker("new", Some(account(number)), RunKind::Single, Want::Profiles)
    }

    /// Takes as many slots as it may, one for each of as many things wanted.
    fn flood(held: &mut HashMap<usize, Held>, asker: Asker<'_>) -> Choice {
        loop {
            match asker.choice(held) {
                Choice::Take(slot) => {
                    let lease = Held {
                        holder: format!("of slot {slot}"),
                        id: String::new(),
                        payer: asker.run_id,
                        account: asker.account(),
                        actor_run_id: None,
                        until: Timestamp::MAX,
                    };
                    assert!(held.insert(slot, lease).is_none(), "{slot} was taken");
                }
                other => return other,
            }
        }
    }

    #[test]
    fn a_flood_leaves_three_slots_to_others() {
        let mut held = HashMap::new();
        assert_eq!((flood(&mut held, single(1)), held.len()), (Choice::Leave, 7));
        // Whatever it is that another account wants: also both halves of a DEEP analysis.
        for want in [Want::Profiles, Want::Posts] {
            let other = asker("new", Some(account(2)), RunKind::Single, want);
            assert!(matches!(other.choice(&held), Choice::Take(_)), "{want:?}");
        }
        assert_eq!((flood(&mut held, single(2)), held.len()), (Choice::Leave, 9));
        assert!(matches!(single(3).choice(&held), Choice::Take(_)));
    }

    #[test]
    fn who_has_no_slot_waits_for_one_and_who_has_some_goes() {
        let mut held = HashMap::new();
        for number in 1..=4 {
            flood(&mut held, single(number));
        }
        assert_eq!(held.len(), 10);
        assert_eq!((single(1).choice(&held), single(9).choice(&held)), (Choice::Leave, Choice::Wait));
    }

    #[test]
    fn batches_and_posts_hold_six_slots_and_their_profiles_get_one_more() {
        for (run_kind, want) in [(RunKind::Batch, Want::Profiles), (RunKind::Single, Want::Posts)] {
            let mut held = HashMap::new();
            let many = asker("new", Some(account(1)), run_kind, want);
            assert_eq!((flood(&mut held, many), held.len()), (Choice::Leave, 6), "{run_kind:?} {want:?}");
            assert!(matches!(single(1).choice(&held), Choice::Take(_)), "{run_kind:?} {want:?}");
        }
    }

    #[test]
    fn all_anonymous_runs_are_one_account() {
        let mut held = HashMap::new();
        let anonymous = asker("new", None, RunKind::Anonymous, Want::Profiles);
        assert_eq!((flood(&mut held, anonymous), held.len()), (Choice::Leave, 3));
        // Beside a flood they yield too.
        held.clear();
        flood(&mut held, single(1));
        assert_eq!((flood(&mut held, anonymous), held.len()), (Choice::Leave, 9));
    }

    #[test]
    fn what_is_wanted_gets_no_third_slot() {
        let mut held = HashMap::new();
        flood(&mut held, single(1));
        for slot in [8, 9] {
            held.get_mut(&slot).unwrap().holder = "new".to_owned();
        }
        assert_eq!(single(2).choice(&held), Choice::Wait);
    }
}
