//! Examples.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads an example from JSON.
///
/// # Panics
/// When the JSON does not show a value of this type. Then the check of the description fails.
#[expect(clippy::panic, reason = "only what writes and checks the description calls it")]
pub fn example<T: DeserializeOwned>(json: Value) -> T {
    serde_json::from_value(json).unwrap_or_else(|error| panic!("an example does not fit its type: {error}"))
}
