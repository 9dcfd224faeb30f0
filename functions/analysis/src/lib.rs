//! One analysis, from a user's request to a scored lead.
//!
//! In the order of a run's life: `start` accepts and charges, `executions` starts the state machine (`queued` when that
//! failed at first), `analyze` asks a model, `save` scores and stores, `compensate` ends what went wrong; `progress`
//! and `result` tell the user.

mod analyze;
mod business_profile;
mod compensate;
mod executions;
mod progress;
mod prompt;
mod queued;
mod result;
mod run;
mod save;
mod start;

pub use analyze::{AnalyzeProfile, AnalyzeTools, analyze_profile};
pub use compensate::{CompensateRun, StoppedRun, compensate_run, settle_stopped_run};
pub use executions::{Executions, StartRunsQueue};
pub use progress::get_analysis_progress;
pub use queued::{QueuedRun, start_queued_run};
pub use result::get_analysis_result;
pub use save::{SaveAnalysis, save_analysis};
pub use start::start_analysis;
