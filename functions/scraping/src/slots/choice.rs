//! Which slot a run may take, given those that are held: the limits by kind of run, and an account's share.

use super::Lease;
use crate::want::Want;
use oslira_domain::{AccountId, RunId, share};
use serde::Deserialize;
use std::time::Duration;

/// Actor runs under way at any time.
pub(super) const SLOTS: usize = 10;
/// Of these, how many only profiles of single runs may take, so that a batch never makes a single user wait.
const FOR_SINGLES: usize = 2;
/// How many of the others anonymous runs may take: however many come, the rest is for accounts.
const FOR_ANONYMOUS_RUNS: usize = 3;
/// Slots that one flight may have with an actor that may or may not have started.
const MOST_DOUBTFUL: usize = 2;
/// How long a scraper of an account that holds no slot waits inside for a free one, before it hands the waiting over to the
/// state machine.
const PATIENCE: Duration = Duration::from_secs(4);
/// Whose slots those of anonymous runs are.
const ANONYMOUS: &str = "anonymous";

/// The kind of run that a scrape is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunKind {
    /// One user waits for one profile.
    #[default]
    Single,
    /// A group of a batch.
    Batch,
    /// Without an account.
    Anonymous,
}

/// Who asks for a slot, and for what.
#[derive(Clone, Copy)]
pub(crate) struct SlotRequest<'a> {
    /// The flight's name.
    pub(crate) flight: &'a str,
    /// The run in charge of it.
    pub(crate) run_id: RunId,
    /// `None`: an anonymous run.
    pub(crate) account_id: Option<AccountId>,
    pub(crate) run_kind: RunKind,
    pub(crate) want: Want,
}

/// What to do about a slot.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// Try to get this one.
    Take(usize),
    /// Wait until the account has fewer.
    ShareTaken,
    /// Wait for one.
    NoneFree,
}

impl RunKind {
    /// How long a scraper waits inside for a slot. That of an anonymous run does not: an account's run may be in the same
    /// flight, and would wait with it although it may take other slots.
    pub(super) const fn patience(self) -> Duration {
        match self {
            Self::Single | Self::Batch => PATIENCE,
            Self::Anonymous => Duration::ZERO,
        }
    }

    /// The slots it may take, in the order it tries them. Single runs leave the shared ones to batches if they can. Their
    /// posts never take those that are kept for single runs: what the posts mean may depend on the profile, which must get
    /// a slot.
    fn slots(self, want: Want) -> Vec<usize> {
        let (shared, for_singles) = (0..SLOTS - FOR_SINGLES, SLOTS - FOR_SINGLES..SLOTS);
        match (self, want) {
            (Self::Single, Want::Profiles) => for_singles.chain(shared).collect(),
            (Self::Single, Want::Posts) | (Self::Batch, _) => shared.collect(),
            // The last that others come to.
            (Self::Anonymous, _) => shared.rev().take(FOR_ANONYMOUS_RUNS).collect(),
        }
    }

    /// Of how many slots, from the first, an account has its share. Those that are kept for single runs count only where it
    /// may take them. So beside its batches and posts a profile gets one more, while others leave the two that are kept.
    const fn shares(self, want: Want) -> usize {
        match (self, want) {
            (Self::Single, Want::Profiles) => SLOTS,
            (Self::Single, Want::Posts) | (Self::Batch | Self::Anonymous, _) => SLOTS - FOR_SINGLES,
        }
    }
}

impl SlotRequest<'_> {
    /// Whose slot it will be: an account's id, or [`ANONYMOUS`].
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
            // One of its own runs will free a slot. An account that has none waits for one of others'.
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

    /// The account's run of a profile that has no slot yet.
    fn single(number: u8) -> SlotRequest<'static> {
        request(Some(account(number)), RunKind::Single, Want::Profiles)
    }

    /// Takes as many slots as it may, one for each of as many flights.
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
        // Whatever it is that another account wants: also both halves of a DEEP analysis.
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
        // Beside a flood they yield too.
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
