//! Scheduled jobs. Each is safe to run twice, even at the same time.

mod stale_runs;

pub use stale_runs::{FailStaleTools, PENDING_RUNS, fail_stale_runs};
