#![doc = include_str!("../../../docs/scoring.md")]

mod assessment;
mod flags;
mod icp;
mod metrics;
mod receipt;
#[cfg(test)]
mod samples;
mod text;

pub use assessment::{Assessment, Fit, MAX_PENALTY, assess};
pub use flags::{FlagCode, QualityFlag, quality_flags};
pub use icp::{SubScore, icp_match};
pub use metrics::Metrics;
pub use receipt::{Adjustment, AdjustmentCode};
