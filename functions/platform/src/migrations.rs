//! Applies `migrations/`, sets the passwords of the Lambdas' login roles, and removes all other settings of
//! these roles.

use oslira_domain::{Error, Result};
use oslira_lambda::tls_config;
use oslira_postgres::config;
use serde::Serialize;
use tokio_postgres::{Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

refinery::embed_migrations!("../../migrations");

/// The key of the lock that keeps two deploys from migrating at once. Any number will do that no other lock
/// uses.
const LOCK: i64 = 0x05_11_2A;

#[derive(Debug, Serialize)]
pub struct Migrated {
    /// The migrations applied now, in order.
    pub applied: Vec<String>,
}

/// Connects with `migrations_url`, applies new migrations, and sets the password of each login role to the
/// one in its connection URL. It removes the settings that were made the role's defaults. The URL uses the
/// session port, because the advisory lock belongs to the session.
pub(crate) async fn migrate(
    migrations_url: &str,
    login_urls: &[&str],
    extra_root: Option<Vec<u8>>,
) -> Result<Migrated> {
    let tls = MakeRustlsConnect::new(tls_config(extra_root)?);
    let (mut client, connection) = config(migrations_url)?.connect(tls).await.map_err(Error::store)?;
    tokio::spawn(connection);

    client.batch_execute(&format!("select pg_advisory_lock({LOCK})")).await.map_err(Error::store)?;
    client.batch_execute("create schema if not exists oslira").await.map_err(Error::internal)?;
    let mut runner = migrations::runner();
    runner.set_migration_table_name("oslira.schema_migrations");
    let report = runner.run_async(&mut client).await.map_err(Error::internal)?;
    for url in login_urls {
        make_as_set_up(&client, &config(url)?).await?;
    }
    Ok(Migrated { applied: report.applied_migrations().iter().map(ToString::to_string).collect() })
}

/// Sends a SCRAM verifier, not the password, which would appear in the server's log.
async fn make_as_set_up(client: &Client, login: &Config) -> Result<()> {
    let (Some(user), Some(password)) = (login.get_user(), login.get_password()) else {
        return Err(Error::internal("a database secret lacks a user or a password"));
    };
    // Through Supabase's pooler the user is `role.project`.
    let role = user.split('.').next().unwrap_or(user);
    if !["oslira_user", "oslira_system"].contains(&role) {
        return Err(Error::internal("a database secret names a login role that is not ours"));
    }
    let verifier = postgres_protocol::password::scram_sha_256(password);
    // A role may set defaults for itself, in this database and in all databases. None of them is ours.
    let database = "select quote_ident(current_database())";
    let row = client.query_typed_one(database, &[]).await.map_err(Error::internal)?;
    let database: String = row.try_get(0).map_err(Error::internal)?;
    let sql = format!(
        "alter role {role} password '{verifier}'; alter role {role} reset all; alter role {role} in database {database} reset all"
    );
    client.batch_execute(&sql).await.map_err(Error::internal)
}
