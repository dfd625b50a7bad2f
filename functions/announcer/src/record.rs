//! The records of a DynamoDB stream, in the form in which Lambda delivers them.
//!
//! ```json
//! {"Records":[{
//!   "eventName":"MODIFY", "eventSourceARN":"arn:aws:dynamodb:…:table/NAME/stream/…",
//!   "dynamodb":{"SequenceNumber":"4421584500000000017450439091", "ApproximateCreationDateTime":1480642020,
//!               "OldImage":{…}, "NewImage":{…}}}]}
//! ```
//!
//! Lambda Developer Guide, "Using AWS Lambda with Amazon DynamoDB"; DynamoDB Streams API Reference, "Record". Unknown
//! fields are ignored.

use serde::{Deserialize, Serialize};
use serde_dynamo::Item;

#[derive(Debug, Deserialize)]
pub struct Batch {
    #[serde(rename = "Records")]
    pub records: Vec<Record>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Record {
    #[serde(rename = "eventName")]
    pub operation: String,
    #[serde(rename = "eventSourceARN")]
    pub stream_arn: String,
    #[serde(rename = "dynamodb")]
    pub change: Change,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Change {
    pub sequence_number: String,
    /// In seconds since 1970.
    #[serde(rename = "ApproximateCreationDateTime")]
    pub written_at: Option<f64>,
    pub old_image: Option<Item>,
    pub new_image: Option<Item>,
}

impl Record {
    /// `arn:…:table/NAME` of `arn:…:table/NAME/stream/LABEL`.
    pub fn table_arn(&self) -> &str {
        self.stream_arn.split_once("/stream/").map_or(&self.stream_arn, |(table, _)| table)
    }

    pub fn table(&self) -> &str {
        self.table_arn().rsplit('/').next().unwrap_or_default()
    }

    /// An item was deleted: by `registrar forget`, or because it expired.
    pub fn is_removal(&self) -> bool {
        self.operation == "REMOVE"
    }
}

/// What Lambda retries. It begins again at the record with the lowest of these sequence numbers, and repeats all that
/// follow it (Lambda Developer Guide, "Configuring partial batch response with DynamoDB and Lambda").
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    pub batch_item_failures: Vec<Failure>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    pub item_identifier: String,
}

impl Response {
    /// Everything was handled, or everything before the record with this sequence number.
    pub fn until(first_left: Option<String>) -> Self {
        let failures = first_left.into_iter().map(|item_identifier| Failure { item_identifier });
        Self { batch_item_failures: failures.collect() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn response_has_the_form_that_lambda_reads() {
        let left = serde_json::to_value(Response::until(Some("17".to_owned()))).unwrap();
        assert_eq!(left, json!({"batchItemFailures": [{"itemIdentifier": "17"}]}));
        let none = serde_json::to_value(Response::until(None)).unwrap();
        assert_eq!(none, json!({"batchItemFailures": []}));
    }

    #[test]
    fn table_is_read_from_the_streams_arn() {
        let arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/emails";
        let record: Record = serde_json::from_value(json!({
            "eventName": "REMOVE", "eventSourceARN": format!("{arn}/stream/2026-11-29T00:00:00.000"),
            "dynamodb": {"SequenceNumber": "1"},
        }))
        .unwrap();
        assert_eq!((record.table_arn(), record.table()), (arn, "emails"));
        assert!(record.is_removal());
    }
}
