#![doc = include_str!("../README.md")]

mod catalogue;
mod ending;
mod roles;

pub use catalogue::{Assignment, Catalogue, InvalidCatalogue, Model, Price, Provider};
pub use ending::Ending;
