//! One connection per execution environment, and one transaction per statement.

use base64::{Engine, prelude::BASE64_STANDARD};
use oslira_domain::{Error, Result, UserId};
use oslira_lambda::{CachedSecret, Env, Secret, tls_config};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio_postgres::{
    Client, Config, Row,
    config::SslMode,
    error::SqlState,
    types::{FromSql, ToSql, Type},
};
use tokio_postgres_rustls::MakeRustlsConnect;

/// A parameter and its SQL type.
pub type Param<'a> = (&'a (dyn ToSql + Sync), Type);

/// How long a statement may take, connecting included, before its connection counts as broken.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long two tries may take. Less than the ten seconds of a Lambda that a user waits for: it is the Lambda that
/// answers 503, before the platform kills it.
const PATIENCE_IN_ALL: Duration = Duration::from_secs(8);

/// Postgres as a signed-in user sees it.
#[derive(Debug)]
pub struct UserDb(Connection);

impl UserDb {
    /// Opens the connection; a failure is logged and tried again by the first statement.
    pub async fn connect(env: &Env) -> Result<Self> {
        Ok(Self(Connection::open(env, Secret::UserDatabase).await?))
    }

    /// For tools and tests: a known URL, and the DER of its server's certificate authority.
    pub fn lazy(url: CachedSecret, extra_root: Option<Vec<u8>>) -> Result<Self> {
        Ok(Self(Connection::new(url, extra_root)?))
    }

    /// Runs one statement as this user.
    pub async fn query(&self, user_id: UserId, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>> {
        let claims = format!(r#"{{"sub":"{user_id}","role":"authenticated"}}"#);
        self.0.run("authenticated", &claims, sql, params).await
    }
}

/// Postgres as pipeline stages see it: all tenants.
#[derive(Debug)]
pub struct SystemDb(Connection);

impl SystemDb {
    /// Opens the connection; a failure is logged and tried again by the first statement.
    pub async fn connect(env: &Env) -> Result<Self> {
        Ok(Self(Connection::open(env, Secret::SystemDatabase).await?))
    }

    /// For tools and tests: a known URL, and the DER of its server's certificate authority.
    pub fn lazy(url: CachedSecret, extra_root: Option<Vec<u8>>) -> Result<Self> {
        Ok(Self(Connection::new(url, extra_root)?))
    }

    /// Runs one statement as `service_role`.
    pub async fn query(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>> {
        self.0.run("service_role", r#"{"role":"service_role"}"#, sql, params).await
    }
}

struct Connection {
    url: CachedSecret,
    tls: MakeRustlsConnect,
    /// Absent before the first success, and while a statement has it: one that fails or is dropped midway
    /// does not put it back, and so takes it down with everything it may have left open.
    client: Mutex<Option<Client>>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Why a statement failed.
enum Failure {
    /// The connection is gone, or of unknown state.
    Connection(Error),
    /// Postgres refused the statement; the connection is good.
    Statement(tokio_postgres::Error),
}

/// The DER of the database's own certificate authority, from the variable `DATABASE_CA_CERTIFICATE` (base64); `None`
/// when a public one signs.
pub fn database_root(env: &Env) -> Result<Option<Vec<u8>>> {
    let root = env.optional("DATABASE_CA_CERTIFICATE").map(|text| BASE64_STANDARD.decode(text));
    root.transpose().map_err(Error::internal)
}

/// How to reach the server that a secret names. TLS is not up for negotiation, whatever the URL says.
pub(crate) fn config(url: &str) -> Result<Config> {
    // The parse error may quote the URL, and so the password.
    let mut config: Config =
        url.parse().map_err(|_| Error::internal("a database secret is not a connection URL"))?;
    config.ssl_mode(SslMode::Require).connect_timeout(Duration::from_secs(3)).application_name("oslira");
    Ok(config)
}

impl Connection {
    async fn open(env: &Env, secret: Secret) -> Result<Self> {
        let connection = Self::new(env.secret(secret)?, database_root(env)?)?;
        match tokio::time::timeout(PATIENCE, connection.client()).await {
            Ok(Ok(client)) => *connection.client.lock().await = Some(client),
            Ok(Err(error)) => tracing::warn!(cause = error.chain(), "Postgres is not reachable at start"),
            Err(_) => tracing::warn!("Postgres did not answer at start"),
        }
        Ok(connection)
    }

    fn new(url: CachedSecret, extra_root: Option<Vec<u8>>) -> Result<Self> {
        Ok(Self { url, tls: MakeRustlsConnect::new(tls_config(extra_root)?), client: Mutex::default() })
    }

    async fn run(&self, role: &str, claims: &str, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>> {
        let tries = async {
            let mut outcome = self.attempt(role, claims, sql, params).await;
            if let Err(Failure::Connection(error)) = &outcome {
                tracing::warn!(cause = error.chain(), "Postgres connection replaced");
                outcome = self.attempt(role, claims, sql, params).await;
            }
            outcome.map_err(|failure| match failure {
                Failure::Connection(error) => error,
                Failure::Statement(error) => statement_error(error),
            })
        };
        tokio::time::timeout(PATIENCE_IN_ALL, tries).await.unwrap_or_else(|_| Err(too_slow()))
    }

    async fn attempt(
        &self,
        role: &str,
        claims: &str,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Vec<Row>, Failure> {
        let mut slot = self.client.lock().await;
        let attempt = async {
            let client = match slot.take() {
                Some(client) if !client.is_closed() => client,
                _ => self.client().await.map_err(Failure::Connection)?,
            };
            match transaction(&client, role, claims, sql, params).await {
                Err(error) if error.as_db_error().is_none_or(|db| is_infrastructure(db.code())) => {
                    Err(Failure::Connection(Error::store(error)))
                }
                outcome => {
                    *slot = Some(client);
                    outcome.map_err(Failure::Statement)
                }
            }
        };
        tokio::time::timeout(PATIENCE, attempt).await.unwrap_or_else(|_| Err(Failure::Connection(too_slow())))
    }

    async fn client(&self) -> Result<Client> {
        let config = config(&self.url.get().await?)?;
        let (client, connection) = match config.connect(self.tls.clone()).await {
            Ok(connected) => connected,
            Err(error) => {
                // The server answered, and refused: perhaps the password was changed. Poolers have codes of their own for
                // that, so the next try reads the secret again whichever it is.
                if error.as_db_error().is_some() {
                    self.url.forget().await;
                }
                return Err(Error::store(error));
            }
        };
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "Postgres connection ended");
            }
        });
        Ok(client)
    }
}

/// Sends everything before it waits for anything: one round trip. The futures send when first polled, and
/// `join4` polls them in order. An error of an earlier part makes the later ones fail, and is the one told.
async fn transaction(
    client: &Client,
    role: &str,
    claims: &str,
    sql: &str,
    params: &[Param<'_>],
) -> Result<Vec<Row>, tokio_postgres::Error> {
    let begin =
        format!("begin; set local statement_timeout = '{}s'; set local role {role}", PATIENCE.as_secs());
    let claims: [Param<'_>; 1] = [(&claims, Type::TEXT)];
    let (begun, claimed, rows, committed) = futures::future::join4(
        client.batch_execute(&begin),
        client.query_typed("select set_config('request.jwt.claims', $1, true)", &claims),
        client.query_typed(sql, params),
        client.batch_execute("commit"),
    )
    .await;
    begun?;
    claimed?;
    let rows = rows?;
    committed?;
    Ok(rows)
}

/// Not the statement's fault: connection trouble, exhausted resources, shutdown, a lost deadlock or race, a server that
/// is read-only for a while.
fn is_infrastructure(code: &SqlState) -> bool {
    let class = code.code().get(..2).unwrap_or_default();
    ["08", "53", "57", "58", "40", "XX"].contains(&class) || *code == SqlState::READ_ONLY_SQL_TRANSACTION
}

fn too_slow() -> Error {
    Error::store("Postgres did not answer in time")
}

/// Postgres' own sentence may quote what was written; the code and the constraint say enough.
fn statement_error(error: tokio_postgres::Error) -> Error {
    match error.as_db_error() {
        Some(db) => Error::internal(format!(
            "Postgres refused the statement: {} (constraint {})",
            db.code().code(),
            db.constraint().unwrap_or("none")
        )),
        None => Error::store(error),
    }
}

/// Columns by name, with our error when one is not as expected.
pub trait RowExt {
    /// The value of a column.
    fn read<'a, T: FromSql<'a>>(&'a self, column: &str) -> Result<T>;
}

impl RowExt for Row {
    fn read<'a, T: FromSql<'a>>(&'a self, column: &str) -> Result<T> {
        self.try_get(column).map_err(Error::internal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use oslira_domain::Code;

    #[tokio::test(start_paused = true)]
    async fn a_server_that_never_answers_is_given_up_in_time() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("postgresql://u:p@{}/postgres", listener.local_addr().unwrap());
        let db = SystemDb::lazy(CachedSecret::fixed(&url), None).unwrap();
        let started = tokio::time::Instant::now();
        let error = db.query("select 1", &[]).await.unwrap_err();
        assert_eq!(error.code, Code::StoreUnavailable);
        assert!(started.elapsed() <= PATIENCE_IN_ALL, "{:?}", started.elapsed());
    }

    #[test]
    fn a_deadlock_or_a_shutdown_is_retried_and_a_refused_row_is_not() {
        assert!(is_infrastructure(&SqlState::T_R_DEADLOCK_DETECTED));
        assert!(is_infrastructure(&SqlState::ADMIN_SHUTDOWN));
        assert!(is_infrastructure(&SqlState::TOO_MANY_CONNECTIONS));
        assert!(!is_infrastructure(&SqlState::CHECK_VIOLATION));
        assert!(!is_infrastructure(&SqlState::INSUFFICIENT_PRIVILEGE));
    }

    #[tokio::test]
    async fn an_unreachable_server_is_a_store_error_and_the_url_stays_secret() {
        let url =
            CachedSecret::fixed("postgresql://oslira_user:hunter2@127.0.0.1:1/postgres?sslmode=require");
        let db = UserDb::lazy(url, None).unwrap();
        let user_id = "0190a5a0-0000-7000-8000-000000000001".parse().unwrap();
        let error = db.query(user_id, "select 1", &[]).await.unwrap_err();
        assert_eq!(error.code, Code::StoreUnavailable);
        assert!(!error.chain().contains("hunter2"));

        let db = UserDb::lazy(CachedSecret::fixed("hunter2"), None).unwrap();
        let error = db.query(user_id, "select 1", &[]).await.unwrap_err();
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}
