//! How much of what all accounts share one of them may have at a time: scrape slots, AI calls.

use crate::{AccountId, Code, Error};

/// How much one account may have of `whole` while others have `others` of it: two thirds of what these leave, rounded up.
///
/// That is the dynamic threshold of Choudhury and Hahne ("Dynamic queue length thresholds for shared-memory packet
/// switches", 1998) with α = 2: who has `own` may take one more while `own < 2 × free`. As others come, its share
/// shrinks and theirs grow until they are equal. One flood or two leave some of ten. More, or one where the whole is two or
/// less, may leave nothing: who has none gets the next that frees, in its turn of chance.
pub const fn share(whole: u64, others: u64) -> u64 {
    whole.saturating_sub(others).saturating_mul(2).div_ceil(3)
}

/// The account has its share; all anonymous runs together are one account. The state machine tries again until it has less.
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
        // One after the other, before the first has less.
        let (first, second) = (share(10, 0), share(10, 7));
        assert_eq!((first, second, share(10, first + second)), (7, 2, 1));
        assert_eq!(share(2, 0), 2);
    }

    /// What each of so many accounts has once all of them want more and none may take it, taking turns.
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
