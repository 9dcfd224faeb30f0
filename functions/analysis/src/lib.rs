//! One analysis, from a user's request to a scored lead.
//!
//! In the order of a run's life: `start` accepts, charges and starts the state machine (`queued` does when that failed
//! at first), `analyze` asks a model, `save` scores and stores, `refund` ends what went wrong; `progress` and
//! `result` tell the user, who may `cancel`. What callers without an account get is `anonymous`.

mod analyze;
mod anonymous;
mod asking;
mod assemble;
mod cancel;
mod progress;
mod prompt;
mod queued;
mod refund;
mod result;
mod run;
mod save;
mod sections;
mod start;
mod start_runs_queue;

use oslira_api::Route;

pub use analyze::{AnalyzeProfile, AnalyzeTools, analyze_profile};
pub use anonymous::{
    AddressLimits, FailAnonymousAnalysis, ScoreAnonymousAnalysis, ScoreAnonymousTools, StartAnonymousTools,
    fail_anonymous_analysis, get_anonymous_analysis, score_anonymous_analysis, start_anonymous_analysis,
};
pub use asking::Asking;
pub use cancel::cancel_analysis;
pub use progress::get_analysis_progress;
pub use queued::{QueuedRun, START_TRIES, start_queued_run};
pub use refund::{RefundRun, StoppedRun, refund_run, refund_stopped_run};
pub use result::get_analysis_result;
pub use save::{SaveAnalysis, save_analysis};
pub use start::{StartTools, start_analysis};
pub use start_runs_queue::StartRunsQueue;

/// The routes of this feature.
pub fn routes() -> Vec<Route> {
    let signed_in =
        [start::start_route(), progress::progress_route(), cancel::cancel_route(), result::result_route()];
    signed_in.into_iter().chain(anonymous::routes()).collect()
}
