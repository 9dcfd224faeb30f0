//! Credits, as their owner sees them.

mod balance;
mod pricing;
mod transactions;

use oslira_api::Route;

pub use balance::get_credit_balance;
pub use pricing::get_credit_pricing;
pub use transactions::list_credit_transactions;

pub fn routes() -> Vec<Route> {
    vec![balance::balance_route(), transactions::transactions_route(), pricing::pricing_route()]
}
