#![doc = include_str!("../README.md")]

mod executions;
mod refund;
mod row;

pub use executions::{AfterEnd, Execution, Executions};
pub use refund::{Refunded, is_cancelled, refund};
pub use row::{input, settled};
