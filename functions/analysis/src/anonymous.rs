//! Anonymous analyses, for callers without an account: LIGHT ones, of which nothing is in Postgres.
//!
//! `start` accepts one, if the caller's address has not asked too often, and hands out a token; `score` asks a model and
//! keeps the result; `fail` ends what went wrong; `show` tells whoever has the token. Where the run is, and how it ended,
//! is in its progress item; what was asked and answered is in S3. All of it is gone after a day or two.

mod address_limits;
mod fail;
mod run_token;
mod score;
mod show;
mod start;

pub use address_limits::AddressLimits;
pub use fail::{FailAnonymousAnalysis, fail_anonymous_analysis};
pub use score::{ScoreAnonymousAnalysis, ScoreAnonymousTools, score_anonymous_analysis};
pub use show::get_anonymous_analysis;
pub use start::{StartAnonymousTools, start_anonymous_analysis};

/// The routes of anonymous analyses.
pub(crate) fn routes() -> [oslira_api::Route; 2] {
    [start::start_route(), show::show_route()]
}
