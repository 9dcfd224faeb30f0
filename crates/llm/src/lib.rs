#![doc = include_str!("../README.md")]

mod anthropic;
mod call;
mod catalogue;
mod failure;
mod llm;
mod openai;
mod question;
mod schema;
mod turn;

pub use call::{Call, CallOutcome, Outcome};
pub use catalogue::{Assignment, Catalogue, InvalidCatalogue, Model, Price, Provider};
pub use llm::{Endpoint, Llm};
pub use question::Question;
pub use schema::assert_strict;
