//! Credits as their owner sees them.

mod balance;

use oslira_api::Route;

pub use balance::get_credit_balance;

/// The routes of this feature.
pub fn routes() -> Vec<Route> {
    vec![balance::balance_route()]
}
