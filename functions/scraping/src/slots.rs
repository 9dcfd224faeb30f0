//! The table of slots. Apify runs ten actors at a time, over all runs, batches and tenants. Each actor runs
//! in a slot.
//!
//! All ten slots are one item. To take a slot is a write that demands that no slot was taken since the item
//! was read. So whoever takes a slot decides on all ten as they are. An account thus never gets more than its
//! share, however many of its runs ask at once.
//!
//! A flight holds a slot, not a run. The run in charge of the flight goes on with the actor that it finds
//! there, and gives the slot back as soon as the actor has ended. A lease that nobody gives back outlives its
//! actor: it lasts until the actor's own time-out, plus half a minute. So when a scraper dies, its slot stays
//! taken while its actor runs on.

mod choice;
mod lease;

pub use choice::RunKind;
pub(crate) use choice::SlotRequest;
pub(crate) use lease::Lease;

use aws_sdk_dynamodb::{
    Client, operation::update_item::builders::UpdateItemFluentBuilder, types::AttributeValue,
};
use choice::{Choice, SLOTS};
use jiff::{SignedDuration, Timestamp};
use lease::attribute;
use oslira_domain::{Code, Error, Result, share_taken};
use oslira_lambda::{Env, Variable, aws_error};
use oslira_stores::{Item, milliseconds, text, update_if};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

/// How often a scraper that waits for a free slot looks again.
const LOOK_PAUSE: Duration = Duration::from_millis(400);
/// How long a scraper waits at most before it looks once more, when its account has its share. The time is
/// chosen at random. Otherwise runs that were started together would all come back at the same time, and
/// leave slots unused until then.
pub const SECOND_LOOK: Duration = Duration::from_secs(2);
/// How much longer than its actor a lease lasts.
const LEASE_OUTLIVES: SignedDuration = SignedDuration::from_secs(30);
const ALL: &str = "all";

#[derive(Debug)]
pub struct ScrapeSlots {
    client: Client,
    table: String,
}

/// The slots, as they were read.
#[derive(Debug, Default)]
struct Slots {
    /// The lease that was taken last. No two leases have the same value.
    latest: Option<AttributeValue>,
    /// Including expired ones.
    leases: Vec<Lease>,
}

impl ScrapeSlots {
    /// Needs the variable `SCRAPE_SLOTS_TABLE`.
    pub fn new(env: &Env) -> Result<Self> {
        Ok(Self { client: Client::new(env.sdk()), table: env.var(Variable::ScrapeSlotsTable)? })
    }

    /// Takes a slot for the flight, or finds the slot that the flight holds with an actor run in it.
    ///
    /// A slot that the flight holds without an actor run is left to expire. An earlier try may have started
    /// an actor and died before it could note that, and two actors must not share a slot. Then the flight
    /// takes a second slot, but never a third: a series of doubtful starts must not take the slots from
    /// everyone.
    ///
    /// # Errors
    /// `ShareTaken` when the account has its share of slots. `ApifyBusy` when no slot became free in time.
    pub(crate) async fn lease(&self, request: SlotRequest<'_>, actor_timeout: Duration) -> Result<Lease> {
        let patience = request.run_kind.patience();
        let give_up = Instant::now() + patience;
        let mut may_look_again = !patience.is_zero();
        let mut slots = self.look().await?;
        loop {
            let now = Timestamp::now();
            let held = slots.held(now);
            if let Some(lease) = with_actor(&held, request.flight) {
                return Ok(lease);
            }
            match request.choice(&held) {
                Choice::Take(slot) => {
                    let lease = Lease::new(slot, &request, until(now, actor_timeout));
                    match self.take(&lease, &slots, now).await? {
                        Ok(()) => return Ok(lease),
                        // Another run took a slot in between, so somebody made progress. Decide anew.
                        Err(seen) => slots = seen,
                    }
                }
                Choice::ShareTaken if may_look_again => {
                    let pause = Uuid::new_v4().as_u128() % SECOND_LOOK.as_millis();
                    sleep(Duration::from_millis(pause as u64)).await;
                    slots = self.look().await?;
                    may_look_again = false;
                }
                Choice::ShareTaken => return Err(share_taken(request.account_id)),
                Choice::NoneFree if Instant::now() >= give_up => {
                    return Err(Error::new(Code::ApifyBusy, "All scrapers were busy."));
                }
                Choice::NoneFree => {
                    sleep(LOOK_PAUSE).await;
                    slots = self.look().await?;
                }
            }
        }
    }

    /// Returns the slot that a flight holds with an actor run in it.
    pub(crate) async fn held_by(&self, flight: &str) -> Result<Option<Lease>> {
        Ok(with_actor(&self.look().await?.held(Timestamp::now()), flight))
    }

    /// Notes the actor run in the lease, so that a retry waits for it and does not start another one.
    pub(crate) async fn note_actor_run(&self, lease: &mut Lease, actor_run_id: &str) -> Result<()> {
        let update = self
            .if_leased(lease)
            .update_expression(format!("SET {}.actorRunId = :started", attribute(lease.slot)))
            .expression_attribute_values(":started", text(actor_run_id));
        let noted = update_if(update).await?;
        noted.map_err(|_| Error::store("the scrape slot is another lease's by now"))?;
        lease.actor_run_id = Some(actor_run_id.to_owned());
        Ok(())
    }

    /// Gives the slot back. Does nothing when the slot no longer belongs to this lease.
    pub(crate) async fn release(&self, lease: &Lease) -> Result<()> {
        let release = self.if_leased(lease).update_expression(format!("REMOVE {}", attribute(lease.slot)));
        update_if(release).await.map(drop)
    }

    /// Takes a slot if none was taken since these were read. Otherwise returns the slots as they are now.
    async fn take(&self, lease: &Lease, seen: &Slots, now: Timestamp) -> Result<Result<(), Slots>> {
        let name = attribute(lease.slot);
        let is_latest = match &seen.latest {
            Some(_) => "latestLease = :seen",
            None => "attribute_not_exists(latestLease)",
        };
        let update = self
            .update()
            .update_expression(format!("SET {name} = :taken, latestLease = :latest"))
            // An expired lease may have been renewed since.
            .condition_expression(format!(
                "{is_latest} AND (attribute_not_exists({name}) OR {name}.leasedUntil < :now)"
            ))
            .expression_attribute_values(":taken", lease.write())
            .expression_attribute_values(":latest", text(&lease.id))
            .expression_attribute_values(":now", milliseconds(now));
        let update = match &seen.latest {
            Some(latest) => update.expression_attribute_values(":seen", latest.clone()),
            None => update,
        };
        match update_if(update).await? {
            Ok(_) => Ok(Ok(())),
            Err(Some(item)) if lease.is_in(&item) => Ok(Ok(())),
            Err(item) => Ok(Err(Slots::read(&item.unwrap_or_default())?)),
        }
    }

    async fn look(&self) -> Result<Slots> {
        let get = self.client.get_item().table_name(&self.table).key("slot", text(ALL)).consistent_read(true);
        Slots::read(&get.send().await.map_err(aws_error)?.item.unwrap_or_default())
    }

    /// An update on the condition that the slot still belongs to this lease.
    fn if_leased(&self, lease: &Lease) -> UpdateItemFluentBuilder {
        self.update()
            .condition_expression(format!("{}.leaseId = :lease", attribute(lease.slot)))
            .expression_attribute_values(":lease", text(&lease.id))
    }

    fn update(&self) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.table).key("slot", text(ALL))
    }
}

impl Slots {
    fn read(item: &Item) -> Result<Self> {
        let slots = (0..SLOTS).filter_map(|slot| Some((slot, item.get(&attribute(slot))?)));
        let leases = slots.map(|(slot, lease)| {
            Lease::read(slot, lease).ok_or_else(|| Error::internal("a scrape slot cannot be read"))
        });
        Ok(Self { latest: item.get("latestLease").cloned(), leases: leases.collect::<Result<_>>()? })
    }

    /// The leases that have not expired.
    fn held(&self, now: Timestamp) -> Vec<Lease> {
        self.leases.iter().filter(|lease| lease.until >= now).cloned().collect()
    }
}

fn with_actor(held: &[Lease], flight: &str) -> Option<Lease> {
    held.iter().find(|lease| lease.flight == flight && lease.actor_run_id.is_some()).cloned()
}

/// When the lease of an actor that starts now expires.
fn until(now: Timestamp, actor_timeout: Duration) -> Timestamp {
    now + SignedDuration::try_from(actor_timeout).unwrap_or_default() + LEASE_OUTLIVES
}
