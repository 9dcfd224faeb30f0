#![doc = include_str!("../README.md")]

mod ai_responses;
mod ai_usage;
mod breakers;
mod circuit;
mod intake;
mod item;
mod profiles;
mod progress;

pub use ai_responses::AiResponses;
pub use ai_usage::{AiUsage, InFlight};
pub use breakers::{Breakers, Permit, Upstream};
pub use intake::Intake;
pub use profiles::{CachedPosts, CachedProfile, ProfileStore, s3_client};
pub use progress::{Progress, ProgressStore};
