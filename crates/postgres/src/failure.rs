//! Why a statement failed, and whether it may have been carried out all the same.

use oslira_domain::Error;
use std::fmt;
use tokio_postgres::error::{DbError, SqlState};

/// Why a statement failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// There is no connection; nothing was sent.
    NoConnection(Error),
    /// Postgres took the transaction back for a reason of its own: a deadlock, a shutdown, no memory.
    TakenBack(tokio_postgres::Error),
    /// Postgres took it back because it waited or worked for too long. To try again at once would take as long.
    TimedOut(tokio_postgres::Error),
    /// Postgres refused the statement.
    Refused(tokio_postgres::Error),
    /// The connection broke, or no answer came in time: the transaction may be committed, now or soon.
    OutcomeUnknown(Option<tokio_postgres::Error>),
}

impl Failure {
    /// Of an error that answered `begin`. That has no fault of its own: a server that refuses it is in trouble, such as one in
    /// recovery (`0A000`).
    pub(crate) fn at_begin(error: tokio_postgres::Error) -> Self {
        match Self::before_commit(error) {
            Self::Refused(error) => Self::TakenBack(error),
            other => other,
        }
    }

    /// Of an error that answered the statement: then an error of Postgres's own has undone everything.
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

    /// Of an error that answered `commit`. A server that goes down just then has perhaps committed.
    pub(crate) fn at_commit(error: tokio_postgres::Error) -> Self {
        match error.as_db_error().map(DbError::code).cloned() {
            Some(code) if kind(&code) == Kind::Statement => Self::Refused(error),
            _ => Self::OutcomeUnknown(Some(error)),
        }
    }

    /// Another try may fare better.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self, Self::NoConnection(_) | Self::TakenBack(_) | Self::OutcomeUnknown(_))
    }

    /// The next statement can use the same connection.
    pub(crate) fn leaves_the_connection_good(&self) -> bool {
        matches!(self, Self::TimedOut(_) | Self::Refused(_))
    }

    /// What two tries came to. When nobody knows how the first one ended, the second one's failure does not tell.
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

/// An error for the log. Postgres' own sentence may quote what was written; the code and the constraint say enough.
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

/// What a constraint that refuses a statement means to the caller.
pub trait RefusedBy {
    /// The caller's error in place of ours, when this constraint refused the statement. A refusal that nobody explains so is
    /// an internal error.
    #[must_use]
    fn refused_by(self, constraint: &str, explained: impl FnOnce() -> Error) -> Self;
}

impl<T> RefusedBy for Result<T, Error> {
    fn refused_by(self, constraint: &str, explained: impl FnOnce() -> Error) -> Self {
        self.map_err(|error| if violated(&error) == Some(constraint) { explained() } else { error })
    }
}

/// The constraint that refused the statement, where one did.
pub fn violated(error: &Error) -> Option<&str> {
    match failure(error)? {
        Failure::Refused(error) => error.as_db_error()?.constraint(),
        _ => None,
    }
}

fn failure(error: &Error) -> Option<&Failure> {
    std::error::Error::source(error)?.downcast_ref()
}

/// What an error code of Postgres, or of a pooler before it, is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The server is gone; what became of the transaction is not told. Poolers use `XX000` for it too, and may say
    /// themselves that the server shuts down.
    Connection,
    /// The statement waited or worked for as long as it may.
    Timeout,
    /// The server is in trouble, or the transaction lost a race or its time: exhausted resources, a deadlock, a server that is
    /// read-only for a while.
    Server,
    /// The statement's own fault.
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
