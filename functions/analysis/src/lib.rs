//! One analysis, from a user's request to a scored lead.
//!
//! In the order of a run's life: `start` accepts, charges and starts the state machine (`queued` does when that failed
//! at first), `analyze` asks a model, `save` scores and stores, `compensate` ends what went wrong; `progress` and
//! `result` tell the user, who may `cancel`.

mod analyze;
mod asking;
mod business_profile;
mod cancel;
mod compensate;
mod progress;
mod prompt;
mod queued;
mod result;
mod run;
mod save;
mod sections;
mod start;
mod start_runs_queue;

pub use analyze::{AnalyzeProfile, AnalyzeTools, analyze_profile};
pub use asking::Asking;
pub use cancel::cancel_analysis;
pub use compensate::{CompensateRun, StoppedRun, compensate_run, settle_stopped_run};
pub use progress::get_analysis_progress;
pub use queued::{QueuedRun, start_queued_run};
pub use result::get_analysis_result;
pub use save::{SaveAnalysis, save_analysis};
pub use start::start_analysis;
pub use start_runs_queue::StartRunsQueue;
