//! The platform's own Lambdas: is everything there, and is the database up to date?

mod health;
mod migrate;
mod migrations;

pub use health::{Dependencies, check_health};
pub use migrate::{MigrationSecrets, migrate_database};
pub use migrations::Migrated;
