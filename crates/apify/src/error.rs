//! What can go wrong with Apify, and which of the product's errors it is.

use crate::ActorStatus;
use oslira_domain::{Code, Error};
use reqwest::StatusCode;
use serde::Deserialize;
use std::time::Duration;

/// Messages of Apify are sentences; what is longer is no message.
const MAX_MESSAGE_CHARS: usize = 300;

/// The private cause of an error of this crate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("Apify could not be reached")]
    Transport(#[source] reqwest::Error),
    #[error("Apify answered {status} {kind}: {message}")]
    Status { status: StatusCode, kind: String, message: String, retry_after: Option<Duration> },
    /// Carries the position only: the text would be somebody's profile.
    #[error("Apify's answer is not the JSON that was expected (line {line}, column {column})")]
    Body { line: usize, column: usize },
    #[error("the actor run {id} is {status:?}")]
    Run { id: String, status: ActorStatus },
}

impl Failure {
    /// Reads an answer that is no success.
    pub(crate) async fn of(response: reqwest::Response) -> Self {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Body {
            error: Detail,
        }
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Detail {
            r#type: String,
            message: String,
        }
        let status = response.status();
        let retry_after = retry_after(&response);
        let text = response.text().await.unwrap_or_default();
        let Detail { r#type, message } = serde_json::from_str::<Body>(&text).unwrap_or_default().error;
        let message = message.chars().take(MAX_MESSAGE_CHARS).collect();
        Self::Status { status, kind: r#type, message, retry_after }
    }

    /// Trying again may help.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Transport(_) | Self::Body { .. } | Self::Run { .. } => true,
            Self::Status { status, kind, .. } => match status.as_u16() {
                402 => is_busy(kind),
                408 | 429 => true,
                status => status >= 500,
            },
        }
    }

    /// Trying again at once may help: after a timeout the caller's time is as good as over.
    pub(crate) fn is_soon_over(&self) -> bool {
        self.is_transient() && !matches!(self, Self::Transport(error) if error.is_timeout())
    }

    /// How long Apify asks us to wait.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// The account's actors are at their limit, which passes when one of them ends.
fn is_busy(kind: &str) -> bool {
    matches!(kind, "concurrent-runs-limit-exceeded" | "actor-memory-limit-exceeded")
}

/// Whether this error shows that Apify serves nobody, or us no more: not that an actor run failed, that we have too many
/// of them, or that what was asked for was wrong.
pub fn speaks_against_apify(error: &Error) -> bool {
    match std::error::Error::source(error).and_then(|cause| cause.downcast_ref()) {
        Some(Failure::Transport(_) | Failure::Body { .. }) => true,
        Some(Failure::Status { status, kind, .. }) => match status.as_u16() {
            402 => !is_busy(kind),
            401 | 403 | 408 | 429 => true,
            status => status >= 500,
        },
        Some(Failure::Run { .. }) | None => false,
    }
}

impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Self {
        Self::Transport(error.without_url())
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::Body { line: error.line(), column: error.column() }
    }
}

/// Whether an actor run may have been started although starting it gave this error: the answer was lost, or the
/// server failed. After a refusal, or without a connection, there is none.
pub fn may_have_started(error: &Error) -> bool {
    match std::error::Error::source(error).and_then(|cause| cause.downcast_ref()) {
        // 503 says that the server did not take the request up (RFC 9110); of the other 5xx no one knows.
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

/// The header in its form in seconds, the only one Apify sends.
fn retry_after(response: &reqwest::Response) -> Option<Duration> {
    let seconds = response.headers().get(reqwest::header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_speaks_against_apify_is_not_what_speaks_against_us() {
        let speaks = |status, kind: &str| {
            let status = StatusCode::from_u16(status).unwrap();
            let failure =
                Failure::Status { status, kind: kind.to_owned(), message: String::new(), retry_after: None };
            speaks_against_apify(&failure.into())
        };
        for status in [401, 402, 403, 408, 429, 500, 503] {
            assert!(speaks(status, "any"), "{status}");
        }
        for (status, kind) in [
            (400, "invalid-input"),
            (404, "record-not-found"),
            (402, "concurrent-runs-limit-exceeded"),
            (402, "actor-memory-limit-exceeded"),
        ] {
            assert!(!speaks(status, kind), "{status} {kind}");
        }
        assert!(speaks_against_apify(&Failure::Body { line: 1, column: 1 }.into()));
        assert!(!speaks_against_apify(&Failure::Run { id: "r".into(), status: ActorStatus::Failed }.into()));
        assert!(!speaks_against_apify(&Error::store("S3 is down")));
    }

    #[test]
    fn only_a_refusal_is_proof_that_nothing_was_started() {
        let status = |status| Failure::Status {
            status: StatusCode::from_u16(status).unwrap(),
            kind: String::new(),
            message: String::new(),
            retry_after: None,
        };
        for refusal in [400, 401, 402, 429, 503] {
            assert!(!may_have_started(&status(refusal).into()), "{refusal}");
        }
        assert!(may_have_started(&status(502).into()));
        assert!(may_have_started(&Failure::Body { line: 1, column: 1 }.into()));
    }
}
