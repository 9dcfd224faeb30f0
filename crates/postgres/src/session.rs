//! What every transaction sets before its statement.
//!
//! Many callers share a pooled connection. Whoever has the pool's password can leave settings behind on it,
//! or make them the login role's defaults. So every transaction sets everything that decides who asks, what
//! is visible, how long it may take and what an answer looks like. Settings that are not named here cannot
//! change an answer. A database test names each of them, so that someone has to decide about a setting that a
//! later Postgres adds.

use crate::connection::PATIENCE;
use oslira_domain::UserId;
use std::{fmt::Write, time::Duration};

/// How long a statement waits for a lock. One start at a time locks the balance row of an account.
const LOCK_TIMEOUT: Duration = Duration::from_millis(3_500);
/// How long a statement may take, waiting included.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(4);
/// How long a transaction may hold its locks after only a part of it has arrived.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);
/// A transaction whose connection is closed has ended after this time: it covers the statement, the wait for
/// the rest, and some reserve. A transaction that still waits in the pooler's queue may come later, so
/// whoever looks for its effect looks more than once.
pub const TRANSACTIONS_END_WITHIN: Duration = Duration::from_secs(10);

const _: () = assert!(LOCK_TIMEOUT.as_millis() < STATEMENT_TIMEOUT.as_millis());
const _: () = assert!(STATEMENT_TIMEOUT.as_millis() < PATIENCE.as_millis());
const _: () =
    assert!(STATEMENT_TIMEOUT.as_millis() + IDLE_TIMEOUT.as_millis() < TRANSACTIONS_END_WITHIN.as_millis());

/// Settings that are the same for every caller.
const FIXED: [(&str, &str); 15] = [
    // Supabase's `auth.uid()` and similar functions read these before `request.jwt.claims`.
    ("request.jwt.claim", ""),
    ("request.jwt.claim.email", ""),
    // `off` would turn every statement that row-level security restricts into an error.
    ("row_security", "on"),
    // Every name in our SQL has its schema. Without this setting, Postgres would look for types among the
    // session's own ones first.
    ("search_path", "pg_catalog, pg_temp"),
    // Once a commit is answered, it is on disk.
    ("synchronous_commit", "on"),
    // How values are written and read as text.
    ("client_encoding", "UTF8"),
    ("standard_conforming_strings", "on"),
    ("datestyle", "ISO, YMD"),
    ("intervalstyle", "postgres"),
    ("timezone", "UTC"),
    ("bytea_output", "hex"),
    ("extra_float_digits", "1"),
    ("array_nulls", "on"),
    ("plpgsql.extra_errors", "none"),
    ("transform_null_equals", "off"),
];

/// The caller that a statement runs for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Caller {
    /// A signed-in user, for whom row-level security decides what exists.
    User(UserId),
    /// A stage, a queue or a job, which sees all tenants.
    System,
}

impl Caller {
    /// SQL that begins a transaction of this caller, whatever the session's settings were.
    pub(crate) fn begin(self) -> String {
        let milliseconds = |time: Duration| time.as_millis().to_string();
        let (role, sub) = match self {
            Self::User(user_id) => ("authenticated", user_id.to_string()),
            Self::System => ("service_role", String::new()),
        };
        let claims = match self {
            Self::User(_) => format!(r#"{{"sub":"{sub}","role":"{role}"}}"#),
            Self::System => format!(r#"{{"role":"{role}"}}"#),
        };
        let own = [
            ("statement_timeout", milliseconds(STATEMENT_TIMEOUT)),
            ("lock_timeout", milliseconds(LOCK_TIMEOUT)),
            ("idle_in_transaction_session_timeout", milliseconds(IDLE_TIMEOUT)),
            ("role", role.to_owned()),
            ("request.jwt.claims", claims),
            ("request.jwt.claim.sub", sub),
            ("request.jwt.claim.role", role.to_owned()),
        ];
        let fixed = FIXED.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let mut sql = "begin isolation level read committed read write not deferrable; select ".to_owned();
        for (index, (name, value)) in own.into_iter().chain(fixed).enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            // The values are constants and an id, so nothing needs quoting. Writing to a `String` cannot
            // fail.
            let _ = write!(sql, "{comma}pg_catalog.set_config('{name}', '{value}', true)");
        }
        sql
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_names_its_caller_in_every_place_where_one_is_looked_for() {
        let user_id: UserId = "0190a5a0-0000-7000-8000-000000000001".parse().unwrap();
        let user = Caller::User(user_id).begin();
        for (name, value) in [
            ("role", "authenticated".to_owned()),
            ("request.jwt.claims", format!(r#"{{"sub":"{user_id}","role":"authenticated"}}"#)),
            ("request.jwt.claim.sub", user_id.to_string()),
            ("request.jwt.claim.role", "authenticated".to_owned()),
        ] {
            assert!(user.contains(&format!("set_config('{name}', '{value}', true)")), "{name} in {user}");
        }
        let system = Caller::System.begin();
        assert!(system.contains("set_config('role', 'service_role', true)"), "{system}");
        assert!(system.contains("set_config('request.jwt.claim.sub', '', true)"), "{system}");
    }

    #[test]
    fn nothing_in_it_needs_quoting() {
        let begin = Caller::System.begin();
        assert_eq!(begin.matches('\'').count(), 4 * (FIXED.len() + 7), "{begin}");
        assert!(!begin.contains('\\'));
    }
}
