//! What can go wrong with Apify, and which of the product's errors that becomes.

use crate::ActorStatus;
use oslira_domain::{Code, Error};
use reqwest::StatusCode;
use serde_json::Value;
use std::{fmt, time::Duration};

/// The largest error that is read, in bytes. Apify's have a few hundred.
const ERROR_BYTES: usize = 64_000;

/// The known types of errors. Only names of this list are kept. The form of a name is no proof that it is
/// harmless: a token has the same form.
const TYPES: [&str; 20] = [
    "actor-disabled",
    "actor-is-not-rented",
    "actor-memory-limit-exceeded",
    "concurrent-runs-limit-exceeded",
    "insufficient-permissions",
    "internal-server-error",
    "invalid-input",
    "invalid-request",
    "invalid-token",
    "invalid-value",
    "not-enough-usage-to-run-paid-actor",
    "platform-feature-disabled",
    "rate-limit-exceeded",
    "record-not-found",
    "record-or-token-not-found",
    "request-too-large",
    "run-failed",
    "run-timeout-exceeded",
    "token-not-provided",
    "user-or-token-not-found",
];

/// The private cause of an error of this crate.
///
/// It holds nothing that could contain part of a token or a profile. Apify's messages quote both. So only the
/// status and the known error types are kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("Apify could not be reached")]
    Transport(#[source] reqwest::Error),
    #[error("Apify answered {status} {kind}")]
    Status { status: StatusCode, kind: Kind, retry_after: Option<Duration> },
    /// One of Apify's own objects is not as it should be.
    #[error("Apify's answer cannot be read: it is {0}")]
    Body(Unreadable),
    /// What an actor found is not a list of items. Strangers wrote it, so this says nothing about Apify.
    #[error("what the actor found cannot be read: it is {0}")]
    Dataset(Unreadable),
    /// Reading what an actor found takes longer than a request may. Either Apify is slow, or strangers wrote
    /// much.
    #[error("what the actor found did not come in time")]
    Slow,
    #[error("the actor run {id} is {status:?}")]
    Run { id: String, status: ActorStatus },
}

/// Why a body was not read. It holds a position only, since the text may be somebody's profile.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("not the JSON that was expected (line {line}, column {column})")]
    Text { line: usize, column: usize },
    #[error("larger than {most_bytes} bytes")]
    TooLarge { most_bytes: usize },
}

/// The type of an error, if it is known.
#[derive(Debug, Default)]
pub(crate) struct Kind(Option<&'static str>);

impl Kind {
    fn of(body: &[u8]) -> Self {
        let body: Value = oslira_upstream::json(body).unwrap_or_default();
        Self(body["error"]["type"].as_str().map(|told| oslira_upstream::known(told, &TYPES)))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.unwrap_or("(no type)"))
    }
}

impl Failure {
    /// Reads an answer whose status is not a success.
    pub(crate) async fn of(response: reqwest::Response) -> Self {
        let status = response.status();
        let retry_after = retry_after(&response);
        let body = oslira_upstream::read(response, ERROR_BYTES).await.unwrap_or_default();
        Self::Status { status, kind: Kind::of(&body), retry_after }
    }

    /// Whether another try may help.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Transport(_) | Self::Body(_) | Self::Dataset(_) | Self::Slow | Self::Run { .. } => true,
            Self::Status { status, kind, .. } => match status.as_u16() {
                402 => is_busy(kind),
                408 | 429 => true,
                status => status >= 500,
            },
        }
    }

    /// Whether another try may help at once. After a timeout the caller's time is almost over, and an answer
    /// that is too large does not shrink.
    pub(crate) fn is_soon_over(&self) -> bool {
        match self {
            Self::Transport(error) if error.is_timeout() => false,
            Self::Slow => false,
            Self::Body(Unreadable::TooLarge { .. }) | Self::Dataset(Unreadable::TooLarge { .. }) => false,
            _ => self.is_transient(),
        }
    }

    /// How long Apify asks us to wait.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// Whether the account has as many actors as Apify allows. That ends when one of them ends.
fn is_busy(kind: &Kind) -> bool {
    matches!(kind.0, Some("concurrent-runs-limit-exceeded" | "actor-memory-limit-exceeded"))
}

fn cause(error: &Error) -> Option<&Failure> {
    std::error::Error::source(error)?.downcast_ref()
}

/// Whether this error shows that Apify serves nobody, or no longer serves us. It does not when an actor run
/// failed, when we have too many of them, or when our request was wrong. It does not either when an actor's
/// finds cannot be read, since the scraped person could cause that.
pub fn speaks_against_apify(error: &Error) -> bool {
    match cause(error) {
        Some(Failure::Transport(_) | Failure::Body(_)) => true,
        Some(Failure::Status { status, kind, .. }) => match status.as_u16() {
            402 => !is_busy(kind),
            401 | 403 | 408 | 429 => true,
            status => status >= 500,
        },
        Some(Failure::Dataset(_) | Failure::Slow | Failure::Run { .. }) | None => false,
    }
}

/// Whether this error leaves open if Apify works. That is so when an actor's finds did not come in time: that
/// may be Apify's fault or the scraped person's.
pub fn says_nothing_of_apify(error: &Error) -> bool {
    matches!(cause(error), Some(Failure::Slow))
}

/// Whether this error of reading an actor run's finds shows that they are lost: they are not there, or will
/// look the same the next time. They are not lost when Apify did not answer, was busy, refuses us, or says
/// that the actor is at work.
pub fn is_lost(error: &Error) -> bool {
    match cause(error) {
        Some(Failure::Dataset(_)) => true,
        Some(Failure::Run { status, .. }) => status.is_terminal(),
        Some(Failure::Status { status, .. }) => {
            !matches!(status.as_u16(), 401..=403 | 408 | 429) && !status.is_server_error()
        }
        Some(Failure::Transport(_) | Failure::Body(_) | Failure::Slow) | None => false,
    }
}

impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Self {
        Self::Transport(error.without_url())
    }
}

impl From<serde_json::Error> for Unreadable {
    fn from(error: serde_json::Error) -> Self {
        Self::Text { line: error.line(), column: error.column() }
    }
}

/// Whether an actor run may have been started although starting it gave this error: the answer was lost, or
/// the server failed. After a refusal, or without a connection, no run was started.
pub fn may_have_started(error: &Error) -> bool {
    match cause(error) {
        // 503 says that the server did not begin the request (RFC 9110). With the other 5xx nobody knows.
        Some(Failure::Status { status, .. }) => {
            status.is_server_error() && *status != StatusCode::SERVICE_UNAVAILABLE
        }
        Some(Failure::Transport(error)) => !error.is_connect(),
        _ => true,
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let error = if failure.is_transient() {
            Self::new(Code::ApifyUnavailable, "Instagram could not be read at the moment.")
        } else {
            Self::new(
                Code::ApifyRejected,
                "Reading Instagram is not possible at the moment; we have been told.",
            )
        };
        error.because(failure)
    }
}

/// Reads the header in seconds, the only form that Apify sends.
fn retry_after(response: &reqwest::Response) -> Option<Duration> {
    let seconds = response.headers().get(reqwest::header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16, kind: &'static str) -> Error {
        let status = StatusCode::from_u16(status).unwrap();
        Failure::Status { status, kind: Kind(Some(kind)), retry_after: None }.into()
    }

    fn text() -> Unreadable {
        Unreadable::Text { line: 1, column: 1 }
    }

    fn too_large() -> Unreadable {
        Unreadable::TooLarge { most_bytes: 1 }
    }

    fn actor_is(status: ActorStatus) -> Error {
        Failure::Run { id: "r".into(), status }.into()
    }

    #[test]
    fn what_speaks_against_apify_is_not_what_speaks_against_us_or_what_strangers_wrote() {
        for code in [401, 402, 403, 408, 429, 500, 503] {
            assert!(speaks_against_apify(&status(code, "any")), "{code}");
        }
        for (code, kind) in [
            (400, "invalid-input"),
            (404, "record-not-found"),
            (402, "concurrent-runs-limit-exceeded"),
            (402, "actor-memory-limit-exceeded"),
        ] {
            assert!(!speaks_against_apify(&status(code, kind)), "{code} {kind}");
        }
        for (of_apify, of_strangers) in [
            (Failure::Body(text()), Failure::Dataset(text())),
            (Failure::Body(too_large()), Failure::Dataset(too_large())),
        ] {
            assert!(speaks_against_apify(&of_apify.into()) && !speaks_against_apify(&of_strangers.into()));
        }
        assert!(!speaks_against_apify(&actor_is(ActorStatus::Failed)));
        assert!(!speaks_against_apify(&Failure::Slow.into()) && says_nothing_of_apify(&Failure::Slow.into()));
        assert!(!speaks_against_apify(&Error::store("S3 is down")));
    }

    #[test]
    fn what_an_actor_found_is_lost_when_it_is_gone_or_will_look_the_same() {
        for code in [400, 404, 410] {
            assert!(is_lost(&status(code, "any")), "{code}");
        }
        for code in [401, 402, 403, 408, 429, 500, 503] {
            assert!(!is_lost(&status(code, "any")), "{code}");
        }
        assert!(is_lost(&Failure::Dataset(text()).into()) && is_lost(&actor_is(ActorStatus::Failed)));
        assert!(!is_lost(&actor_is(ActorStatus::Running)) && !is_lost(&Failure::Slow.into()));
        assert!(!is_lost(&Failure::Body(text()).into()) && !is_lost(&Error::store("S3 is down")));
    }

    #[test]
    fn only_a_refusal_is_proof_that_nothing_was_started() {
        for refusal in [400, 401, 402, 429, 503] {
            assert!(!may_have_started(&status(refusal, "")), "{refusal}");
        }
        assert!(may_have_started(&status(502, "")));
        assert!(may_have_started(&Failure::Body(text()).into()));
    }

    #[test]
    fn an_error_of_apify_leaves_its_type_behind_when_that_is_known_and_nothing_else() {
        for (body, shown) in [
            (r#"{"error": {"type": "run-failed", "message": "token apify_api_x"}}"#, "run-failed"),
            (r#"{"error": {"type": "actor-memory-limit-exceeded"}}"#, "actor-memory-limit-exceeded"),
            (r#"{"error": {"type": "concurrent-runs-limit-exceeded"}}"#, "concurrent-runs-limit-exceeded"),
            (r#"{"error": {"type": "a bio\ud83d", "message": "x"}}"#, "(unknown)"),
            (r#"{"error": {"type": "apify_api_x"}}"#, "(unknown)"),
            (r#"{"error": {"type": 7}}"#, "(no type)"),
            (r#"{"error": "apify_api_x"}"#, "(no type)"),
            ("<html>", "(no type)"),
        ] {
            assert_eq!(Kind::of(body.as_bytes()).to_string(), shown, "{body}");
        }
    }
}
