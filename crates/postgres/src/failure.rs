//! Why a statement failed, and whether it may have been carried out all the same.

use oslira_domain::Error;
use std::fmt;
use tokio_postgres::error::{DbError, SqlState};

#[derive(Debug)]
pub(crate) enum Failure {
    /// There was no connection, and nothing was sent.
    NoConnection(Error),
    /// Postgres rolled the transaction back for a reason of its own: a deadlock, a shutdown, no memory.
    TakenBack(tokio_postgres::Error),
    /// Postgres rolled the transaction back because it waited or worked for too long. Another try would take
    /// as long.
    TimedOut(tokio_postgres::Error),
    /// Postgres refused the statement.
    Refused(tokio_postgres::Error),
    /// The connection broke, or no answer came in time. The transaction may be committed, now or soon.
    OutcomeUnknown(Option<tokio_postgres::Error>),
}

impl Failure {
    /// The failure for an error in answer to `begin`. `begin` itself cannot be wrong, so a server that
    /// refuses it is in trouble, such as a server in recovery (`0A000`).
    pub(crate) fn at_begin(error: tokio_postgres::Error) -> Self {
        match Self::before_commit(error) {
            Self::Refused(error) => Self::TakenBack(error),
            other => other,
        }
    }

    /// The failure for an error in answer to the statement. Such an error of Postgres's own has undone
    /// everything.
    pub(crate) fn before_commit(error: tokio_postgres::Error) -> Self {
        match error.as_db_error().map(DbError::code).cloned() {
            None => Self::OutcomeUnknown(Some(error)),
            Some(code) => match kind(&code) {
                Kind::Connection => Self::OutcomeUnknown(Some(error)),
                Kind::Timeout => Self::TimedOut(error),
                Kind::Server => Self::TakenBack(error),
                Kind::Statement => Self::Refused(error),
            },
        }
    }

    /// The failure for an error in answer to `commit`. A server that goes down at that moment may have
    /// committed.
    pub(crate) fn at_commit(error: tokio_postgres::Error) -> Self {
        match error.as_db_error().map(DbError::code).cloned() {
            Some(code) if kind(&code) == Kind::Statement => Self::Refused(error),
            _ => Self::OutcomeUnknown(Some(error)),
        }
    }

    /// Whether another try may succeed.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self, Self::NoConnection(_) | Self::TakenBack(_) | Self::OutcomeUnknown(_))
    }

    /// Whether the next statement can use the same connection.
    pub(crate) fn leaves_the_connection_good(&self) -> bool {
        matches!(self, Self::TimedOut(_) | Self::Refused(_))
    }

    /// The failure of two tries together. When nobody knows how the first one ended, the failure of the
    /// second does not change that.
    pub(crate) fn after(self, first: Self) -> Self {
        match (first, self) {
            (Self::OutcomeUnknown(_), Self::NoConnection(_)) => Self::OutcomeUnknown(None),
            (
                Self::OutcomeUnknown(_),
                Self::TakenBack(error) | Self::TimedOut(error) | Self::Refused(error),
            ) => Self::OutcomeUnknown(Some(error)),
            (_, second) => second,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, error) = match self {
            Self::NoConnection(error) => return write!(f, "no connection: {}", error.chain()),
            Self::TakenBack(error) => ("Postgres took the transaction back", Some(error)),
            Self::TimedOut(error) => ("Postgres gave the statement up after its time", Some(error)),
            Self::Refused(error) => ("Postgres refused the statement", Some(error)),
            Self::OutcomeUnknown(error) => {
                ("it is not known whether the transaction was committed", error.as_ref())
            }
        };
        f.write_str(what)?;
        error.map_or(Ok(()), |error| write!(f, ": {}", told(error)))
    }
}

/// The error as text for the log. Postgres' own message may quote what was written, so only the code and the
/// constraint are kept.
pub(crate) fn told(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => format!("{} (constraint {})", db.code().code(), db.constraint().unwrap_or("none")),
        None => error.to_string(),
    }
}

impl std::error::Error for Failure {}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NoConnection(error) => error,
            Failure::Refused(_) => Self::internal(failure),
            Failure::TakenBack(_) | Failure::TimedOut(_) | Failure::OutcomeUnknown(_) => Self::store(failure),
        }
    }
}

/// Whether the statement that ended in this error may have been carried out, or may still be.
pub fn may_have_committed(error: &Error) -> bool {
    matches!(failure(error), Some(Failure::OutcomeUnknown(_)))
}

/// Turns the refusal of a statement by a constraint into the caller's own error.
pub trait RefusedBy {
    /// When this constraint refused the statement, `explained` replaces the error. A refusal that nobody
    /// explains in this way is an internal error.
    #[must_use]
    fn refused_by(self, constraint: &str, explained: impl FnOnce() -> Error) -> Self;
}

impl<T> RefusedBy for Result<T, Error> {
    fn refused_by(self, constraint: &str, explained: impl FnOnce() -> Error) -> Self {
        self.map_err(|error| if violated(&error) == Some(constraint) { explained() } else { error })
    }
}

/// Returns the constraint that refused the statement, if one did.
pub fn violated(error: &Error) -> Option<&str> {
    match failure(error)? {
        Failure::Refused(error) => error.as_db_error()?.constraint(),
        _ => None,
    }
}

fn failure(error: &Error) -> Option<&Failure> {
    std::error::Error::source(error)?.downcast_ref()
}

/// What an error code of Postgres, or of a pooler in front of it, is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The server is gone, and nobody says what happened to the transaction. Poolers use `XX000` for this
    /// too, and may themselves report that the server shuts down.
    Connection,
    /// The statement waited or worked for as long as it may.
    Timeout,
    /// The server is in trouble, or the transaction lost a race or its time. Examples are exhausted
    /// resources, a deadlock, and a server that is read-only for a while.
    Server,
    /// The statement itself is at fault.
    Statement,
}

fn kind(code: &SqlState) -> Kind {
    if [SqlState::QUERY_CANCELED, SqlState::LOCK_NOT_AVAILABLE].contains(code) {
        return Kind::Timeout;
    }
    match code.code().get(..2).unwrap_or_default() {
        "08" | "XX" => Kind::Connection,
        _ if [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN].contains(code) => Kind::Connection,
        "25" | "40" | "53" | "57" | "58" => Kind::Server,
        _ => Kind::Statement,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_servers_trouble_is_not_the_statements_fault() {
        for (code, expected) in [
            (SqlState::T_R_DEADLOCK_DETECTED, Kind::Server),
            (SqlState::ADMIN_SHUTDOWN, Kind::Connection),
            (SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT, Kind::Server),
            (SqlState::from_code("25P04"), Kind::Server),
            (SqlState::TOO_MANY_CONNECTIONS, Kind::Server),
            (SqlState::READ_ONLY_SQL_TRANSACTION, Kind::Server),
            (SqlState::QUERY_CANCELED, Kind::Timeout),
            (SqlState::LOCK_NOT_AVAILABLE, Kind::Timeout),
            (SqlState::PROTOCOL_VIOLATION, Kind::Connection),
            (SqlState::INTERNAL_ERROR, Kind::Connection),
            (SqlState::CHECK_VIOLATION, Kind::Statement),
            (SqlState::INSUFFICIENT_PRIVILEGE, Kind::Statement),
        ] {
            assert_eq!(kind(&code), expected, "{code:?}");
        }
    }

    #[test]
    fn an_outcome_stays_unknown_when_the_second_try_brings_no_answer() {
        let unknown = || Failure::OutcomeUnknown(None);
        let unreachable = || Failure::NoConnection(Error::store("closed"));
        for (second, first, is_unknown) in [
            (unreachable(), unknown(), true),
            (unknown(), unreachable(), true),
            (unreachable(), unreachable(), false),
        ] {
            assert_eq!(may_have_committed(&second.after(first).into()), is_unknown);
        }
    }
}
