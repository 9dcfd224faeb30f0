//! `migrate-database`: brings the database up to date. Run on every deploy, right after the new
//! code is in place: so a migration only adds, and new code works on the old schema too (`migrations/README.md`).

use base64::{Engine, prelude::BASE64_STANDARD};
use oslira_domain::{Error, Result};
use oslira_lambda::{CachedSecret, Env, Invocation, Secret};
use oslira_postgres::{Migrated, migrate};
use serde_json::Value;

/// The three connection URLs.
#[derive(Debug)]
pub struct MigrationSecrets {
    migrations: CachedSecret,
    user: CachedSecret,
    system: CachedSecret,
    ca_certificate: Option<String>,
}

impl MigrationSecrets {
    /// Handles to the secrets; they are read per invocation.
    pub fn new(env: &Env) -> Result<Self> {
        Ok(Self {
            migrations: env.secret(Secret::MigrationsDatabase)?,
            user: env.secret(Secret::UserDatabase)?,
            system: env.secret(Secret::SystemDatabase)?,
            ca_certificate: env.optional("DATABASE_CA_CERTIFICATE"),
        })
    }
}

/// Applies what is new and sets the login roles' passwords. Answers which migrations were applied.
pub async fn migrate_database(
    secrets: &MigrationSecrets,
    _invocation: Invocation<Value>,
) -> Result<Migrated> {
    let (migrations, user, system) =
        tokio::join!(secrets.migrations.get(), secrets.user.get(), secrets.system.get());
    let extra_root = secrets.ca_certificate.as_ref().map(|text| BASE64_STANDARD.decode(text));
    migrate(&migrations?, &[&*user?, &*system?], extra_root.transpose().map_err(Error::internal)?).await
}
