//! What `scrape-profiles` works with.

use crate::{flights::ScrapeFlights, slots::ScrapeSlots};
use oslira_lambda::CachedSecret;
use oslira_postgres::SystemDb;
use oslira_stores::{Breakers, ProfileStore, ProgressStore};

#[derive(Debug)]
pub struct ScrapeTools {
    pub http: reqwest::Client,
    pub apify_url: String,
    pub apify_token: CachedSecret,
    /// Who scrapes, and who waits for that.
    pub flights: ScrapeFlights,
    pub slots: ScrapeSlots,
    /// Whether Apify may be called at all.
    pub breakers: Breakers,
    /// For the cache.
    pub profiles: ProfileStore,
    /// For the progress bar and the flag that asks the run to stop.
    pub progress: ProgressStore,
    /// For the cost of actor runs.
    pub db: SystemDb,
}
