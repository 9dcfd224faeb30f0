#![doc = include_str!("../README.md")]

mod executions;
mod refund;
mod row;

pub use executions::{Execution, Executions};
pub use refund::{Refunded, refund};
pub use row::{input, settled};
