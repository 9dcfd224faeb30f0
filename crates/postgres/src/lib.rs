#![doc = include_str!("../README.md")]

mod connection;
mod migrate;

pub use connection::{Param, RowExt, SystemDb, UserDb, database_root};
pub use migrate::{Migrated, migrate};
pub use tokio_postgres::{Row, types::Type};
