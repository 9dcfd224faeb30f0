//! The table of flights.
//!
//! A flight is one scrape for all runs that want the same at the same time. One run is in charge of it, and
//! the others wait in the state machine. A flight is one item, and its name is what is wanted: `nasa`,
//! `nasa:posts`. The item names the run in charge, for as long as that run gives signs of life. It also names
//! each waiting run, and the time until which that run is believed to wait.
//!
//! Every decision is one conditional write. So when two runs decide at once, the second one sees what the
//! first one did. When the run in charge dies, the first waiting run that comes back takes over. It finds the
//! actor in its slot. Once the actor has ended, the flight names the actor until its finds are stored.

mod ended_actor;

pub(crate) use ended_actor::EndedActor;

use aws_sdk_dynamodb::{
    Client, operation::update_item::builders::UpdateItemFluentBuilder, types::AttributeValue,
};
use jiff::{SignedDuration, Timestamp};
use oslira_domain::{Code, Error, Result, RunId};
use oslira_lambda::{Env, Variable};
use oslira_stores::{EXPIRES_AT, Item, delete_if, milliseconds, n, text, update_if};
use std::time::Duration;
use tokio::time::sleep;

/// How long a run is believed to be in charge after its latest sign of life.
const BELIEVED: SignedDuration = SignedDuration::from_secs(15);
/// How long a run is believed to wait after its latest try. It is longer than the state machines' pause
/// between two tries of a scrape, because a run in that pause still wants the result. A contract test
/// compares the two.
pub const WAITER_BELIEVED: SignedDuration = SignedDuration::from_secs(30);
/// How often the run in charge gives a sign of life.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);
/// How long the item of a flight is kept when nobody ends the flight.
const LIFETIME: SignedDuration = SignedDuration::from_hours(1);
/// The condition under which a run may take charge.
const NOBODY_IN_CHARGE: &str = "(attribute_not_exists(starter) OR aliveUntil < :now)";
/// The beginning of a waiting run's attribute. The run's id follows.
const WAITS: &str = "waits_";

#[derive(Debug)]
pub struct ScrapeFlights {
    client: Client,
    table: String,
}

/// A flight as one run sees it.
#[derive(Clone, Debug)]
pub(crate) struct Flight<'a> {
    flights: &'a ScrapeFlights,
    name: String,
    run_id: RunId,
}

/// What the run in charge of a flight finds in it.
#[derive(Debug)]
pub(crate) struct InCharge {
    /// An actor of the flight that has ended already. An earlier try or another run saw its end.
    pub(crate) ended: Option<EndedActor>,
}

/// The error for a run that waits: another run is in charge of the flight.
pub(crate) fn under_way() -> Error {
    Error::new(Code::ScrapeUnderWay, "Another analysis was reading this profile.")
}

impl ScrapeFlights {
    /// Needs the variable `SCRAPE_FLIGHTS_TABLE`.
    pub fn new(env: &Env) -> Result<Self> {
        Ok(Self { client: Client::new(env.sdk()), table: env.var(Variable::ScrapeFlightsTable)? })
    }

    /// The flight of this name, for this run.
    pub(crate) fn flight(&self, name: String, run_id: RunId) -> Flight<'_> {
        Flight { flights: self, name, run_id }
    }
}

impl Flight<'_> {
    /// The flight's name, which its slots carry too.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Joins the flight. `Some` when this run is in charge, from now on or still. `None` when another run is
    /// in charge: then this run waits.
    ///
    /// # Errors
    /// The error that ended the flight while this run waited for it. It is returned once, and the next try
    /// begins anew.
    pub(crate) async fn join(&self) -> Result<Option<InCharge>> {
        // A run that waited for a flight that failed gets the same error. Otherwise each waiting run in turn
        // would try to scrape what cannot be scraped. A run that comes back too late for the error begins
        // anew.
        let in_charge = self
            .put_in_charge("#waits, failureCode, failureMessage")
            .condition_expression(format!(
                "({NOBODY_IN_CHARGE} OR starter = :me) AND NOT (attribute_exists(failureCode) AND #waits >= :now)"
            ))
            .expression_attribute_names("#waits", self.waits());
        let flight = match update_if(in_charge).await? {
            Ok(flight) => return Ok(Some(InCharge::of(&flight))),
            Err(flight) => flight,
        };
        if let Some(failure) = flight.as_ref().and_then(failure) {
            self.stop_waiting().await?;
            return Err(failure);
        }
        self.wait().await?;
        Ok(None)
    }

    /// Adds this run to those that wait.
    pub(crate) async fn wait(&self) -> Result<()> {
        let waits = self
            .update()
            .update_expression(format!("SET #waits = :until, {EXPIRES_AT} = :expiresAt"))
            // The flight may have ended meanwhile. A waiting run must not begin a new one.
            .condition_expression("attribute_exists(wanted)")
            .expression_attribute_names("#waits", self.waits())
            .expression_attribute_values(":until", milliseconds(Timestamp::now() + WAITER_BELIEVED))
            .expression_attribute_values(":expiresAt", expires_at());
        update_if(waits).await.map(drop)
    }

    /// Gives signs of life for the run in charge, for as long as this future is polled. It ends when another
    /// run is in charge: then this run must have seemed dead.
    pub(crate) async fn stay_in_charge(&self) {
        loop {
            sleep(SIGN_OF_LIFE).await;
            let alive = self
                .if_in_charge()
                .update_expression("SET aliveUntil = :until")
                .expression_attribute_values(":until", milliseconds(Timestamp::now() + BELIEVED));
            match update_if(alive).await {
                Ok(Ok(_)) => {}
                // When a run leaves, nobody is in charge for a moment.
                Ok(Err(Some(flight))) if !flight.contains_key("starter") => {}
                Ok(Err(_)) => return,
                Err(error) => tracing::warn!(cause = error.chain(), "no sign of life given"),
            }
        }
    }

    /// Notes that an actor has ended, and when. From then on nobody needs its slot to find it. `false` when
    /// another run is in charge.
    pub(crate) async fn note(&self, ended: &EndedActor, ended_at: Timestamp) -> Result<bool> {
        let noted = self
            .if_in_charge()
            .update_expression(format!("SET endedActor = :ended, {EXPIRES_AT} = :expiresAt"))
            .expression_attribute_values(":ended", ended.write(ended_at, Timestamp::now()))
            .expression_attribute_values(":expiresAt", expires_at());
        Ok(update_if(noted).await?.is_ok())
    }

    /// Forgets the noted actor, because its finds cannot be read or say nothing.
    pub(crate) async fn forget(&self) -> Result<()> {
        update_if(self.if_in_charge().update_expression("REMOVE endedActor")).await.map(drop)
    }

    /// Ends the flight that this run is in charge of. What was wanted is in the cache, or nobody wants it any
    /// more.
    pub(crate) async fn end(&self) -> Result<()> {
        let flights = self.flights;
        let delete = flights
            .client
            .delete_item()
            .table_name(&flights.table)
            .key("wanted", text(&self.name))
            .condition_expression("starter = :me")
            .expression_attribute_values(":me", text(self.run_id));
        delete_if(delete).await
    }

    /// Ends the flight with an error for all waiting runs. It does nothing and returns `false` when the
    /// flight notes an actor, since another run may still read that actor's finds.
    pub(crate) async fn fail(&self, error: &Error) -> Result<bool> {
        let failed = self
            .update()
            .update_expression(format!(
                "SET failureCode = :code, failureMessage = :message, {EXPIRES_AT} = :expiresAt
                   REMOVE starter, aliveUntil, endedActor"
            ))
            .condition_expression(
                "starter = :me AND (attribute_not_exists(endedActor) OR endedActor.worthReadingUntil < :now)",
            )
            .expression_attribute_values(":now", milliseconds(Timestamp::now()))
            .expression_attribute_values(":me", text(self.run_id))
            .expression_attribute_values(":code", text(error.code))
            .expression_attribute_values(":message", text(&error.message))
            .expression_attribute_values(":expiresAt", expires_at());
        Ok(update_if(failed).await?.is_ok())
    }

    /// Hands the flight over to the next run that comes. With `comes_back` that may be this run itself, which
    /// waits like the others until then.
    pub(crate) async fn hand_over(&self, comes_back: bool) -> Result<()> {
        let handed_over = self.if_in_charge();
        let handed_over = if comes_back {
            handed_over
                .update_expression("SET #waits = :until REMOVE starter, aliveUntil")
                .expression_attribute_names("#waits", self.waits())
                .expression_attribute_values(":until", milliseconds(Timestamp::now() + WAITER_BELIEVED))
        } else {
            handed_over.update_expression("REMOVE starter, aliveUntil")
        };
        update_if(handed_over).await.map(drop)
    }

    /// Takes a cancelled run out of the flight. `Some` when no other run wants what is being scraped. Then
    /// this run is in charge of stopping the scrape, so that a run that comes now waits for the end of it.
    ///
    /// When several runs leave at the same time, exactly one is the last. In one write each run takes itself
    /// out and sees who is left; a second write takes charge. A run that joins between the two writes is in
    /// charge first, so the second write fails.
    pub(crate) async fn leave(&self) -> Result<Option<InCharge>> {
        let left = self
            .if_in_charge()
            .update_expression("REMOVE starter, aliveUntil, #waits")
            .expression_attribute_names("#waits", self.waits());
        let left = match update_if(left).await? {
            Ok(flight) => Some(flight),
            Err(_) => self.stop_waiting().await?,
        };
        if left.is_none_or(|flight| is_wanted(&flight, Timestamp::now())) {
            return Ok(None);
        }
        let claim = self
            .put_in_charge("failureCode, failureMessage")
            // This run may be in charge already: this very write was done, and its answer was lost.
            .condition_expression(format!(
                "attribute_exists(wanted) AND ({NOBODY_IN_CHARGE} OR starter = :me)"
            ));
        Ok(update_if(claim).await?.ok().map(|flight| InCharge::of(&flight)))
    }

    /// Takes this run out of the waiting ones and returns the flight without it; `None` when there is no
    /// flight.
    async fn stop_waiting(&self) -> Result<Option<Item>> {
        let left = self
            .update()
            .update_expression("REMOVE #waits")
            .condition_expression("attribute_exists(wanted)")
            .expression_attribute_names("#waits", self.waits());
        Ok(update_if(left).await?.ok())
    }

    /// An update that puts this run in charge and removes these attributes. The caller adds a condition.
    fn put_in_charge(&self, without: &str) -> UpdateItemFluentBuilder {
        let now = Timestamp::now();
        self.update()
            .update_expression(format!(
                "SET starter = :me, aliveUntil = :until, {EXPIRES_AT} = :expiresAt REMOVE {without}"
            ))
            .expression_attribute_values(":me", text(self.run_id))
            .expression_attribute_values(":until", milliseconds(now + BELIEVED))
            .expression_attribute_values(":now", milliseconds(now))
            .expression_attribute_values(":expiresAt", expires_at())
    }

    /// An update on the condition that this run is in charge.
    fn if_in_charge(&self) -> UpdateItemFluentBuilder {
        self.update()
            .condition_expression("starter = :me")
            .expression_attribute_values(":me", text(self.run_id))
    }

    fn update(&self) -> UpdateItemFluentBuilder {
        let ScrapeFlights { client, table } = self.flights;
        client.update_item().table_name(table).key("wanted", text(&self.name))
    }

    fn waits(&self) -> String {
        format!("{WAITS}{}", self.run_id)
    }
}

impl InCharge {
    fn of(flight: &Item) -> Self {
        Self { ended: EndedActor::read(flight, Timestamp::now()) }
    }
}

/// Whether a run is in charge of the flight or waits for it.
fn is_wanted(flight: &Item, now: Timestamp) -> bool {
    let believed = |(name, until): (&String, &AttributeValue)| {
        let until: Option<i64> = until.as_n().ok().and_then(|until| until.parse().ok());
        (name == "aliveUntil" || name.starts_with(WAITS)) && until >= Some(now.as_millisecond())
    };
    flight.iter().any(believed)
}

/// The error that ended a flight; `None` if no error did.
fn failure(flight: &Item) -> Option<Error> {
    let text = |name: &str| flight.get(name)?.as_s().ok();
    Some(Error::new(Code::named(text("failureCode")?)?, text("failureMessage")?.clone()))
}

fn expires_at() -> AttributeValue {
    n((Timestamp::now() + LIFETIME).as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flight_is_wanted_while_a_run_in_it_is_alive() {
        let now = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(1);
        let flight = |name: &str, seconds| {
            let until = milliseconds(now + SignedDuration::from_secs(seconds));
            Item::from([(name.to_owned(), until), (EXPIRES_AT.to_owned(), n((now + LIFETIME).as_second()))])
        };
        assert!(is_wanted(&flight("aliveUntil", 1), now));
        assert!(is_wanted(&flight("waits_1", 1), now));
        assert!(!is_wanted(&flight("aliveUntil", -1), now));
        assert!(!is_wanted(&flight("waits_1", -1), now));
        assert!(!is_wanted(&Item::new(), now));
    }
}
