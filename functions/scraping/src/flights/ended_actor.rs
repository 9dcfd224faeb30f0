//! The actor that a flight notes as ended. What it found is paid for, and has yet to be stored.

use super::LIFETIME;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::{SignedDuration, Timestamp};
use oslira_domain::RunId;
use oslira_stores::{Item, milliseconds, text, time};

/// How long what an actor found is worth reading after its end. That is as long as "not found" is remembered, so it is fresh
/// whatever it is. A run that comes later starts another actor.
const WORTH_READING: SignedDuration = SignedDuration::from_mins(10);

/// An actor that has ended, so that its slot is given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EndedActor {
    pub(crate) actor_run_id: String,
    /// The run that started it: what it cost is that run's.
    pub(crate) payer: RunId,
    /// It was the second one of the flight, whose answer stands.
    pub(crate) is_second: bool,
    /// It was the first, and a profile came without its posts. It is not read again: only a second one counts.
    pub(crate) lacks_posts: bool,
}

impl EndedActor {
    /// The attribute of the flight's item.
    pub(super) fn write(&self, ended_at: Timestamp, now: Timestamp) -> AttributeValue {
        AttributeValue::M(Item::from([
            ("actorRunId".to_owned(), text(&self.actor_run_id)),
            ("payer".to_owned(), text(self.payer)),
            ("isSecond".to_owned(), AttributeValue::Bool(self.is_second)),
            ("lacksPosts".to_owned(), AttributeValue::Bool(self.lacks_posts)),
            ("worthReadingUntil".to_owned(), milliseconds(self.counts_until(ended_at, now))),
        ]))
    }

    /// The actor that the flight's item notes, while that counts.
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

    /// Until when the note counts. That a second actor is wanted stays true for as long as a slot for it may take.
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
