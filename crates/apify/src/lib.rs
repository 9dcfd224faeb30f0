#![doc = include_str!("../README.md")]

mod client;
mod error;
mod fields;
mod items;
mod limits;
mod run;

pub use client::Apify;
pub use error::{is_lost, may_have_started, says_nothing_of_apify, speaks_against_apify};
pub use items::ProfileOutcome;
pub use run::{ActorRun, ActorStatus};
