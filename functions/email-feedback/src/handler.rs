//! From an SQS event to a partial batch response.

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use email::{feedback::RecordFeedback, suppression::Suppress};
use lambda_runtime::LambdaEvent;

use crate::batch::{Received, Receiver};

/// Handles one event.
///
/// # Errors
///
/// `Err` sends the whole batch back to the queue, untouched. Only an event that is not SQS's, with a
/// message that has no id to answer for, comes to that.
pub async fn handle<L, S>(
    receiver: &Receiver<L, S>,
    event: LambdaEvent<SqsEvent>,
) -> Result<SqsBatchResponse, lambda_runtime::Error>
where
    L: RecordFeedback,
    S: Suppress,
{
    let batch = event.payload.records.into_iter().map(received).collect::<Result<_, _>>()?;
    let given_back = receiver.handle(batch).await;
    let mut response = SqsBatchResponse::default();
    response.batch_item_failures = given_back.into_iter().map(failed).collect();
    Ok(response)
}

fn received(message: SqsMessage) -> Result<Received, lambda_runtime::Error> {
    Ok(Received {
        message_id: message
            .message_id
            .filter(|id| !id.is_empty())
            .ok_or("the event has a message without a messageId")?,
        body: message.body.unwrap_or_default(),
    })
}

fn failed(message_id: String) -> BatchItemFailure {
    let mut failure = BatchItemFailure::default();
    failure.item_identifier = message_id;
    failure
}
