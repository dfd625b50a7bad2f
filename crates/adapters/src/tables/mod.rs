//! The DynamoDB tables, one module each.

#[cfg(feature = "enrollment")]
mod courses;
#[cfg(feature = "enrollment")]
mod enrollments;
mod holds;
mod ledger;
mod suppressions;

#[cfg(feature = "enrollment")]
pub use courses::CoursesTable;
#[cfg(feature = "enrollment")]
pub use enrollments::{EnrollmentsTable, RESUME_SHARDS};
pub use holds::HoldsTable;
pub use ledger::EmailsTable;
pub use suppressions::SuppressionsTable;

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Serialize, de::DeserializeOwned};
use time::OffsetDateTime;
use unavailable::Unavailable;

type Item = HashMap<String, AttributeValue>;

fn text(value: impl ToString) -> AttributeValue {
    AttributeValue::S(value.to_string())
}

fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// A time as people read it: RFC 3339, the form of every time that an API answer may show.
fn timestamp(at: OffsetDateTime) -> Result<AttributeValue, Unavailable> {
    at.format(&time::format_description::well_known::Rfc3339)
        .map(AttributeValue::S)
        .map_err(|error| Unavailable::new("writing a time", error))
}

/// A time as conditions compare it: milliseconds since 1970.
fn milliseconds(at: OffsetDateTime) -> AttributeValue {
    number(at.unix_timestamp_nanos() / 1_000_000)
}

fn read<T: DeserializeOwned>(operation: &'static str, item: Item) -> Result<T, Unavailable> {
    serde_dynamo::from_item(item).map_err(|error| Unavailable::new(operation, error))
}

fn write(operation: &'static str, value: impl Serialize) -> Result<Item, Unavailable> {
    serde_dynamo::to_item(value).map_err(|error| Unavailable::new(operation, error))
}
