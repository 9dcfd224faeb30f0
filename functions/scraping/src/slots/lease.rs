//! A slot that is taken, as the item of slots holds it.

use super::choice::SlotRequest;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use oslira_domain::RunId;
use oslira_stores::{Item, milliseconds, text, time};
use uuid::Uuid;

/// A flight's hold on a slot, for as long as its actor may run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Lease {
    pub(super) slot: usize,
    /// Chosen before the write that takes the slot. When that write is repeated because its answer was lost,
    /// this id shows that the write was done. And a late run whose id was replaced changes nothing.
    pub(super) id: String,
    pub(super) flight: String,
    /// The account whose share the slot counts for.
    pub(super) account: String,
    /// The run that started the actor, or will start it, and pays for it.
    pub(crate) payer: RunId,
    /// The actor run in the slot; `None` until it is started.
    pub(crate) actor_run_id: Option<String>,
    pub(super) until: Timestamp,
}

impl Lease {
    pub(super) fn new(slot: usize, request: &SlotRequest<'_>, until: Timestamp) -> Self {
        Self {
            slot,
            id: Uuid::new_v4().to_string(),
            flight: request.flight.to_owned(),
            account: request.account(),
            payer: request.run_id,
            actor_run_id: None,
            until,
        }
    }

    /// The slot's attribute, before there is an actor.
    pub(super) fn write(&self) -> AttributeValue {
        AttributeValue::M(Item::from([
            ("holder".to_owned(), text(&self.flight)),
            ("leaseId".to_owned(), text(&self.id)),
            ("payer".to_owned(), text(self.payer)),
            ("account".to_owned(), text(&self.account)),
            ("leasedUntil".to_owned(), milliseconds(self.until)),
        ]))
    }

    /// Reads the lease of a slot from its attribute.
    pub(super) fn read(slot: usize, lease: &AttributeValue) -> Option<Self> {
        let lease = lease.as_m().ok()?;
        let text = |name: &str| lease.get(name)?.as_s().ok();
        Some(Self {
            slot,
            id: text("leaseId")?.clone(),
            flight: text("holder")?.clone(),
            account: text("account")?.clone(),
            payer: text("payer")?.parse().ok()?,
            actor_run_id: text("actorRunId").cloned(),
            until: time(lease, "leasedUntil")?,
        })
    }

    /// Whether the item holds this very lease. Then a refused write had in fact been done.
    pub(super) fn is_in(&self, item: &Item) -> bool {
        let lease = item.get(&attribute(self.slot)).and_then(|lease| lease.as_m().ok()?.get("leaseId"));
        lease == Some(&text(&self.id))
    }
}

/// The name of a slot's attribute.
pub(super) fn attribute(slot: usize) -> String {
    format!("slot{slot}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{slots::RunKind, want::Want};
    use jiff::SignedDuration;

    #[test]
    fn a_lease_is_read_as_it_was_written_with_its_actor_once_there_is_one() {
        let until = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(1);
        let request = SlotRequest {
            flight: "nasa:posts",
            run_id: RunId::generate(),
            account_id: None,
            run_kind: RunKind::Anonymous,
            want: Want::Posts,
        };
        let lease = Lease::new(3, &request, until);
        let AttributeValue::M(mut written) = lease.write() else { panic!("{lease:?}") };
        let read = |written: &Item| Lease::read(3, &AttributeValue::M(written.clone())).unwrap();
        assert_eq!(read(&written), lease);
        written.insert("actorRunId".to_owned(), text("A"));
        assert_eq!(read(&written), Lease { actor_run_id: Some("A".to_owned()), ..lease.clone() });

        let item = Item::from([(attribute(3), AttributeValue::M(written))]);
        assert!(lease.is_in(&item));
        assert!(!Lease::new(3, &request, until).is_in(&item), "each has an id of its own");
    }
}
