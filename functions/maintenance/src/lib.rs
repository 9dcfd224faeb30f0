//! Scheduled jobs. Each is safe to run twice, even at the same time.

mod clean_up;
mod stale_runs;

pub use clean_up::{CleanedUp, clean_up_daily};
pub use stale_runs::{FailStaleTools, PENDING_RUNS, fail_stale_runs};
