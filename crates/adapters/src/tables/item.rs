//! Items and their attributes.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    operation::get_item::builders::GetItemFluentBuilder, types::AttributeValue,
};
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

/// A time in RFC 3339, the form in which the API shows it.
pub(super) fn timestamp(at: OffsetDateTime) -> Result<AttributeValue, Unavailable> {
    at.format(&time::format_description::well_known::Rfc3339)
        .map(AttributeValue::S)
        .map_err(|error| Unavailable::new("writing a time", error))
}

/// A time that conditions compare, in milliseconds since 1970.
pub(super) fn milliseconds(at: OffsetDateTime) -> AttributeValue {
    number(at.unix_timestamp_nanos() / 1_000_000)
}

/// What a consistent read of one item finds. `None` if there is no such item.
pub(super) async fn get<T: DeserializeOwned>(
    operation: &'static str,
    request: GetItemFluentBuilder,
) -> Result<Option<T>, Unavailable> {
    let found = request.consistent_read(true).send().await;
    let found = found.map_err(|error| Unavailable::new(operation, error))?;
    found.item.map(|item| read(operation, item)).transpose()
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
