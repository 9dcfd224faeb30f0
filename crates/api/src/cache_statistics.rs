//! What the profile cache did for an account.

use jiff::civil::Date;
use oslira_domain::Tier;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the profile cache did for the account's own analyses in the last 30 days, with today. All days are in UTC. An analysis
/// counts on the day on which it was completed.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CacheStatistics {
    /// The first of these days.
    pub since: Date,
    /// The day after the last of them.
    pub until: Date,
    /// All tiers together. `secondsSaved` is the sum of the tiers that know theirs; `null` when there are hits, all in
    /// tiers that do not.
    pub total: CacheFigures,
    /// Each tier, the cheapest first, without analyses too.
    pub tiers: Vec<TierCacheFigures>,
}

/// What the profile cache did for analyses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CacheFigures {
    /// Completed analyses that read everything from the cache.
    pub hits: u64,
    /// Completed analyses that had to wait for a scrape, or for a part of one.
    pub misses: u64,
    /// The share of the hits, from 0 to 1; `null` without analyses.
    #[schemars(range(min = 0, max = 1))]
    pub hit_rate: Option<f64>,
    /// Scrapes that the hits did without: one in LIGHT, and two, for the profile and for its posts, in DEEP and X-Ray.
    pub scrapes_saved: u64,
    /// By how many seconds the hits had their profiles sooner, all together, than if each had taken as long as the account's own
    /// misses of the tier did on average; `null` when there are hits, and no miss to compare them with.
    pub seconds_saved: Option<u64>,
}

/// What the profile cache did for analyses of one tier.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TierCacheFigures {
    /// The tier.
    pub analysis_type: Tier,
    /// What the cache did for its analyses.
    #[serde(flatten)]
    pub figures: CacheFigures,
    /// How old what the hits read was when their analyses were accepted, the freshest first. The oldest are as old as the tier
    /// lets them be.
    pub ages: Vec<HitsOfAge>,
}

/// Cache hits whose profile was of this age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HitsOfAge {
    /// At least so many hours old.
    pub from_hours: u32,
    /// Less than so many hours old.
    pub until_hours: u32,
    /// How many hits read a profile of this age, or posts if these were older.
    pub hits: u64,
}
