//! Profiles and their posts: from the cache while they are fresh, otherwise from Instagram through Apify.
//!
//! `cache` is the profile cache, and `cache::check` is the stage that looks there first. `scrape` is the
//! stage that gets what is missing. It uses two tables: in `flights`, runs that want the same find each
//! other, and `slots` enforces Apify's limit. `docs/architecture.md` explains these words.

mod cache;
mod flights;
mod scrape;
mod slots;
mod want;

pub use cache::check::{CacheQuestion, check_profile_cache};
pub use flights::{ScrapeFlights, WAITER_BELIEVED};
pub use scrape::{request::ScrapeRequest, scrape_profiles, tools::ScrapeTools};
pub use slots::{RunKind, SECOND_LOOK, ScrapeSlots};
