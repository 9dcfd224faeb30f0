#![doc = include_str!("../README.md")]

mod body;
mod identifier;
mod lenient;

pub use body::{BodyError, read};
pub use identifier::{is_id, known};
pub use lenient::{items, json, list, text};
