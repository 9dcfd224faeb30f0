//! What credits cost: plans, packs, and single credits.
//!
//! Like the tiers, this is the only place for these numbers. SQL keeps a copy of the plans in `plans`, and a
//! test checks that both are equal.

use std::ops::RangeInclusive;

/// How many credits one purchase may be of.
pub const PURCHASABLE_CREDITS: RangeInclusive<u32> = 1..=10_000;

/// What a credit costs by itself, in US cents.
pub(crate) const CREDIT_CENTS: u32 = 97;

/// A subscription, or the free plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    pub id: &'static str,
    pub name: &'static str,
    /// Credits that come with each month.
    pub monthly_credits: u32,
    /// Credits that come once, with the account.
    pub starting_credits: u32,
    /// The price of a month in US cents.
    pub monthly_cents: u32,
    /// How many analyses an account may start in any hour.
    pub analyses_per_hour: u32,
}

impl Plan {
    /// All plans, cheapest first.
    pub const ALL: [Self; 3] = [
        Self {
            id: "free",
            name: "Free",
            monthly_credits: 0,
            starting_credits: 10,
            monthly_cents: 0,
            analyses_per_hour: 100,
        },
        Self {
            id: "starter",
            name: "Starter",
            monthly_credits: 50,
            starting_credits: 0,
            monthly_cents: 3_900,
            analyses_per_hour: 300,
        },
        Self {
            id: "growth",
            name: "Growth",
            monthly_credits: 200,
            starting_credits: 0,
            monthly_cents: 14_900,
            analyses_per_hour: 1_000,
        },
    ];
}

/// Credits that are sold together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CreditPack {
    pub id: &'static str,
    pub credits: u32,
    /// The price of the whole pack in US cents.
    pub cents: u32,
}

impl CreditPack {
    /// All packs, smallest first.
    pub const ALL: [Self; 3] = [
        Self { id: "pack-10", credits: 10, cents: 970 },
        Self { id: "pack-50", credits: 50, cents: 4_500 },
        Self { id: "pack-200", credits: 200, cents: 16_000 },
    ];

    /// The pack of exactly so many credits.
    pub fn of(credits: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|pack| pack.credits == credits)
    }
}

/// What one purchase of so many credits costs, in US cents: the price of the pack of that size, or that of single
/// credits. A purchase is never split into packs.
pub fn purchase_cents(credits: u32) -> u64 {
    let singly = u64::from(credits) * u64::from(CREDIT_CENTS);
    CreditPack::of(credits).map_or(singly, |pack| pack.cents.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purchase_costs_what_its_pack_or_its_single_credits_cost() {
        let prices = [1, 9, 10, 11, 49, 50, 51, 199, 200, 201, 10_000].map(purchase_cents);
        assert_eq!(prices, [97, 873, 970, 1_067, 4_753, 4_500, 4_947, 19_303, 16_000, 19_497, 970_000]);
        assert_eq!(purchase_cents(u32::MAX), 416_611_827_615, "no size overflows");
    }

    #[test]
    fn no_pack_costs_more_than_its_credits_do_singly() {
        for pack in CreditPack::ALL {
            assert!(pack.cents <= pack.credits * CREDIT_CENTS, "{}", pack.id);
            assert!(PURCHASABLE_CREDITS.contains(&pack.credits), "{}", pack.id);
        }
    }
}
