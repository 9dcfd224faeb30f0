//! The platform's own Lambdas: is everything there, and is the database up to date?

mod health;
mod migrate;
mod migrations;

use oslira_api::Route;

pub use health::{Dependencies, check_health};
pub use migrate::{MigrationSecrets, migrate_database};
pub use migrations::Migrated;

/// The routes of this feature.
pub fn routes() -> Vec<Route> {
    vec![health::health_route()]
}
