//! One analysis, from a user's request to a scored lead.
//!
//! The modules in the order of a run's life: `quote` tells what a run would cost. `start` accepts a run,
//! charges for it and starts the state machine. `queued` starts it later when that failed. `analyze` asks a
//! model, `save` scores and stores, and `refund` ends a run that went wrong. `progress`, `result` and `list`
//! inform the user, who may `cancel`.
//! `anonymous` is for callers without an account.

mod analysis_limits;
mod analyze;
mod anonymous;
mod asking;
mod assemble;
mod cancel;
mod list;
mod progress;
mod prompt;
mod queued;
mod quote;
mod refund;
mod result;
mod run;
mod save;
mod sections;
mod start;
mod start_runs_queue;

use oslira_api::Route;

pub use analysis_limits::AnalysisLimits;
pub use analyze::{AnalyzeProfile, AnalyzeTools, analyze_profile};
pub use anonymous::{
    AddressLimits, FailAnonymousAnalysis, ScoreAnonymousAnalysis, ScoreAnonymousTools, StartAnonymousTools,
    fail_anonymous_analysis, get_anonymous_analysis, score_anonymous_analysis, start_anonymous_analysis,
};
pub use asking::Asking;
pub use cancel::cancel_analysis;
pub use list::list_runs;
pub use progress::get_analysis_progress;
pub use queued::{QueuedRun, START_TRIES, start_queued_run};
pub use refund::{RefundRun, StoppedRun, refund_run, refund_stopped_run};
pub use result::get_analysis_result;
pub use save::{SaveAnalysis, save_analysis};
pub use start::{StartTools, start_analysis};
pub use start_runs_queue::StartRunsQueue;

pub fn routes() -> Vec<Route> {
    let signed_in = [
        start::start_route(),
        list::list_route(),
        progress::progress_route(),
        cancel::cancel_route(),
        result::result_route(),
    ];
    signed_in.into_iter().chain(anonymous::routes()).collect()
}
