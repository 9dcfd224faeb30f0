#![doc = include_str!("../README.md")]

mod ai_responses;
mod ai_usage;
mod anonymous;
mod breakers;
mod circuit;
mod conditional;
mod intake;
mod item;
mod objects;
mod profiles;
mod progress;
mod rate_limits;
mod refresh_checks;

pub use ai_responses::AiResponses;
pub use ai_usage::{AiUsage, InFlight, Room};
pub use anonymous::AnonymousStore;
pub use breakers::{Breakers, Permit, Upstream};
pub use conditional::{delete_if, update_if};
pub use intake::{Intake, IntakeSwitch};
pub use item::{EXPIRES_AT, Item, milliseconds, n, number, text, time};
pub use objects::s3_client;
pub use profiles::{CachedPosts, CachedProfile, ProfileStore};
pub use progress::{Failure, Progress, ProgressStore, has_gone_silent};
pub use rate_limits::{Limit, Pass, RateLimits};
pub use refresh_checks::{RefreshCheck, RefreshCheckEnd, RefreshChecks};
