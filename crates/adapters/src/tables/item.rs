//! Items and their attributes.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Serialize, de::DeserializeOwned};
use time::OffsetDateTime;
use unavailable::Unavailable;

pub(super) type Item = HashMap<String, AttributeValue>;

pub(super) fn text(value: impl ToString) -> AttributeValue {
    AttributeValue::S(value.to_string())
}

pub(super) fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// A time in RFC 3339: the form of every time that the API shows.
pub(super) fn timestamp(at: OffsetDateTime) -> Result<AttributeValue, Unavailable> {
    at.format(&time::format_description::well_known::Rfc3339)
        .map(AttributeValue::S)
        .map_err(|error| Unavailable::new("writing a time", error))
}

/// A time for conditions to compare: milliseconds since 1970.
pub(super) fn milliseconds(at: OffsetDateTime) -> AttributeValue {
    number(at.unix_timestamp_nanos() / 1_000_000)
}

pub(super) fn read<T: DeserializeOwned>(
    operation: &'static str,
    item: Item,
) -> Result<T, Unavailable> {
    serde_dynamo::from_item(item).map_err(|error| Unavailable::new(operation, error))
}

pub(super) fn write(operation: &'static str, value: impl Serialize) -> Result<Item, Unavailable> {
    serde_dynamo::to_item(value).map_err(|error| Unavailable::new(operation, error))
}
