#![doc = include_str!("../README.md")]

mod profiles;
mod progress;

pub use profiles::{CachedProfile, ProfileStore};
pub use progress::{Progress, ProgressStore};
