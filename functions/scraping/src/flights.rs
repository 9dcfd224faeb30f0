//! Single flight: of the runs that want the same thing at the same time one is in charge of scraping it, and the others
//! wait, in the state machine.
//!
//! A flight is one item, of the thing that is wanted: `nasa`, `nasa:posts`. It names the run in charge, for as long as
//! that gives signs of life, and the runs that wait, each until when that is to be believed. Every decision is one
//! conditional write, so of two runs that decide at once the second sees what the first did. A run in charge that dies
//! is followed by the first waiter to come back, which finds its actor in the slot; or, once the actor has ended, noted in
//! the flight, until what it found is stored.

use aws_sdk_dynamodb::{
    Client, operation::update_item::builders::UpdateItemFluentBuilder, types::AttributeValue,
};
use jiff::{SignedDuration, Timestamp};
use oslira_domain::{Code, Error, Result, RunId};
use oslira_lambda::Env;
use oslira_stores::{Item, delete_if, milliseconds, n, text, time, update_if};
use std::{collections::HashMap, time::Duration};
use tokio::time::sleep;

/// How long a run is believed to be in charge after its latest sign of life.
const BELIEVED: SignedDuration = SignedDuration::from_secs(15);
/// How long a run is believed to wait after its latest try. Longer than the state machines pause between two tries of a
/// scrape, which a contract test sees to: a run between them still wants what is scraped.
pub const WAITER_BELIEVED: SignedDuration = SignedDuration::from_secs(30);
/// How often the run in charge gives a sign of life.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);
/// How long what an actor found is worth reading after its end: no longer than "not found" is remembered, so that it is fresh
/// whatever it is. Who comes later starts another.
const WORTH_READING: SignedDuration = SignedDuration::from_mins(10);
/// How long the item of a flight that nobody ended is kept.
const LIFETIME: SignedDuration = SignedDuration::from_hours(1);
/// The condition under which a run may put itself in charge.
const NOBODY_IN_CHARGE: &str = "(attribute_not_exists(starter) OR aliveUntil < :now)";
/// What the attributes of waiting runs begin with; the rest is the run's id.
const WAITS: &str = "waits_";

/// The table of flights.
#[derive(Debug)]
pub struct ScrapeFlights {
    client: Client,
    table: String,
}

/// One run's part in the flight of one thing wanted.
#[derive(Clone, Debug)]
pub(crate) struct Seat<'a> {
    flights: &'a ScrapeFlights,
    wanted: String,
    run_id: RunId,
}

/// An actor that has ended, and whose slot is given back: what it found is paid for, and has yet to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) actor_run_id: String,
    /// The run that started it: what it cost is that run's.
    pub(crate) payer: RunId,
    /// It was the second one for what is wanted, whose answer stands.
    pub(crate) is_second: bool,
    /// It was the first, and a profile came without its posts: nothing of it is read again, the second is all that counts.
    pub(crate) lacks_posts: bool,
}

impl Ended {
    /// Until when the note counts. What an actor found is to be fresh whatever it is. That a second one is wanted stays true
    /// for as long as a slot for that may take.
    fn counts_until(&self, ended_at: Timestamp, now: Timestamp) -> Timestamp {
        if self.lacks_posts { now + LIFETIME } else { ended_at + WORTH_READING }
    }
}

/// What a run finds that is in charge of a flight.
#[derive(Debug)]
pub(crate) struct Charge {
    /// The actor that an earlier try, or another run, saw to its end.
    pub(crate) ended: Option<Ended>,
}

impl ScrapeFlights {
    /// Needs the variable `SCRAPE_FLIGHTS_TABLE`.
    pub fn new(env: &Env) -> Result<Self> {
        Ok(Self { client: Client::new(env.sdk()), table: env.var("SCRAPE_FLIGHTS_TABLE")? })
    }

    pub(crate) fn seat(&self, wanted: String, run_id: RunId) -> Seat<'_> {
        Seat { flights: self, wanted, run_id }
    }
}

impl Seat<'_> {
    /// What is wanted.
    pub(crate) fn wanted(&self) -> &str {
        &self.wanted
    }

    /// Comes to the flight: what it is in charge of, now or still; `None` when another is and this one waits.
    ///
    /// # Errors
    /// The one that ended the flight for which this run had waited. It is told once; the next try begins anew.
    pub(crate) async fn board(&self) -> Result<Option<Charge>> {
        // Who waits for a flight that failed shares its failure. Else each in turn would scrape what cannot be scraped.
        // Who comes back too late for that begins anew.
        let in_charge = self
            .take_charge("#waits, failureCode, failureMessage")
            .condition_expression(format!(
                "({NOBODY_IN_CHARGE} OR starter = :me) AND NOT (attribute_exists(failureCode) AND #waits >= :now)"
            ))
            .expression_attribute_names("#waits", self.waits());
        let flight = match update_if(in_charge).await? {
            Ok(flight) => return Ok(Some(Charge::of(&flight))),
            Err(flight) => flight,
        };
        if let Some(failure) = flight.as_ref().and_then(failure) {
            self.stop_waiting().await?;
            return Err(failure);
        }
        self.wait().await?;
        Ok(None)
    }

    /// Puts this run among those who wait.
    pub(crate) async fn wait(&self) -> Result<()> {
        let waits = self
            .update()
            .update_expression("SET #waits = :until, expiresAt = :expiresAt")
            // A flight that has ended meanwhile is not begun by those who wait.
            .condition_expression("attribute_exists(wanted)")
            .expression_attribute_names("#waits", self.waits())
            .expression_attribute_values(":until", milliseconds(Timestamp::now() + WAITER_BELIEVED))
            .expression_attribute_values(":expiresAt", expires_at());
        update_if(waits).await.map(drop)
    }

    /// Gives signs of life of the run in charge, as long as it is polled. Ends when another run is in charge: this one must
    /// have seemed dead.
    pub(crate) async fn stay_in_charge(&self) {
        loop {
            sleep(SIGN_OF_LIFE).await;
            let alive = self
                .update()
                .update_expression("SET aliveUntil = :until")
                .condition_expression("starter = :me")
                .expression_attribute_values(":me", text(self.run_id))
                .expression_attribute_values(":until", milliseconds(Timestamp::now() + BELIEVED));
            match update_if(alive).await {
                Ok(Ok(_)) => {}
                // For a moment, when a run leaves, nobody is in charge.
                Ok(Err(Some(flight))) if !flight.contains_key("starter") => {}
                Ok(Err(_)) => return,
                Err(error) => tracing::warn!(cause = error.chain(), "no sign of life given"),
            }
        }
    }

    /// Notes that an actor has ended, and when, so that nobody needs its slot to find it. `false`: another run is in charge.
    pub(crate) async fn note(&self, ended: &Ended, ended_at: Timestamp) -> Result<bool> {
        let until = ended.counts_until(ended_at, Timestamp::now());
        let note = HashMap::from([
            ("actorRunId".to_owned(), text(&ended.actor_run_id)),
            ("payer".to_owned(), text(ended.payer)),
            ("isSecond".to_owned(), AttributeValue::Bool(ended.is_second)),
            ("lacksPosts".to_owned(), AttributeValue::Bool(ended.lacks_posts)),
            ("worthReadingUntil".to_owned(), milliseconds(until)),
        ]);
        let noted = self
            .update()
            .update_expression("SET endedActor = :ended, expiresAt = :expiresAt")
            .condition_expression("starter = :me")
            .expression_attribute_values(":me", text(self.run_id))
            .expression_attribute_values(":ended", AttributeValue::M(note))
            .expression_attribute_values(":expiresAt", expires_at());
        Ok(update_if(noted).await?.is_ok())
    }

    /// Forgets the actor that was noted: what it found cannot be had, or says nothing.
    pub(crate) async fn forget(&self) -> Result<()> {
        let forgotten = self
            .update()
            .update_expression("REMOVE endedActor")
            .condition_expression("starter = :me")
            .expression_attribute_values(":me", text(self.run_id));
        update_if(forgotten).await.map(drop)
    }

    /// Ends the flight of which this run is in charge: what was wanted is in the cache, or nobody wants it.
    pub(crate) async fn end(&self) -> Result<()> {
        let flights = self.flights;
        let delete = flights
            .client
            .delete_item()
            .table_name(&flights.table)
            .key("wanted", text(&self.wanted))
            .condition_expression("starter = :me")
            .expression_attribute_values(":me", text(self.run_id));
        delete_if(delete).await
    }

    /// Ends it with an error, for all who wait; `false`, and nothing, when an actor is noted of which another may read more.
    pub(crate) async fn fail(&self, error: &Error) -> Result<bool> {
        let failed = self
            .update()
            .update_expression(
                "SET failureCode = :code, failureMessage = :message, expiresAt = :expiresAt
                   REMOVE starter, aliveUntil, endedActor",
            )
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

    /// Hands the flight over to whoever comes first. That may be this run itself when it `comes_back`; until then it
    /// waits like others.
    pub(crate) async fn hand_over(&self, comes_back: bool) -> Result<()> {
        let handed_over = self
            .update()
            .condition_expression("starter = :me")
            .expression_attribute_values(":me", text(self.run_id));
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

    /// Leaves the flight, as a run that is cancelled does. `Some` when nobody else wants what is being scraped: then this
    /// run is in charge of stopping that, so that whoever comes now waits for the end of it.
    ///
    /// Of runs that leave at the same time one is the last: each first takes itself out and sees who is left, all in one
    /// write. And who comes between that and the second write is in charge before it, so that it fails.
    pub(crate) async fn leave(&self) -> Result<Option<Charge>> {
        let left = self
            .update()
            .update_expression("REMOVE starter, aliveUntil, #waits")
            .condition_expression("starter = :me")
            .expression_attribute_names("#waits", self.waits())
            .expression_attribute_values(":me", text(self.run_id));
        let left = match update_if(left).await? {
            Ok(flight) => Some(flight),
            Err(_) => self.stop_waiting().await?,
        };
        if left.is_none_or(|flight| is_wanted(&flight, Timestamp::now())) {
            return Ok(None);
        }
        let claim = self
            .take_charge("failureCode, failureMessage")
            // In charge already: by this very write, whose answer was lost.
            .condition_expression(format!(
                "attribute_exists(wanted) AND ({NOBODY_IN_CHARGE} OR starter = :me)"
            ));
        Ok(update_if(claim).await?.ok().map(|flight| Charge::of(&flight)))
    }

    /// The flight without this run among those who wait; `None` when there is none.
    async fn stop_waiting(&self) -> Result<Option<Item>> {
        let left = self
            .update()
            .update_expression("REMOVE #waits")
            .condition_expression("attribute_exists(wanted)")
            .expression_attribute_names("#waits", self.waits());
        Ok(update_if(left).await?.ok())
    }

    /// An update that puts this run in charge and takes these attributes away. It wants a condition.
    fn take_charge(&self, without: &str) -> UpdateItemFluentBuilder {
        let now = Timestamp::now();
        self.update()
            .update_expression(format!(
                "SET starter = :me, aliveUntil = :until, expiresAt = :expiresAt REMOVE {without}"
            ))
            .expression_attribute_values(":me", text(self.run_id))
            .expression_attribute_values(":until", milliseconds(now + BELIEVED))
            .expression_attribute_values(":now", milliseconds(now))
            .expression_attribute_values(":expiresAt", expires_at())
    }

    fn update(&self) -> UpdateItemFluentBuilder {
        let ScrapeFlights { client, table } = self.flights;
        client.update_item().table_name(table).key("wanted", text(&self.wanted))
    }

    fn waits(&self) -> String {
        format!("{WAITS}{}", self.run_id)
    }
}

impl Charge {
    fn of(flight: &Item) -> Self {
        Self { ended: ended(flight, Timestamp::now()) }
    }
}

/// The actor that is noted in a flight, while what it found is worth reading.
fn ended(flight: &Item, now: Timestamp) -> Option<Ended> {
    let note = flight.get("endedActor")?.as_m().ok()?;
    let text = |name: &str| note.get(name)?.as_s().ok();
    let flag = |name: &str| note.get(name)?.as_bool().ok().copied();
    (time(note, "worthReadingUntil")? >= now).then_some(())?;
    Some(Ended {
        actor_run_id: text("actorRunId")?.clone(),
        payer: text("payer")?.parse().ok()?,
        is_second: flag("isSecond")?,
        lacks_posts: flag("lacksPosts").unwrap_or_default(),
    })
}

/// Whether a run is in charge, or waits.
fn is_wanted(flight: &Item, now: Timestamp) -> bool {
    let believed = |(name, until): (&String, &AttributeValue)| {
        let until: Option<i64> = until.as_n().ok().and_then(|until| until.parse().ok());
        (name == "aliveUntil" || name.starts_with(WAITS)) && until >= Some(now.as_millisecond())
    };
    flight.iter().any(believed)
}

/// How a flight ended that has failed.
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
            Item::from([(name.to_owned(), until), ("expiresAt".to_owned(), milliseconds(now + LIFETIME))])
        };
        assert!(is_wanted(&flight("aliveUntil", 1), now));
        assert!(is_wanted(&flight("waits_1", 1), now));
        assert!(!is_wanted(&flight("aliveUntil", -1), now));
        assert!(!is_wanted(&flight("waits_1", -1), now));
        assert!(!is_wanted(&Item::new(), now));
    }

    #[test]
    fn what_an_actor_found_is_worth_reading_for_ten_minutes_after_its_end_and_that_it_lacks_posts_counts_longer()
     {
        let now = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(1);
        let ended_at = now - SignedDuration::from_mins(2);
        let ended = |lacks_posts| Ended {
            actor_run_id: "A".to_owned(),
            payer: RunId::generate(),
            is_second: false,
            lacks_posts,
        };
        let minutes =
            |lacks_posts| ended(lacks_posts).counts_until(ended_at, now).duration_since(now).as_mins();
        assert_eq!((minutes(false), minutes(true)), (8, 60));
    }
}
