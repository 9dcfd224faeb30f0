//! `migrate-database`: brings the database up to date. Every deploy runs it, right after the new code is in
//! place. So a migration only adds, and new code works on the old schema too (`migrations/README.md`).

use crate::migrations::{Migrated, migrate};
use oslira_domain::Result;
use oslira_lambda::{CachedSecret, Env, Invocation, Secret};
use oslira_postgres::database_root;
use serde_json::Value;

#[derive(Debug)]
pub struct MigrationSecrets {
    migrations: CachedSecret,
    user: CachedSecret,
    system: CachedSecret,
    root: Option<Vec<u8>>,
}

impl MigrationSecrets {
    /// Makes handles to the secrets, which are read in each invocation.
    pub fn new(env: &Env) -> Result<Self> {
        Ok(Self {
            migrations: env.secret(Secret::MigrationsDatabase)?,
            user: env.secret(Secret::UserDatabase)?,
            system: env.secret(Secret::SystemDatabase)?,
            root: database_root(env)?,
        })
    }
}

/// Applies new migrations and sets the login roles' passwords. Returns which migrations were applied.
pub async fn migrate_database(
    secrets: &MigrationSecrets,
    _invocation: Invocation<Value>,
) -> Result<Migrated> {
    let (migrations, user, system) =
        tokio::join!(secrets.migrations.get(), secrets.user.get(), secrets.system.get());
    migrate(&migrations?, &[&*user?, &*system?], secrets.root.clone()).await
}
