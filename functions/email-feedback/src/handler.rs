//! From an SQS event to a partial batch response.

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use email::{feedback::RecordFeedback, suppression::Suppress};
use lambda::batch::{self, NoMessageId};
use lambda_runtime::LambdaEvent;

use crate::batch::{Received, Receiver};

/// Handles one event.
///
/// # Errors
///
/// `Err` gives the whole batch back to the queue, untouched. Only an event that is not from SQS causes it:
/// one with a message without an id.
pub async fn handle<L, S>(
    receiver: &Receiver<L, S>,
    event: LambdaEvent<SqsEvent>,
) -> Result<SqsBatchResponse, lambda_runtime::Error>
where
    L: RecordFeedback,
    S: Suppress,
{
    let batch = event.payload.records.into_iter().map(received).collect::<Result<_, _>>()?;
    Ok(batch::response(receiver.handle(batch).await))
}

fn received(mut message: SqsMessage) -> Result<Received, NoMessageId> {
    Ok(Received {
        sqs_message_id: batch::message_id(&mut message)?,
        body: message.body.unwrap_or_default(),
    })
}
