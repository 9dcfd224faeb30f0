//! One connection per execution environment, and one transaction per statement.

use crate::{
    failure::{Failure, told},
    row::{self, Row},
    session::Caller,
    values::{Bound, Parameter},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use oslira_domain::{Error, Result, UserId};
use oslira_lambda::{CachedSecret, Env, Secret, Variable, tls_config};
use std::{ops::Deref, time::Duration};
use tokio::{
    sync::Mutex,
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};
use tokio_postgres::{
    Client, Config,
    config::SslMode,
    types::{ToSql, Type},
};
use tokio_postgres_rustls::MakeRustlsConnect;

/// The values for `$1`, `$2` and so on.
pub type Parameters<'a> = [&'a dyn Parameter];

/// How long to wait for an answer. It is longer than Postgres lets a transaction wait or work. So Postgres
/// gives up first and says so, unless the connection is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// How long a statement may take with its second try, connecting included. It is less than the ten seconds of
/// a Lambda that a user waits for. So the Lambda answers 503 before the platform kills it.
const PATIENCE_IN_ALL: Duration = Duration::from_secs(8);
/// How long sent data may stay without the network's own receipt. A frozen environment often wakes to a
/// connection that a router has forgotten. This limit reveals that with time left for another connection.
const RECEIPT_TIMEOUT: Duration = Duration::from_secs(2);

/// Postgres as a signed-in user sees it.
#[derive(Debug)]
pub struct UserDb(Connection);

impl UserDb {
    /// Opens the connection. A failure is logged, and the first statement tries again.
    pub async fn connect(env: &Env) -> Result<Self> {
        Ok(Self(Connection::open(env, Secret::UserDatabase).await?))
    }

    /// For tools and tests: a known URL, and the DER of the certificate authority of its server.
    pub fn lazy(url: CachedSecret, extra_root: Option<Vec<u8>>) -> Result<Self> {
        Ok(Self(Connection::new(url, extra_root)?))
    }

    /// Runs one statement as this user and returns all its rows.
    pub async fn all(&self, user_id: UserId, sql: &str, parameters: &Parameters<'_>) -> Result<Vec<Row>> {
        self.0.run(Caller::User(user_id), sql, parameters).await
    }

    /// The same for a statement that returns one row or none.
    pub async fn optional(
        &self,
        user_id: UserId,
        sql: &str,
        parameters: &Parameters<'_>,
    ) -> Result<Option<Row>> {
        row::at_most_one(self.all(user_id, sql, parameters).await?)
    }

    /// The same for a statement that always returns one row.
    pub async fn one(&self, user_id: UserId, sql: &str, parameters: &Parameters<'_>) -> Result<Row> {
        row::just_one(self.all(user_id, sql, parameters).await?)
    }
}

/// Postgres as pipeline stages see it: with the rows of all tenants.
#[derive(Debug)]
pub struct SystemDb(Connection);

impl SystemDb {
    /// Opens the connection. A failure is logged, and the first statement tries again.
    pub async fn connect(env: &Env) -> Result<Self> {
        Ok(Self(Connection::open(env, Secret::SystemDatabase).await?))
    }

    /// For tools and tests: a known URL, and the DER of the certificate authority of its server.
    pub fn lazy(url: CachedSecret, extra_root: Option<Vec<u8>>) -> Result<Self> {
        Ok(Self(Connection::new(url, extra_root)?))
    }

    /// Runs one statement as `service_role` and returns all its rows.
    pub async fn all(&self, sql: &str, parameters: &Parameters<'_>) -> Result<Vec<Row>> {
        self.0.run(Caller::System, sql, parameters).await
    }

    /// The same for a statement that returns one row or none.
    pub async fn optional(&self, sql: &str, parameters: &Parameters<'_>) -> Result<Option<Row>> {
        row::at_most_one(self.all(sql, parameters).await?)
    }

    /// The same for a statement that always returns one row.
    pub async fn one(&self, sql: &str, parameters: &Parameters<'_>) -> Result<Row> {
        row::just_one(self.all(sql, parameters).await?)
    }
}

struct Connection {
    url: CachedSecret,
    tls: MakeRustlsConnect,
    /// `None` before the first success, and while a statement uses the session. A statement that fails or is
    /// dropped midway does not put the session back. So the session is closed, with everything that the
    /// statement may have left open.
    session: Mutex<Option<Session>>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("url", &self.url).finish_non_exhaustive()
    }
}

/// A connection that is closed when it is dropped. The driver's client alone would first wait for the answers
/// to what it has sent. Meanwhile the pooler would go on with a statement that nobody waits for.
struct Session {
    client: Client,
    connection: JoinHandle<()>,
}

impl Deref for Session {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// The DER of the database's own certificate authority, from the variable `DATABASE_CA_CERTIFICATE` (base64).
/// `None` when a public authority signs.
pub fn database_root(env: &Env) -> Result<Option<Vec<u8>>> {
    let root = env.optional(Variable::DatabaseCaCertificate).map(|text| BASE64_STANDARD.decode(text));
    root.transpose().map_err(Error::internal)
}

/// How to reach the server of a connection URL. TLS is always required, whatever the URL says.
pub fn config(url: &str) -> Result<Config> {
    // The parse error may quote the URL, and with it the password.
    let mut config: Config =
        url.parse().map_err(|_| Error::internal("a database secret is not a connection URL"))?;
    config
        .ssl_mode(SslMode::Require)
        .connect_timeout(Duration::from_secs(3))
        .tcp_user_timeout(RECEIPT_TIMEOUT)
        .application_name("oslira");
    Ok(config)
}

impl Connection {
    async fn open(env: &Env, secret: Secret) -> Result<Self> {
        let connection = Self::new(env.secret(secret)?, database_root(env)?)?;
        match timeout(PATIENCE, connection.connect()).await {
            Ok(Ok(session)) => *connection.session.lock().await = Some(session),
            Ok(Err(error)) => tracing::warn!(cause = error.chain(), "Postgres is not reachable at start"),
            Err(_) => tracing::warn!("Postgres did not answer at start"),
        }
        Ok(connection)
    }

    fn new(url: CachedSecret, extra_root: Option<Vec<u8>>) -> Result<Self> {
        Ok(Self { url, tls: MakeRustlsConnect::new(tls_config(extra_root)?), session: Mutex::default() })
    }

    async fn run(&self, caller: Caller, sql: &str, parameters: &Parameters<'_>) -> Result<Vec<Row>> {
        // A try begins only while there is time to hear how it ended.
        let last_begin = Instant::now() + PATIENCE_IN_ALL - PATIENCE;
        let first = match self.attempt(caller, sql, parameters, last_begin).await {
            Err(failure) if failure.may_pass() && Instant::now() < last_begin => failure,
            outcome => return outcome.map_err(Error::from),
        };
        tracing::warn!(cause = first.to_string(), "Postgres connection replaced");
        let second = self.attempt(caller, sql, parameters, last_begin).await;
        second.map_err(|failure| failure.after(first).into())
    }

    async fn attempt(
        &self,
        caller: Caller,
        sql: &str,
        parameters: &Parameters<'_>,
        last_begin: Instant,
    ) -> Result<Vec<Row>, Failure> {
        let ready = async {
            let mut slot = self.session.lock().await;
            let session = match slot.take() {
                Some(session) if !session.is_closed() => session,
                _ => self.connect().await?,
            };
            Ok((slot, session))
        };
        let ready = timeout_at(last_begin, ready).await;
        let (mut slot, session) =
            ready.map_err(|_| Failure::NoConnection(too_slow()))?.map_err(Failure::NoConnection)?;
        let outcome = timeout(PATIENCE, transaction(&session, caller, sql, parameters)).await;
        let outcome = outcome.unwrap_or(Err(Failure::OutcomeUnknown(None)));
        if outcome.as_ref().err().is_none_or(Failure::leaves_the_connection_good) {
            *slot = Some(session);
        }
        outcome
    }

    async fn connect(&self) -> Result<Session> {
        let config = config(&self.url.get().await?)?;
        let (client, connection) = match config.connect(self.tls.clone()).await {
            Ok(connected) => connected,
            Err(error) => {
                // The server answered and refused, perhaps because the password was changed. Poolers use
                // error codes of their own for that, so after any refusal the next try reads the secret
                // again.
                if error.as_db_error().is_some() {
                    self.url.forget().await;
                }
                return Err(Error::store(told(&error)));
            }
        };
        let connection = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "Postgres connection ended");
            }
        });
        Ok(Session { client, connection })
    }
}

/// Sends everything before it waits for anything, in one round trip. The futures send when they are first
/// polled, and `join3` polls them in order. An error of an earlier part makes the later ones fail, so the
/// earliest error counts.
async fn transaction(
    client: &Client,
    caller: Caller,
    sql: &str,
    parameters: &Parameters<'_>,
) -> Result<Vec<Row>, Failure> {
    let begin = caller.begin();
    let values: Vec<Bound<'_>> = parameters.iter().map(|value| Bound(*value)).collect();
    let types = parameters.iter().map(|value| value.sql_type());
    let typed: Vec<(&(dyn ToSql + Sync), Type)> =
        values.iter().map(|value| value as &(dyn ToSql + Sync)).zip(types).collect();
    let (begun, rows, committed) = futures::future::join3(
        client.batch_execute(&begin),
        client.query_typed(sql, &typed),
        client.batch_execute("commit"),
    )
    .await;
    let rows = match (begun, rows) {
        // No transaction had begun, so the statement was a transaction by itself.
        (Err(error), Ok(_)) => return Err(Failure::OutcomeUnknown(Some(error))),
        (Err(error), Err(_)) => return Err(Failure::at_begin(error)),
        (Ok(()), rows) => rows.map_err(Failure::before_commit)?,
    };
    committed.map_err(Failure::at_commit)?;
    Ok(rows.into_iter().map(Row).collect())
}

fn too_slow() -> Error {
    Error::store("Postgres did not answer in time")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::may_have_committed;
    use oslira_domain::Code;

    #[tokio::test(start_paused = true)]
    async fn a_server_that_never_answers_is_given_up_in_time() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("postgresql://u:p@{}/postgres", listener.local_addr().unwrap());
        let db = SystemDb::lazy(CachedSecret::fixed(&url), None).unwrap();
        let started = tokio::time::Instant::now();
        let error = db.all("select 1", &[]).await.unwrap_err();
        assert_eq!(error.code, Code::StoreUnavailable);
        assert!(!may_have_committed(&error), "nothing was sent");
        assert!(started.elapsed() <= PATIENCE_IN_ALL, "{:?}", started.elapsed());
    }

    #[tokio::test]
    async fn an_unreachable_server_is_a_store_error_and_the_url_stays_secret() {
        let url =
            CachedSecret::fixed("postgresql://oslira_user:hunter2@127.0.0.1:1/postgres?sslmode=require");
        let db = UserDb::lazy(url, None).unwrap();
        let user_id = "0190a5a0-0000-7000-8000-000000000001".parse().unwrap();
        let error = db.all(user_id, "select 1", &[]).await.unwrap_err();
        assert_eq!(error.code, Code::StoreUnavailable);
        assert!(!error.chain().contains("hunter2"));

        let db = UserDb::lazy(CachedSecret::fixed("hunter2"), None).unwrap();
        let error = db.all(user_id, "select 1", &[]).await.unwrap_err();
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}
