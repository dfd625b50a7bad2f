//! Table `emails`, the delivery ledger: partition key `job_id`, expiry attribute `expires_at`.

mod claims;
mod feedback;
mod forgetting;
mod reads;
mod reopening;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    Client,
    error::SdkError,
    operation::update_item::{UpdateItemError, builders::UpdateItemFluentBuilder},
    types::AttributeValue,
};
use email::{
    JobId,
    job::ContentDigest,
    ledger::{LEDGER_RETENTION, State},
};
use serde::Deserialize;
use time::OffsetDateTime;
use unavailable::Unavailable;

use super::item::{number, text};

/// The delivery ledger. A worker needs `dynamodb:UpdateItem`, a reader `dynamodb:GetItem`.
#[derive(Debug, Clone)]
pub struct EmailsTable {
    client: Client,
    name: String,
}

/// The entry that a refused write returns.
#[derive(Deserialize)]
struct Found {
    state: State,
    /// In milliseconds since 1970.
    #[serde(default)]
    claimed_until: i64,
    /// Missing in entries of earlier versions.
    #[serde(default)]
    content_digest: Option<ContentDigest>,
    #[serde(default)]
    error_code: Option<String>,
    /// The message whose dead letter was stored.
    #[serde(default)]
    failed_message: Option<String>,
}

impl EmailsTable {
    pub fn new(client: Client, name: String) -> Self {
        Self { client, name }
    }

    /// An update of a job's entry. It names the state attribute and extends the entry's expiry.
    fn update(&self, job_id: &JobId, at: OffsetDateTime) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.name)
            .key("job_id", text(job_id))
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":expires_at", expires_at(at))
    }
}

/// `false` if the condition of a write refused it.
fn unless_refused<T>(
    operation: &'static str,
    written: Result<T, SdkError<UpdateItemError>>,
) -> Result<bool, Unavailable> {
    match written.map_err(SdkError::into_service_error) {
        Ok(_) => Ok(true),
        Err(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(false),
        Err(error) => Err(Unavailable::new(operation, error)),
    }
}

fn expires_at(at: OffsetDateTime) -> AttributeValue {
    number((at + LEDGER_RETENTION).unix_timestamp())
}

/// The condition that the entry's state is one of these. Its values are [`outranked_values`].
fn outranked(states: impl Iterator<Item = State>) -> String {
    let states: Vec<String> =
        states.map(|state| format!("#state = :from_{}", state.name())).collect();
    states.join(" OR ")
}

fn outranked_values(states: impl Iterator<Item = State>) -> HashMap<String, AttributeValue> {
    states.map(|state| (format!(":from_{}", state.name()), text(state.name()))).collect()
}

fn end_of_claim(found: &Found) -> Result<OffsetDateTime, Unavailable> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(found.claimed_until) * 1_000_000)
        .map_err(|error| Unavailable::new("reading the end of a claim", error))
}
