//! The services imitated here, and the shape in which each of them reports an error.

use crate::{anthropic, apify, openai, supabase};
use axum::{http::StatusCode, response::Response};
use serde::{Deserialize, Serialize};

/// A service imitated here, as faults and counters name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Upstream {
    /// Apify API v2.
    Apify,
    /// OpenAI chat completions.
    Openai,
    /// Anthropic messages.
    Anthropic,
    /// Supabase Auth's key set.
    Jwks,
    /// The rest of Supabase Auth.
    Auth,
}

impl Upstream {
    /// All of them.
    pub(crate) const ALL: [Self; 5] = [Self::Apify, Self::Openai, Self::Anthropic, Self::Jwks, Self::Auth];

    /// Whose path this is; `None` for our own (`/_control`).
    pub(crate) fn of_path(path: &str) -> Option<Self> {
        match path.split('/').nth(1)? {
            "apify" => Some(Self::Apify),
            "openai" => Some(Self::Openai),
            "anthropic" => Some(Self::Anthropic),
            "supabase" if path.ends_with("/jwks.json") => Some(Self::Jwks),
            "supabase" => Some(Self::Auth),
            _ => None,
        }
    }

    /// The name in JSON.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Apify => "apify",
            Self::Openai => "openai",
            Self::Anthropic => "anthropic",
            Self::Jwks => "jwks",
            Self::Auth => "auth",
        }
    }

    /// Whether it is a language model.
    pub(crate) const fn is_ai(self) -> bool {
        matches!(self, Self::Openai | Self::Anthropic)
    }

    /// The vendor's own answer for a status, with `code` and `message` in place of the usual ones if given.
    pub(crate) fn error(self, status: StatusCode, code: Option<&str>, message: Option<&str>) -> Response {
        match self {
            Self::Apify => apify::error_for_status(status, code, message),
            Self::Openai => openai::error_for_status(status, code, message),
            Self::Anthropic => anthropic::error_for_status(status, code, message),
            Self::Jwks | Self::Auth => supabase::error_for_status(status, code, message),
        }
    }
}
