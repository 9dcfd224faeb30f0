//! LIGHT analyses for callers without an account. Postgres holds nothing of them.
//!
//! `start` accepts an analysis, if the caller's address has not asked too often, and returns a token. `score`
//! asks a model and keeps the result. `fail` ends a run that went wrong. `show` answers whoever has the
//! token. The progress item says where the run is and how it ended. The request and the result are in S3. All
//! of it is gone after a day or two.

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
