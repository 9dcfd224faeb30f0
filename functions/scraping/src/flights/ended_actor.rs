//! The ended actor that a flight notes. What the actor found is paid for, and not yet stored.

use super::LIFETIME;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::{SignedDuration, Timestamp};
use oslira_domain::RunId;
use oslira_stores::{Item, milliseconds, text, time};

/// How long after its end an actor's finds are worth reading. "Not found" is kept in the cache for the same
/// time, so the finds are fresh whatever they are. A run that comes later starts another actor.
const WORTH_READING: SignedDuration = SignedDuration::from_mins(10);

/// An actor that has ended, and whose slot is given back or will be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EndedActor {
    pub(crate) actor_run_id: String,
    /// The run that started the actor and pays for it.
    pub(crate) payer: RunId,
    /// Whether it was the flight's second actor, whose answer is final.
    pub(crate) is_second: bool,
    /// Whether it was the first actor and a profile came without its posts. It is not read again: only a
    /// second actor counts then.
    pub(crate) lacks_posts: bool,
}

impl EndedActor {
    /// The attribute for the flight's item.
    pub(super) fn write(&self, ended_at: Timestamp, now: Timestamp) -> AttributeValue {
        AttributeValue::M(Item::from([
            ("actorRunId".to_owned(), text(&self.actor_run_id)),
            ("payer".to_owned(), text(self.payer)),
            ("isSecond".to_owned(), AttributeValue::Bool(self.is_second)),
            ("lacksPosts".to_owned(), AttributeValue::Bool(self.lacks_posts)),
            ("worthReadingUntil".to_owned(), milliseconds(self.counts_until(ended_at, now))),
        ]))
    }

    /// Reads the actor from the flight's item, for as long as the note counts.
    pub(super) fn read(flight: &Item, now: Timestamp) -> Option<Self> {
        let note = flight.get("endedActor")?.as_m().ok()?;
        let text = |name: &str| note.get(name)?.as_s().ok();
        let flag = |name: &str| note.get(name)?.as_bool().ok().copied();
        (time(note, "worthReadingUntil")? >= now).then_some(())?;
        Some(Self {
            actor_run_id: text("actorRunId")?.clone(),
            payer: text("payer")?.parse().ok()?,
            is_second: flag("isSecond")?,
            lacks_posts: flag("lacksPosts").unwrap_or_default(),
        })
    }

    /// Until when the note counts. A note that demands a second actor counts for as long as that actor may
    /// have to wait for a slot.
    fn counts_until(&self, ended_at: Timestamp, now: Timestamp) -> Timestamp {
        if self.lacks_posts { now + LIFETIME } else { ended_at + WORTH_READING }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_actor_found_is_worth_reading_for_ten_minutes_after_its_end_and_that_it_lacks_posts_counts_longer()
     {
        let now = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(1);
        let ended_at = now - SignedDuration::from_mins(2);
        for (lacks_posts, minutes) in [(false, 8), (true, 60)] {
            let payer = RunId::generate();
            let ended = EndedActor { actor_run_id: "A".to_owned(), payer, is_second: false, lacks_posts };
            assert_eq!(ended.counts_until(ended_at, now).duration_since(now).as_mins(), minutes);

            let flight = Item::from([("endedActor".to_owned(), ended.write(ended_at, now))]);
            let minute = SignedDuration::from_mins(minutes);
            assert_eq!(EndedActor::read(&flight, now + minute), Some(ended));
            assert_eq!(EndedActor::read(&flight, now + minute + SignedDuration::from_secs(1)), None);
        }
    }
}
