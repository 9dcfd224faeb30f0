//! The platform's own Lambdas: one checks the dependencies, and one brings the database up to date.

mod health;
mod migrate;
mod migrations;

use oslira_api::Route;

pub use health::{Dependencies, check_health};
pub use migrate::{MigrationSecrets, migrate_database};
pub use migrations::Migrated;

pub fn routes() -> Vec<Route> {
    vec![health::health_route()]
}
