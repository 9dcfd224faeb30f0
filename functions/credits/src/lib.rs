//! Credits as their owner sees them.

mod balance;

pub use balance::get_credit_balance;
