//! The one error type of the product: a stable code, a sentence for the public, and a private cause.
//!
//! A front end decides by the code. A Lambda reports the code as `errorType`, and the state machine's
//! `ErrorEquals` matches it. The cause is logged once, at the boundary, and never leaves the process.

use serde_json::Value;
use std::{borrow::Cow, error::Error as StdError, fmt, num::NonZeroU32, time::Duration};

/// A result with the product's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug)]
pub struct Error {
    pub code: Code,
    /// A sentence that anyone may read.
    pub message: Cow<'static, str>,
    /// Facts for programs that belong to the code. They never contain secrets.
    pub details: Option<Value>,
    /// After how many seconds another try makes sense, if that is known.
    pub retry_after_seconds: Option<NonZeroU32>,
    cause: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error without a cause.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), details: None, retry_after_seconds: None, cause: None }
    }

    /// Adds facts for programs.
    #[must_use]
    pub fn with_details(mut self, details: Value) -> Self {
        self.details = Some(details);
        self
    }

    /// Adds when another try makes sense. The time is rounded up to whole seconds, at least one.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        let seconds = u32::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u32::MAX);
        self.retry_after_seconds = NonZeroU32::new(seconds.max(1));
        self
    }

    /// Adds the private cause.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// The error when one of our own stores (Postgres, DynamoDB, S3, Secrets Manager, Step Functions, SQS)
    /// did not answer.
    pub fn store(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(
            Code::StoreUnavailable,
            "A part of Oslira is not available at the moment; try again shortly.",
        )
        .because(cause)
    }

    /// The error for a fault of ours.
    pub fn internal(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(Code::InternalError, "Something went wrong on our side.").because(cause)
    }

    /// The account does not exist, or the caller is not in it. Both cases look the same.
    pub fn account_not_found() -> Self {
        Self::new(Code::AccountNotFound, "There is no such account among yours.")
    }

    /// The account has no such business profile. Another tenant's, a deleted one and one that never existed look
    /// the same.
    pub fn business_profile_not_found() -> Self {
        Self::new(Code::BusinessProfileNotFound, "There is no such business profile in this account.")
    }

    /// The account has no such lead. Another tenant's, a deleted one and one that never existed look the same.
    pub fn lead_not_found() -> Self {
        Self::new(Code::LeadNotFound, "There is no such lead in this account.")
    }

    /// Only owners may do what the caller, a member, asked for.
    pub fn owner_required() -> Self {
        Self::new(Code::OwnerRequired, "Only owners of the account may do this.")
    }

    /// The error when an idempotency key was used before with another body.
    pub fn idempotency_key_reused() -> Self {
        let message =
            "This Idempotency-Key came with another request before; use a new key for a new request.";
        Self::new(Code::IdempotencyKeyReused, message)
    }

    /// The cause and its causes on one line, for the log.
    pub fn chain(&self) -> String {
        let mut text = String::new();
        let mut next = self.source();
        while let Some(cause) = next {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&cause.to_string());
            next = cause.source();
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn StdError + 'static))
    }
}

/// How much an error matters to an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Ordinary use: a short balance, an unknown username.
    Info,
    /// Worth a look if frequent: an upstream hiccup that is retried.
    Warn,
    /// A user did not get what they asked for.
    Error,
    /// Money, security or configuration is affected, and an operator is alerted.
    Critical,
}

impl Class {
    /// The name in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
            Self::Critical => "CRITICAL",
        }
    }
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])* $name:ident = $status:literal, $class:ident, $retried:literal;)*) => {
        /// All error codes. `docs/errors.md` explains each to users.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[doc = $doc])* $name,)* }

        impl Code {
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|code| code.as_str() == name)
            }

            /// The name: `code` in JSON, `errorType` of a Lambda, `ErrorEquals` in a state machine.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// What the code means, as a sentence or two.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),*).trim_ascii(),)* }
            }

            /// The HTTP status of an answer with this code.
            pub const fn http_status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            pub const fn class(self) -> Class {
                match self { $(Self::$name => Class::$class,)* }
            }

            /// Whether the state machine tries again. It does so for infrastructure errors, never for
            /// business errors.
            pub const fn is_retried(self) -> bool {
                match self { $(Self::$name => $retried,)* }
            }
        }
    };
}

codes! {
    /// A field or parameter is missing, unknown, repeated, of the wrong type or out of range. `details` has a sentence for each.
    ValidationFailed = 400, Info, false;
    /// The body is not JSON.
    MalformedBody = 400, Info, false;
    /// The body is larger than any route accepts.
    PayloadTooLarge = 413, Info, false;
    /// The token is missing, expired, forged, or not a user's.
    Unauthorized = 401, Info, false;
    /// The balance does not cover the price, and nothing was charged. `details` has `balance` and `cost`.
    InsufficientCredits = 402, Info, false;
    /// Only owners of the account may do this.
    OwnerRequired = 403, Info, false;
    /// No such account, or the caller is not in it.
    AccountNotFound = 404, Info, false;
    /// No such member of this account.
    MemberNotFound = 404, Info, false;
    /// No such open invitation. When it is accepted: none for the caller's address.
    InvitationNotFound = 404, Info, false;
    /// No such business profile in this account.
    BusinessProfileNotFound = 404, Info, false;
    /// No such lead in this account.
    LeadNotFound = 404, Info, false;
    /// No refresh check of this lead had to look at Instagram in the past 24 hours.
    RefreshCheckNotFound = 404, Info, false;
    /// No such run in this account.
    RunNotFound = 404, Info, false;
    /// The same analysis is under way, or was made in the past five minutes. `details.runId` is its run.
    AnalysisInProgress = 409, Info, false;
    /// The run has ended, so there is nothing left to cancel; `details.status` says how.
    AlreadyFinished = 409, Info, false;
    /// The result is not there yet, or the lead has none to compare with.
    NotReady = 409, Info, false;
    /// The account has another lead of the same business profile and username, so this one cannot be restored beside it.
    LeadExists = 409, Info, false;
    /// The person is a member of the account already.
    AlreadyMember = 409, Info, false;
    /// The account would have no owner.
    LastOwner = 409, Info, false;
    /// The account has as many members and open invitations as it may have together; `details.limit` says how many.
    TeamLimitReached = 409, Info, false;
    /// The account has as many business profiles as it may have, or has made and deleted as many. `details.limit` says how many.
    BusinessProfileLimitReached = 409, Info, false;
    /// The list is too long or too large for one CSV. `details` has `limitEntries` and `limitBytes`.
    ExportTooLarge = 422, Info, false;
    /// The idempotency key came with another body before.
    IdempotencyKeyReused = 422, Info, false;

    /// One source sent more requests than it may in this time; `details` has the limit.
    TooManyRequests = 429, Info, false;

    /// The run failed and was refunded. `details.reason` is the code that says why, `details.creditsRefunded` what went back.
    RunFailed = 410, Info, false;

    // The codes from here on say why a run ended, or are what stages return to the state machine. Their HTTP
    // status is that of the result that names them.
    /// Instagram has no such account.
    ProfileNotFound = 410, Info, false;
    /// The account is private.
    ProfilePrivate = 410, Info, false;
    /// The run was cancelled.
    RunCancelled = 410, Info, false;
    /// The run was settled before this step.
    RunSettled = 410, Info, false;
    /// Every model refused the question or gave no usable answer.
    AnswerUnusable = 410, Error, false;
    /// The execution ran out of time, or was stopped by something other than the pipeline.
    ExecutionStopped = 410, Error, false;
    /// The execution could not be started.
    StartFailed = 410, Error, false;

    /// Apify did not answer, or Instagram blocked it.
    ApifyUnavailable = 410, Warn, true;
    /// All scrape slots are taken, or Apify's circuit breaker is open.
    ApifyBusy = 410, Info, true;
    /// The account has its share of the scrape slots or of the AI calls. This run waits until the account
    /// uses fewer.
    ShareTaken = 410, Info, true;
    /// Another run scrapes the same, and this run waits.
    ScrapeUnderWay = 410, Info, true;
    /// Apify refuses our requests: the key, the quota or the input is wrong.
    ApifyRejected = 410, Critical, false;
    /// No AI provider answered.
    AiUnavailable = 410, Warn, true;
    /// Every AI provider refuses our requests: the key, the quota or the model is wrong.
    AiRejected = 410, Critical, false;
    /// No new runs are taken in at present, and nothing was charged. `details.reason` says why: `operator`, `dailySpend`,
    /// `accountSpend`, `aiCalls` or `aiProviders`.
    Paused = 503, Warn, false;
    /// One of our stores did not answer.
    StoreUnavailable = 503, Error, true;
    /// A fault of ours.
    InternalError = 500, Critical, false;
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_is_in_the_chain_and_nowhere_else() {
        let error = Error::store(Error::internal("disk on fire")).with_details(serde_json::json!({"a": 1}));
        assert_eq!(
            error.to_string(),
            "StoreUnavailable: A part of Oslira is not available at the moment; try again shortly."
        );
        assert_eq!(error.chain(), "InternalError: Something went wrong on our side.: disk on fire");
        assert_eq!(error.details, Some(serde_json::json!({"a": 1})));
    }

    #[test]
    fn a_wait_is_told_in_whole_seconds() {
        for (milliseconds, seconds) in [(0, 1), (1, 1), (1_000, 1), (61_001, 62)] {
            let error = Error::new(Code::Paused, "x").with_retry_after(Duration::from_millis(milliseconds));
            assert_eq!(error.retry_after_seconds.unwrap().get(), seconds);
        }
    }

    #[test]
    fn only_infrastructure_is_retried() {
        for code in Code::ALL {
            assert_eq!(Code::named(code.as_str()), Some(*code));
            assert!((400..=503).contains(&code.http_status()), "{code}");
            if code.is_retried() {
                assert!(
                    [
                        "ApifyUnavailable",
                        "ApifyBusy",
                        "ShareTaken",
                        "ScrapeUnderWay",
                        "AiUnavailable",
                        "StoreUnavailable"
                    ]
                    .contains(&code.as_str())
                );
            }
        }
    }
}
