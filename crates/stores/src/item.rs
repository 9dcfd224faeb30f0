//! Reading and writing the attributes of DynamoDB items.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use std::{collections::HashMap, str::FromStr};

/// An item: its attributes by name.
pub type Item = HashMap<String, AttributeValue>;

/// The attribute that says when an item may be deleted, in Unix seconds: DynamoDB's time to live. A contract
/// test compares the name with the template.
pub const EXPIRES_AT: &str = "expiresAt";

/// Reads a number attribute.
pub fn number<T: FromStr>(item: &Item, name: &str) -> Option<T> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

/// Reads a time attribute, in Unix milliseconds.
pub fn time(item: &Item, name: &str) -> Option<Timestamp> {
    Timestamp::from_millisecond(number(item, name)?).ok()
}

/// Makes a text attribute.
pub fn text(value: impl ToString) -> AttributeValue {
    AttributeValue::S(value.to_string())
}

/// Makes a number attribute.
pub fn n(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// Makes a time attribute, in Unix milliseconds.
pub fn milliseconds(time: Timestamp) -> AttributeValue {
    n(time.as_millisecond())
}
