//! Values of DynamoDB's attributes.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;

pub(crate) fn milliseconds(time: Timestamp) -> AttributeValue {
    AttributeValue::N(time.as_millisecond().to_string())
}

pub(crate) fn text(value: impl ToString) -> AttributeValue {
    AttributeValue::S(value.to_string())
}
