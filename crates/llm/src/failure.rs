//! What can go wrong with a vendor, and which of the product's errors that becomes.

use crate::{CallOutcome, Provider, json::Part};
use jiff::civil::Date;
use oslira_domain::{Code, Error};
use reqwest::header::HeaderMap;
use serde::Deserialize;
use std::{fmt, time::Duration};

/// The known types and codes of errors, of both vendors. Only names of this list are kept. The form of a name
/// is no proof that it is harmless: a key or a username has the same form.
const NAMES: [&str; 34] = [
    "account_deactivated",
    "api_error",
    "authentication_error",
    "billing_error",
    "billing_hard_limit_reached",
    "content_filter",
    "content_policy_violation",
    "context_length_exceeded",
    "insufficient_permissions",
    "insufficient_quota",
    "invalid_api_key",
    "invalid_json_schema",
    "invalid_prompt",
    "invalid_request_error",
    "invalid_type",
    "invalid_value",
    "missing_required_parameter",
    "model_error",
    "model_not_found",
    "not_found_error",
    "overloaded_error",
    "permission_error",
    "rate_limit_error",
    "rate_limit_exceeded",
    "request_too_large",
    "requests",
    "server_error",
    "slow_down",
    "timeout_error",
    "tokens",
    "unknown_parameter",
    "unsupported_country_region_territory",
    "unsupported_parameter",
    "unsupported_value",
];

/// Why one vendor gave no answer.
///
/// It holds nothing that could contain part of a prompt, an answer or a key. A vendor's message may quote
/// them. So only the status and the names of known errors are kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{provider}: no connection")]
    NoConnection { provider: Provider },
    #[error("{provider}: no answer in time")]
    TimedOut { provider: Provider },
    #[error("{provider}: the connection broke")]
    Broken { provider: Provider },
    #[error("{provider} answered {status} {kind} for {model}")]
    Status { provider: Provider, model: String, status: u16, kind: Kind, retry_after: Option<Duration> },
    #[error("{provider} answered something that is not its API's JSON")]
    Body { provider: Provider },
    #[error("{model} was shut down on {date}")]
    ShutDown { model: String, date: Date },
    #[error("{provider} is not asked at present, because its calls kept failing")]
    NotAdmitted { provider: Provider },
    #[error("no time was left to ask {provider}")]
    NoTime { provider: Provider },
    #[error("{model} refused")]
    Refused { model: String },
    #[error("{model} answered, but not in the shape asked for")]
    Unfit { model: String },
    #[error("{model} wrote more than it may")]
    Truncated { model: String },
}

/// What may be done about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// Wait: the same question may be answered later.
    Wait,
    /// Repair something of ours: the key, the quota, the model or the request.
    Repair,
    /// Nothing: the model will not answer this.
    None,
}

/// What the end of a call says about its provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The provider works.
    For,
    /// The provider does not work.
    Against,
    /// Nothing about the provider.
    None,
}

impl Failure {
    pub(crate) fn remedy(&self) -> Remedy {
        match self {
            Self::NoConnection { .. }
            | Self::TimedOut { .. }
            | Self::Broken { .. }
            | Self::Body { .. }
            | Self::NotAdmitted { .. }
            | Self::NoTime { .. } => Remedy::Wait,
            Self::ShutDown { .. } => Remedy::Repair,
            Self::Refused { .. } | Self::Unfit { .. } | Self::Truncated { .. } => Remedy::None,
            Self::Status { status, kind, .. } => match status {
                429 if kind.is("insufficient_quota") => Remedy::Repair,
                408 | 429 | 500.. => Remedy::Wait,
                _ => Remedy::Repair,
            },
        }
    }

    /// What this failure says about the provider. It speaks against the provider when other questions would
    /// fail as well, not when the provider rejects this model or this question. `was_waited_for` says whether
    /// the call had a fair part of the question's time.
    pub(crate) fn verdict(&self, was_waited_for: bool) -> Verdict {
        let is_against = match self {
            // The call had too little time. With more, the provider might have answered.
            Self::TimedOut { .. } if !was_waited_for => return Verdict::None,
            Self::NoConnection { .. } | Self::TimedOut { .. } | Self::Broken { .. } | Self::Body { .. } => {
                true
            }
            Self::Status { status, .. } => matches!(status, 401..=403 | 408 | 429 | 500..),
            Self::NotAdmitted { .. } | Self::NoTime { .. } | Self::ShutDown { .. } => false,
            Self::Refused { .. } | Self::Unfit { .. } | Self::Truncated { .. } => false,
        };
        if is_against { Verdict::Against } else { Verdict::For }
    }

    /// Whether the vendor may have written an answer and charge for it, although its usage is not known.
    pub(crate) fn may_be_charged(&self) -> bool {
        matches!(self, Self::TimedOut { .. } | Self::Broken { .. } | Self::Body { .. } | Self::Unfit { .. })
    }

    /// How a call with this failure is recorded.
    pub(crate) fn outcome(&self) -> CallOutcome {
        match self {
            Self::Refused { .. } => CallOutcome::Refused,
            Self::Unfit { .. } => CallOutcome::Unfit,
            Self::Truncated { .. } => CallOutcome::Truncated,
            _ => CallOutcome::Failed,
        }
    }

    /// How long the vendor asks us to wait.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    pub(crate) fn transport(provider: Provider, error: &reqwest::Error) -> Self {
        // Checked before the time-out: connecting has its own time-out, which never changes.
        if error.is_connect() {
            Self::NoConnection { provider }
        } else if error.is_timeout() {
            Self::TimedOut { provider }
        } else {
            Self::Broken { provider }
        }
    }

    /// Reads an answer whose status is not a success.
    pub(crate) fn status(
        provider: Provider,
        model: &str,
        status: u16,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Self {
        let VendorError { kind, is_about_content } = VendorError::of(body);
        let model = model.to_owned();
        if status == 400 && is_about_content {
            return Self::Refused { model };
        }
        // "The model produced invalid content." The prompt causes it, so the next prompt may be answered.
        if status == 500 && kind.is("model_error") {
            return Self::Unfit { model };
        }
        Self::Status { provider, model, status, kind, retry_after: retry_after(headers) }
    }
}

/// The part of a vendor's error that is read.
#[derive(Default)]
struct VendorError {
    kind: Kind,
    /// Whether the vendor rejects the prompt, or what the model made of it.
    is_about_content: bool,
}

impl VendorError {
    fn of(body: &[u8]) -> Self {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Body {
            error: Part,
        }
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Told {
            r#type: Part,
            code: Part,
            message: Part,
        }
        let body: Body = oslira_upstream::json(body).unwrap_or_default();
        let told: Told = body.error.read().unwrap_or_default();
        let name = |part: &Part| part.read::<String>().map(|told| oslira_upstream::known(&told, &NAMES));
        let kind = Kind { r#type: name(&told.r#type), code: name(&told.code) };
        let is_named =
            ["invalid_prompt", "content_filter", "content_policy_violation"].iter().any(|it| kind.is(it));
        // Anthropic has no code for this, only these words.
        let is_said = told.message.read::<String>().is_some_and(|it| it.contains("content filtering policy"));
        Self { kind, is_about_content: is_named || is_said }
    }
}

/// An error's `type` and `code`.
#[derive(Debug, Default)]
pub(crate) struct Kind {
    r#type: Option<&'static str>,
    code: Option<&'static str>,
}

impl Kind {
    fn is(&self, name: &str) -> bool {
        debug_assert!(NAMES.contains(&name), "nobody is ever told of `{name}`");
        [self.r#type, self.code].contains(&Some(name))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.r#type, self.code) {
            (Some(kind), Some(code)) if kind != code => write!(f, "{kind}/{code}"),
            (Some(name), _) | (None, Some(name)) => f.write_str(name),
            (None, None) => f.write_str("(no type)"),
        }
    }
}

/// Reads `retry-after-ms`, or `Retry-After` in seconds. A number that is too large for a duration means for
/// ever. A negative number is ignored.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
    let seconds = number("retry-after-ms").map(|ms| ms / 1e3).or_else(|| number("retry-after"))?;
    (seconds >= 0.0).then(|| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

/// Why each vendor gave no answer. It is the cause of the error.
#[derive(Debug)]
pub(crate) struct Failures(pub(crate) Vec<Failure>);

impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<_> = self.0.iter().map(Failure::to_string).collect();
        f.write_str(&texts.join("; "))
    }
}

impl std::error::Error for Failures {}

impl From<Failures> for Error {
    fn from(failures: Failures) -> Self {
        let any = |remedy| failures.0.iter().any(|failure| failure.remedy() == remedy);
        let error = if any(Remedy::Wait) {
            Self::new(Code::AiUnavailable, "No AI model answered; try again shortly.")
        } else if any(Remedy::None) {
            Self::new(Code::AnswerUnusable, "The AI models gave no usable answer about this profile.")
        } else {
            Self::new(Code::AiRejected, "AI analysis is not possible at the moment; we have been told.")
        };
        error.because(failures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absurd_wish_to_wait_is_for_ever_or_none() {
        let wish = |header: &'static str| {
            retry_after(&HeaderMap::from_iter([(reqwest::header::RETRY_AFTER, header.parse().unwrap())]))
        };
        for (header, expected) in [
            ("1.5", Some(Duration::from_millis(1_500))),
            ("1e308", Some(Duration::MAX)),
            ("inf", Some(Duration::MAX)),
            ("-1", None),
            ("NaN", None),
            ("soon", None),
        ] {
            assert_eq!(wish(header), expected, "{header}");
        }
    }

    #[test]
    fn only_a_time_out_depends_on_how_much_time_there_was() {
        let provider = Provider::OpenAi;
        let status = |status| Failure::Status {
            provider,
            model: String::new(),
            status,
            kind: Kind::default(),
            retry_after: None,
        };
        assert_eq!(Failure::TimedOut { provider }.verdict(true), Verdict::Against);
        assert_eq!(Failure::TimedOut { provider }.verdict(false), Verdict::None);
        for was_waited_for in [true, false] {
            for against in [
                Failure::NoConnection { provider },
                Failure::Broken { provider },
                Failure::Body { provider },
                status(429),
                status(529),
            ] {
                assert_eq!(against.verdict(was_waited_for), Verdict::Against, "{against}");
            }
            for of_ours in [status(400), status(404), Failure::Unfit { model: String::new() }] {
                assert_eq!(of_ours.verdict(was_waited_for), Verdict::For, "{of_ours}");
            }
        }
    }
}
