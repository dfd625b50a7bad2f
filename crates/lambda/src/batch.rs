//! What the functions behind an SQS queue share: from Lambda's event to the messages' ids, and back to
//! a partial batch response.

use std::any::Any;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsMessage};

/// A message without an id cannot be given back by itself, and SQS sends none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the event has a message without a messageId")]
pub struct NoMessageId;

/// Takes the message's id out of it.
pub fn message_id(message: &mut SqsMessage) -> Result<String, NoMessageId> {
    // An empty one would fail the whole batch, if it were reported.
    message.message_id.take().filter(|id| !id.is_empty()).ok_or(NoMessageId)
}

/// The response that gives back the messages of these ids, and has the queue delete all others.
pub fn response(given_back: impl IntoIterator<Item = String>) -> SqsBatchResponse {
    let failure = |message_id| {
        let mut failure = BatchItemFailure::default();
        failure.item_identifier = message_id;
        failure
    };
    let mut response = SqsBatchResponse::default();
    response.batch_item_failures = given_back.into_iter().map(failure).collect();
    response
}

/// What a message's handling panicked with, for the log.
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
    fn only_a_message_with_an_id_can_be_answered_for() {
        let mut message = SqsMessage::default();
        assert_eq!(message_id(&mut message), Err(NoMessageId));
        message.message_id = Some(String::new());
        assert_eq!(message_id(&mut message), Err(NoMessageId));
        message.message_id = Some("m-1".to_owned());
        assert_eq!(message_id(&mut message), Ok("m-1".to_owned()));
    }

    #[test]
    fn the_response_is_lambdas() {
        let response = serde_json::to_value(response(["m-1".to_owned()])).unwrap();
        let expected = serde_json::json!({"batchItemFailures": [{"itemIdentifier": "m-1"}]});
        assert_eq!(response, expected);
    }

    #[test]
    fn panics_have_texts() {
        assert_eq!(panic_text(&"literal"), "literal");
        assert_eq!(panic_text(&"formatted".to_owned()), "formatted");
        assert_eq!(panic_text(&7), "no text");
    }
}
