//! SQS batches: the message ids in Lambda's event, and the partial batch response.

use std::any::Any;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsMessage};

/// Without its id, a message cannot be reported as a batch item failure. SQS always sets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the event has a message without a messageId")]
pub struct NoMessageId;

/// Takes the SQS message id out of the message.
pub fn sqs_message_id(message: &mut SqsMessage) -> Result<String, NoMessageId> {
    // Lambda fails the whole batch if an item identifier is empty (Lambda Developer Guide, "Handling
    // errors for an SQS event source").
    message.message_id.take().filter(|id| !id.is_empty()).ok_or(NoMessageId)
}

/// The response that keeps the messages with these SQS ids on the queue. Lambda deletes all others.
pub fn response(failed: impl IntoIterator<Item = String>) -> SqsBatchResponse {
    let failure = |sqs_message_id| {
        let mut failure = BatchItemFailure::default();
        failure.item_identifier = sqs_message_id;
        failure
    };
    let mut response = SqsBatchResponse::default();
    response.batch_item_failures = failed.into_iter().map(failure).collect();
    response
}

/// The text of a panic, for the log.
pub fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_without_an_id_is_an_error() {
        let mut message = SqsMessage::default();
        assert_eq!(sqs_message_id(&mut message), Err(NoMessageId));
        message.message_id = Some(String::new());
        assert_eq!(sqs_message_id(&mut message), Err(NoMessageId));
        message.message_id = Some("m-1".to_owned());
        assert_eq!(sqs_message_id(&mut message), Ok("m-1".to_owned()));
    }

    #[test]
    fn response_has_the_form_that_lambda_reads() {
        let response = serde_json::to_value(response(["m-1".to_owned()])).unwrap();
        let expected = serde_json::json!({"batchItemFailures": [{"itemIdentifier": "m-1"}]});
        assert_eq!(response, expected);
    }

    #[test]
    fn panic_text_is_the_panics_string() {
        assert_eq!(panic_text(&"literal"), "literal");
        assert_eq!(panic_text(&"formatted".to_owned()), "formatted");
        assert_eq!(panic_text(&7), "no text");
    }
}
