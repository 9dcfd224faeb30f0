//! Profiles and their posts: from the cache while they are fresh, from Instagram through Apify when they are not.
//!
//! `cache` is what is remembered of a username, and `cache::check` is the stage that looks there first. `scrape` is the
//! stage that gets the rest. It stands on two tables: `flights`, where runs that want the same meet, and `slots`, which
//! keeps Apify's limit. What these words mean is in `docs/architecture.md`.

mod cache;
mod flights;
mod scrape;
mod slots;
mod want;

pub use cache::check::{CacheQuestion, check_profile_cache};
pub use flights::{ScrapeFlights, WAITER_BELIEVED};
pub use scrape::{request::ScrapeRequest, scrape_profiles, tools::ScrapeTools};
pub use slots::{RunKind, SECOND_LOOK, ScrapeSlots};
