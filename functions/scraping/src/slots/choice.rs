//! Decides which slot a run may take, given the slots that are taken: by limits for each kind of run, and by
//! the account's share.

use super::Lease;
use crate::want::Want;
use oslira_domain::{AccountId, RunId, share};
use serde::Deserialize;
use std::time::Duration;

/// How many actor runs Apify allows at a time.
pub(super) const SLOTS: usize = 10;
/// How many of these are kept for the profiles of single runs, so that a batch never makes a single user
/// wait.
const FOR_SINGLES: usize = 2;
/// How many of the other slots anonymous runs may take. However many such runs come, the rest is for
/// accounts.
const FOR_ANONYMOUS_RUNS: usize = 3;
/// How many slots one flight may hold with an actor that may or may not have started.
const MOST_DOUBTFUL: usize = 2;
/// How long a scraper waits inside the Lambda for a free slot, when its account holds none. After that it
/// waits in the state machine.
const PATIENCE: Duration = Duration::from_secs(4);
/// The account under which the slots of all anonymous runs are counted.
const ANONYMOUS: &str = "anonymous";

/// The kind of run that a scrape is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunKind {
    /// One user waits for one profile.
    Single,
    /// A group of usernames in a batch.
    Batch,
    /// A run without an account.
    Anonymous,
}

/// A request for a slot.
#[derive(Clone, Copy)]
pub(crate) struct SlotRequest<'a> {
    pub(crate) flight: &'a str,
    /// The run in charge of the flight.
    pub(crate) run_id: RunId,
    /// `None` for an anonymous run.
    pub(crate) account_id: Option<AccountId>,
    pub(crate) run_kind: RunKind,
    pub(crate) want: Want,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// Try to take this slot.
    Take(usize),
    /// Wait until the account has fewer slots.
    ShareTaken,
    /// Wait until a slot is free.
    NoneFree,
}

impl RunKind {
    /// How long a scraper waits inside the Lambda for a slot. For an anonymous run it does not wait there: a
    /// run of an account may be in the same flight, and would have to wait too, although it may take other
    /// slots.
    pub(super) const fn patience(self) -> Duration {
        match self {
            Self::Single | Self::Batch => PATIENCE,
            Self::Anonymous => Duration::ZERO,
        }
    }

    /// The slots that this kind of run may take, in the order of trying. Single runs leave the shared slots
    /// to batches if they can. Posts of single runs never take the slots that are kept for single runs: the
    /// meaning of the posts may depend on the profile, so the profile must get a slot.
    fn slots(self, want: Want) -> Vec<usize> {
        let (shared, for_singles) = (0..SLOTS - FOR_SINGLES, SLOTS - FOR_SINGLES..SLOTS);
        match (self, want) {
            (Self::Single, Want::Profiles) => for_singles.chain(shared).collect(),
            (Self::Single, Want::Posts) | (Self::Batch, _) => shared.collect(),
            // The slots that the other kinds try last.
            (Self::Anonymous, _) => shared.rev().take(FOR_ANONYMOUS_RUNS).collect(),
        }
    }

    /// The number of slots, from the first one on, by which an account's share is computed. The slots that
    /// are kept for single runs count only for a request that may take them. So a profile gets one slot more
    /// than the account's batches and posts, while other accounts leave these two free.
    const fn shares(self, want: Want) -> usize {
        match (self, want) {
            (Self::Single, Want::Profiles) => SLOTS,
            (Self::Single, Want::Posts) | (Self::Batch | Self::Anonymous, _) => SLOTS - FOR_SINGLES,
        }
    }
}

impl SlotRequest<'_> {
    /// The account that the slot counts for: an account's id, or [`ANONYMOUS`].
    pub(super) fn account(&self) -> String {
        self.account_id.map_or_else(|| ANONYMOUS.to_owned(), |account_id| account_id.to_string())
    }

    /// The rule, given the leases that have not expired.
    pub(super) fn choice(&self, held: &[Lease]) -> Choice {
        if held.iter().filter(|lease| lease.flight == self.flight).count() >= MOST_DOUBTFUL {
            return Choice::NoneFree;
        }
        let account = self.account();
        let whole = self.run_kind.shares(self.want);
        let own = held.iter().filter(|lease| lease.account == account).count();
        let others = held.iter().filter(|lease| lease.slot < whole && lease.account != account).count();
        let is_free = |slot: &usize| held.iter().all(|lease| lease.slot != *slot);
        let free = self.run_kind.slots(self.want).into_iter().find(is_free);
        match free {
            Some(slot) if (own as u64) < share(whole as u64, others as u64) => Choice::Take(slot),
            // One of the account's own runs will free a slot. An account without a slot waits for the others.
            _ if own > 0 => Choice::ShareTaken,
            _ => Choice::NoneFree,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use uuid::Uuid;

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

    fn account(number: u8) -> AccountId {
        AccountId(Uuid::from_bytes([number; 16]))
    }

    fn request(account_id: Option<AccountId>, run_kind: RunKind, want: Want) -> SlotRequest<'static> {
        SlotRequest { flight: "new", run_id: RunId(Uuid::nil()), account_id, run_kind, want }
    }

    /// A request for a profile that has no slot yet, by a single run of the account.
    fn single(number: u8) -> SlotRequest<'static> {
        request(Some(account(number)), RunKind::Single, Want::Profiles)
    }

    /// Takes slots for one flight after the other, until no more are given.
    fn flood(held: &mut Vec<Lease>, request: SlotRequest<'_>) -> Choice {
        loop {
            match request.choice(held) {
                Choice::Take(slot) => {
                    assert!(held.iter().all(|lease| lease.slot != slot), "{slot} was taken");
                    let flight = &format!("of slot {slot}");
                    held.push(Lease::new(slot, &SlotRequest { flight, ..request }, Timestamp::MAX));
                }
                other => return other,
            }
        }
    }

    #[test]
    fn a_flood_leaves_three_slots_to_others() {
        let mut held = Vec::new();
        assert_eq!((flood(&mut held, single(1)), held.len()), (Choice::ShareTaken, 7));
        // This holds for whatever the other account wants, so also for both halves of a DEEP analysis.
        for want in [Want::Profiles, Want::Posts] {
            let other = request(Some(account(2)), RunKind::Single, want);
            assert!(matches!(other.choice(&held), Choice::Take(_)), "{want:?}");
        }
        assert_eq!((flood(&mut held, single(2)), held.len()), (Choice::ShareTaken, 9));
        assert!(matches!(single(3).choice(&held), Choice::Take(_)));
    }

    #[test]
    fn an_account_without_a_slot_waits_for_one_and_an_account_with_some_goes() {
        let mut held = Vec::new();
        for number in 1..=4 {
            flood(&mut held, single(number));
        }
        assert_eq!(held.len(), 10);
        assert_eq!(
            (single(1).choice(&held), single(9).choice(&held)),
            (Choice::ShareTaken, Choice::NoneFree)
        );
    }

    #[test]
    fn batches_and_posts_hold_six_slots_and_their_profiles_get_one_more() {
        for (run_kind, want) in [(RunKind::Batch, Want::Profiles), (RunKind::Single, Want::Posts)] {
            let mut held = Vec::new();
            let many = request(Some(account(1)), run_kind, want);
            assert_eq!(
                (flood(&mut held, many), held.len()),
                (Choice::ShareTaken, 6),
                "{run_kind:?} {want:?}"
            );
            assert!(matches!(single(1).choice(&held), Choice::Take(_)), "{run_kind:?} {want:?}");
        }
    }

    #[test]
    fn all_anonymous_runs_are_one_account() {
        let mut held = Vec::new();
        let anonymous = request(None, RunKind::Anonymous, Want::Profiles);
        assert_eq!((flood(&mut held, anonymous), held.len()), (Choice::ShareTaken, 3));
        // While one account holds many slots, anonymous runs get fewer.
        held.clear();
        flood(&mut held, single(1));
        assert_eq!((flood(&mut held, anonymous), held.len()), (Choice::ShareTaken, 9));
    }

    #[test]
    fn a_flight_gets_no_third_slot() {
        let mut held = Vec::new();
        flood(&mut held, single(1));
        for lease in held.iter_mut().filter(|lease| lease.slot >= 8) {
            lease.flight = "new".to_owned();
        }
        assert_eq!(single(2).choice(&held), Choice::NoneFree);
    }
}
