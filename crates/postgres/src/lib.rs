#![doc = include_str!("../README.md")]

mod connection;
mod failure;
mod list;
mod row;
mod session;
pub mod table;
mod values;

pub use connection::{Parameters, SystemDb, UserDb, config, database_root};
pub use failure::{RefusedBy, may_have_committed, violated};
pub use list::List;
pub use row::Row;
pub use session::TRANSACTIONS_END_WITHIN;
pub use values::{Column, Parameter, SqlType};
