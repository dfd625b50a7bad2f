//! The event that Lambda makes of SQS messages (Lambda Developer Guide, "Using Lambda with Amazon SQS", "Example
//! standard queue message event" and "Example FIFO queue message event").

use aws_sdk_sqs::types::{Message, MessageAttributeValue};
use aws_smithy_types::base64;
use serde_json::{Map, Value, json};

/// A message without any.
pub(crate) const EMPTY: &[u8] = br#"{"Records":[]}"#;

/// Where a message comes from.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) arn: String,
    pub(crate) region: String,
}

/// The record of a message.
pub(crate) fn record(message: &Message, origin: &Origin) -> Value {
    let system = message.attributes.iter().flatten();
    let system: Map<String, Value> =
        system.map(|(name, value)| (name.as_str().to_owned(), value.as_str().into())).collect();
    let own = message.message_attributes.iter().flatten();
    let own: Map<String, Value> =
        own.map(|(name, value)| (name.clone(), attribute(value))).collect();
    let mut record = json!({
        "messageId": message.message_id,
        "receiptHandle": message.receipt_handle,
        "body": message.body,
        "attributes": system,
        "messageAttributes": own,
        "md5OfBody": message.md5_of_body,
        "eventSource": "aws:sqs",
        "eventSourceARN": origin.arn,
        "awsRegion": origin.region,
    });
    if let Some(digest) = &message.md5_of_message_attributes {
        record["md5OfMessageAttributes"] = digest.as_str().into();
    }
    record
}

fn attribute(value: &MessageAttributeValue) -> Value {
    let mut attribute =
        json!({"stringListValues": [], "binaryListValues": [], "dataType": value.data_type});
    if let Some(text) = &value.string_value {
        attribute["stringValue"] = text.as_str().into();
    }
    if let Some(bytes) = &value.binary_value {
        attribute["binaryValue"] = base64::encode(bytes).into();
    }
    attribute
}

/// The event of a batch, from the texts of its records.
pub(crate) fn event<'a>(records: impl Iterator<Item = &'a str>) -> Vec<u8> {
    let records: Vec<&str> = records.collect();
    format!(r#"{{"Records":[{}]}}"#, records.join(",")).into_bytes()
}

#[cfg(test)]
mod tests {
    use aws_lambda_events::sqs::SqsEvent;
    use aws_sdk_sqs::{primitives::Blob, types::MessageSystemAttributeName};

    use super::*;

    fn origin() -> Origin {
        Origin {
            arn: "arn:aws:sqs:eu-west-1:123456789012:jobs.fifo".to_owned(),
            region: "eu-west-1".to_owned(),
        }
    }

    fn message() -> Message {
        let text = MessageAttributeValue::builder().data_type("Number").string_value("7");
        let bytes =
            MessageAttributeValue::builder().data_type("Binary").binary_value(Blob::new([0, 255]));
        Message::builder()
            .message_id("m-1")
            .receipt_handle("r-1")
            .body("a \"body\"")
            .md5_of_body("d-1")
            .md5_of_message_attributes("d-2")
            .attributes(MessageSystemAttributeName::ApproximateReceiveCount, "3")
            .attributes(MessageSystemAttributeName::SentTimestamp, "1795426200137")
            .attributes(MessageSystemAttributeName::MessageGroupId, "g")
            .attributes(MessageSystemAttributeName::from("OfTheFuture"), "x")
            .message_attributes("n", text.build().unwrap())
            .message_attributes("b", bytes.build().unwrap())
            .build()
    }

    #[test]
    fn record_has_the_names_and_types_of_the_developer_guide() {
        assert_eq!(
            record(&message(), &origin()),
            json!({
                "messageId": "m-1",
                "receiptHandle": "r-1",
                "body": "a \"body\"",
                "attributes": {
                    "ApproximateReceiveCount": "3",
                    "SentTimestamp": "1795426200137",
                    "MessageGroupId": "g",
                    "OfTheFuture": "x",
                },
                "messageAttributes": {
                    "n": {"stringValue": "7", "stringListValues": [], "binaryListValues": [], "dataType": "Number"},
                    "b": {"binaryValue": "AP8=", "stringListValues": [], "binaryListValues": [], "dataType": "Binary"},
                },
                "md5OfBody": "d-1",
                "md5OfMessageAttributes": "d-2",
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:jobs.fifo",
                "awsRegion": "eu-west-1",
            })
        );
    }

    #[test]
    fn runtime_reads_the_event() {
        let text = record(&message(), &origin()).to_string();
        let event: SqsEvent =
            serde_json::from_slice(&event([text.as_str(); 2].into_iter())).unwrap();
        assert_eq!(event.records.len(), 2);
        let first = &event.records[0];
        assert_eq!(first.message_id.as_deref(), Some("m-1"));
        assert_eq!(first.attributes["ApproximateReceiveCount"], "3");
        assert_eq!(first.message_attributes["b"].binary_value.as_ref().unwrap().0, [0, 255]);
        let empty: SqsEvent = serde_json::from_slice(EMPTY).unwrap();
        assert!(empty.records.is_empty());
    }
}
