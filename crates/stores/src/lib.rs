#![doc = include_str!("../README.md")]

mod profiles;
mod progress;

pub use profiles::{CachedPosts, CachedProfile, ProfileStore, s3_client};
pub use progress::{Failure, Progress, ProgressStore};
