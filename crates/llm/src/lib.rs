#![doc = include_str!("../README.md")]

mod anthropic;
mod attempt;
mod call;
mod failure;
mod hedge;
mod json;
mod llm;
mod openai;
mod question;
mod schema;
mod shared;
mod turn;
mod usage;

pub use call::{Afterwards, Call, CallOutcome, Outcome};
pub use llm::{Endpoint, Llm};
pub use oslira_models::{Assignment, Catalogue, InvalidCatalogue, Model, Price, Provider};
pub use question::Question;
pub use schema::assert_strict;
pub use shared::{Shared, SharesNothing};
