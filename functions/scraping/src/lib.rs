//! Profiles: from the cache when it is fresh, from Instagram through Apify when it is not.

mod check;
mod cost;
mod flights;
mod scrape;
mod slots;
mod want;

pub use check::{CacheQuestion, check_profile_cache};
pub use flights::{ScrapeFlights, WAITER_BELIEVED};
pub use scrape::{ScrapeRequest, ScrapeTools, scrape_profiles};
pub use slots::{RunKind, ScrapeSlots};
