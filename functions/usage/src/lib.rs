//! What an account used, and what it was spared.

mod cache_statistics;
mod days;
mod usage;

use oslira_api::Route;

pub use cache_statistics::get_cache_statistics;
pub use usage::get_usage;

pub fn routes() -> Vec<Route> {
    vec![usage::usage_route(), cache_statistics::cache_statistics_route()]
}
