//! What credits cost, and what they buy.

use crate::filter::whole_number;
use deserr::Deserr;
use oslira_domain::{FieldProblem, PURCHASABLE_CREDITS, Tier};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The price list. All prices are whole cents of `currency`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pricing {
    /// The currency of all prices.
    pub currency: Currency,
    /// The plans, cheapest first.
    pub plans: Vec<PlanPrice>,
    /// Credits that are sold together, the smallest pack first.
    pub packs: Vec<CreditPackPrice>,
    /// What an analysis costs, cheapest first.
    pub analyses: Vec<AnalysisPrice>,
    /// The price of the credits that were asked about; only then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purchase: Option<PurchasePrice>,
}

/// A currency, as ISO 4217 names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Currency {
    /// US dollars. A price of 97 is $0.97.
    #[serde(rename = "USD")]
    Usd,
}

/// What a plan costs, and what comes with it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanPrice {
    /// The plan's id, as an account's balance names it.
    #[schemars(example = &"free", example = &"starter", example = &"growth")]
    pub id: String,
    /// The plan's name, for people.
    pub name: String,
    /// The price of a month, in cents.
    pub monthly_price_cents: u32,
    /// Credits that come with each paid month.
    pub monthly_credits: u32,
    /// Credits that come once, with a new account.
    pub starting_credits: u32,
    /// How many analyses an account of the plan may start in any hour.
    #[schemars(range(min = 1))]
    pub analyses_per_hour: u32,
}

/// What a pack of credits costs.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreditPackPrice {
    /// The pack's id.
    #[schemars(example = &"pack-10", example = &"pack-50", example = &"pack-200")]
    pub id: String,
    /// How many credits are in the pack.
    #[schemars(range(min = 1))]
    pub credits: u32,
    /// The price of the whole pack, in cents.
    pub price_cents: u32,
}

/// What an analysis costs.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AnalysisPrice {
    /// How deep the analysis goes.
    pub analysis_type: Tier,
    /// Its name, for people.
    pub name: String,
    /// Whole credits that are taken from the balance.
    #[schemars(range(min = 1))]
    pub credits: u32,
    /// What these credits cost when bought singly, in cents.
    pub list_price_cents: u32,
}

/// What one purchase of credits costs.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PurchasePrice {
    /// How many credits were asked about.
    #[schemars(range(min = 1, max = 10_000))]
    pub credits: u32,
    /// The price of all of them, in cents: that of the pack of this size, or that of so many single credits.
    pub price_cents: u64,
    /// The pack of this size; `null` when there is none and the credits are bought singly.
    pub pack_id: Option<String>,
}

/// Which purchase to name a price for.
#[derive(Debug, Default, PartialEq, Eq, Deserr, JsonSchema)]
#[deserr(rename_all = camelCase, deny_unknown_fields)]
#[serde(rename_all = "camelCase", default)]
pub struct PricingQuestion {
    /// Also name the price of so many credits.
    #[deserr(default, try_from(Option<String>) = purchasable -> FieldProblem)]
    #[schemars(range(min = 1, max = 10_000))]
    pub credits: Option<u32>,
}

fn purchasable(text: Option<String>) -> Result<Option<u32>, FieldProblem> {
    text.map(|text| whole_number(&text, PURCHASABLE_CREDITS)).transpose()
}
