#![doc = include_str!("../README.md")]

mod body;
mod lenient;

pub use body::{BodyError, read};
pub use lenient::{items, json, text};
