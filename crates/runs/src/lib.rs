#![doc = include_str!("../README.md")]

mod executions;
mod failure;
mod refund;
mod row;

pub use executions::{AfterEnd, Execution, Executions};
pub use failure::{StateError, run_of};
pub use refund::{Refunded, is_cancelled, refund};
pub use row::{input, settled};
