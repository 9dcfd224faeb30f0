//! What `scrape-profiles` works with.

use crate::{flights::ScrapeFlights, slots::ScrapeSlots};
use oslira_lambda::CachedSecret;
use oslira_postgres::SystemDb;
use oslira_stores::{Breakers, ProfileStore, ProgressStore};

/// What a scrape works with.
#[derive(Debug)]
pub struct ScrapeTools {
    /// The HTTP client.
    pub http: reqwest::Client,
    /// Apify's address.
    pub apify_url: String,
    /// Apify's token.
    pub apify_token: CachedSecret,
    /// Who scrapes, and who waits for that.
    pub flights: ScrapeFlights,
    /// The ten slots.
    pub slots: ScrapeSlots,
    /// Whether Apify is to be called at all.
    pub breakers: Breakers,
    /// The cache.
    pub profiles: ProfileStore,
    /// The progress bar, and the wish to cancel.
    pub progress: ProgressStore,
    /// For what it cost.
    pub db: SystemDb,
}
