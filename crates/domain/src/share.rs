//! The share of scrape slots or AI calls that one account may have at a time. All accounts use the same slots
//! and calls.

use crate::{AccountId, Code, Error};

/// How much of `whole` one account may have while the others have `others` of it: two thirds of what they
/// leave, rounded up.
///
/// This is the dynamic threshold of Choudhury and Hahne ("Dynamic queue length thresholds for shared-memory
/// packet switches", 1998) with α = 2: an account that has `own` may take one more while `own < 2 × free`. As
/// others come, its share shrinks and theirs grow until all are equal. When one or two accounts take all they
/// may, some of ten remain free. With more such accounts, or with one where the whole is two or less, nothing
/// may remain. Then an account that has none gets the next one that becomes free, when it happens to ask
/// first.
pub const fn share(whole: u64, others: u64) -> u64 {
    whole.saturating_sub(others).saturating_mul(2).div_ceil(3)
}

/// The account has its share. All anonymous runs count as one account. The state machine tries again until
/// the account has less.
pub fn share_taken(account_id: Option<AccountId>) -> Error {
    let message = match account_id {
        Some(_) => "Too many analyses of this account were under way for too long.",
        None => "Too many anonymous analyses were under way.",
    };
    Error::new(Code::ShareTaken, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_more_is_within_the_share_while_less_is_held_than_twice_what_is_free() {
        for whole in 0..=200 {
            for others in 0..=whole {
                for own in 0..whole - others {
                    let free = whole - others - own;
                    assert_eq!(
                        own < share(whole, others),
                        own < 2 * free,
                        "{own} of {whole}, others {others}"
                    );
                }
            }
        }
    }

    #[test]
    fn who_has_nothing_may_take_what_is_free() {
        for whole in 1..=200 {
            assert!(share(whole, whole - 1) >= 1);
            assert_eq!(share(whole, whole), 0);
            assert_eq!(share(whole, whole + 1), 0);
        }
    }

    #[test]
    fn an_absurd_whole_is_shared_too() {
        assert_eq!(share(u64::MAX, 0), u64::MAX.div_ceil(3));
        assert_eq!(share(u64::MAX, u64::MAX), 0);
    }

    #[test]
    fn two_floods_leave_something_and_three_may_not() {
        // One account after the other takes its share, before the first one has less again.
        let (first, second) = (share(10, 0), share(10, 7));
        assert_eq!((first, second, share(10, first + second)), (7, 2, 1));
        assert_eq!(share(2, 0), 2);
    }

    /// What each of this many accounts has once all of them, taking turns, want more and none may take it.
    fn settled(whole: u64, accounts: usize) -> Vec<u64> {
        let mut own = vec![0_u64; accounts];
        loop {
            let before = own.clone();
            for account in 0..accounts {
                let all: u64 = own.iter().sum();
                if all < whole && own[account] < share(whole, all - own[account]) {
                    own[account] += 1;
                }
            }
            if own == before {
                return own;
            }
        }
    }

    #[test]
    fn floods_get_equal_shares() {
        assert_eq!(settled(10, 1), [7]);
        assert_eq!(settled(10, 2), [4, 4]);
        assert_eq!(settled(10, 3), [3, 3, 3]);
        assert_eq!(settled(200, 1), [134]);
        assert_eq!(settled(200, 2), [80, 80]);
    }
}
