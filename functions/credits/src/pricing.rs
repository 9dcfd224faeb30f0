//! `GET /api/credits/pricing`.

use oslira_api::{
    AnalysisPrice, CreditPackPrice, Currency, PlanPrice, Pricing, PricingQuestion, PurchasePrice, Route, Tag,
};
use oslira_domain::{CreditPack, Plan, Result, Tier, purchase_cents};
use oslira_lambda::{Reply, Request};
use std::time::Duration;

/// How long anyone may keep the price list.
const KEPT_FOR: Duration = Duration::from_secs(60 * 60);

pub(crate) fn pricing_route() -> Route {
    let summary = "What credits cost, and what they buy";
    Route::get("/api/credits/pricing", "getCreditPricing", Tag::Account, summary)
        .describe(
            "Needs no token, and is the same for everyone. Browsers and shared caches may keep it for an hour \
             (`Cache-Control: public, max-age=3600`), with the `requestId` and `timestamp` of the first answer. With `credits`, it \
             also has the price of a purchase of so many.",
        )
        .open()
        .query::<PricingQuestion>()
        .answers::<Pricing>(
            200,
            "The price list.",
            [("list", pricing(None)), ("pack", pricing(Some(50))), ("single", pricing(Some(37)))],
        )
}

/// Answers [`Pricing`].
pub async fn get_credit_pricing(request: Request) -> Result<Reply> {
    let PricingQuestion { credits } = request.query()?;
    Ok(Reply::ok(pricing(credits)).kept_by_anyone_for(KEPT_FOR))
}

fn pricing(credits: Option<u32>) -> Pricing {
    let plans = Plan::ALL.map(|plan| PlanPrice {
        id: plan.id.to_owned(),
        name: plan.name.to_owned(),
        monthly_price_cents: plan.monthly_cents,
        monthly_credits: plan.monthly_credits,
        starting_credits: plan.starting_credits,
        analyses_per_hour: plan.analyses_per_hour,
    });
    let packs = CreditPack::ALL.map(|pack| CreditPackPrice {
        id: pack.id.to_owned(),
        credits: pack.credits,
        price_cents: pack.cents,
    });
    let analyses = Tier::ALL.map(|tier| AnalysisPrice {
        analysis_type: tier,
        name: tier.label().to_owned(),
        credits: tier.credits(),
        list_price_cents: tier.list_price_cents(),
    });
    let purchase = credits.map(|credits| PurchasePrice {
        credits,
        price_cents: purchase_cents(credits),
        pack_id: CreditPack::of(credits).map(|pack| pack.id.to_owned()),
    });
    Pricing {
        currency: Currency::Usd,
        plans: plans.into(),
        packs: packs.into(),
        analyses: analyses.into(),
        purchase,
    }
}
