#![doc = include_str!("../README.md")]

mod connection;
mod failure;
mod migrate;
mod session;

pub use connection::{Param, RowExt, SystemDb, UserDb, database_root};
pub use failure::{may_have_committed, violated};
pub use migrate::{Migrated, migrate};
pub use session::TRANSACTIONS_END_WITHIN;
pub use tokio_postgres::{Row, types::Type};
