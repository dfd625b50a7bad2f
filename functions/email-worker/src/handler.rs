//! From an SQS event to a partial batch response.

use std::time::Duration;

use aws::batch::{self, NoMessageId};
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use lambda_runtime::{Context, LambdaEvent};
use pacer::{
    Share,
    driver::Driver,
    plan::{ATTEMPT_TIMEOUT, CLOSING_ROOM},
};
use time::OffsetDateTime;
use tokio::time::Instant;

use crate::worker::{Invocation, Parts, Received, Worker};

/// Handles one event.
///
/// # Errors
///
/// `Err` sends the whole batch back to the queue, untouched. Only an event that is not SQS's, with a
/// message that has no id to answer for, comes to that.
pub async fn handle<P: Parts>(
    worker: &Worker<P>,
    share: Share,
    event: LambdaEvent<SqsEvent>,
) -> Result<SqsBatchResponse, lambda_runtime::Error> {
    // First of all: the pace counts from the invocation's start.
    let invocation = begin(share, &event.context);
    let batch = event.payload.records.into_iter().map(received).collect::<Result<_, _>>()?;
    Ok(batch::response(worker.handle(&invocation, batch).await))
}

/// The invocation's pace. Nothing starts that could outlive it: the last start leaves room for an
/// attempt's timeout, and for settling it.
fn begin(share: Share, context: &Context) -> Invocation {
    let (now, began) = (OffsetDateTime::now_utc(), Instant::now());
    let deadline = OffsetDateTime::UNIX_EPOCH + Duration::from_millis(context.deadline);
    let left = Duration::try_from(deadline - now).unwrap_or_default();
    let closes_at = began + left.saturating_sub(ATTEMPT_TIMEOUT + CLOSING_ROOM);
    Invocation {
        id: context.request_id.clone(),
        began_at: (now, began),
        pacer: Driver::start(share, closes_at),
        deadline,
    }
}

/// A message of the event, as the worker has it.
///
/// # Errors
///
/// It has no id to answer for.
pub fn received(mut message: SqsMessage) -> Result<Received, NoMessageId> {
    let attribute = |name: &str| message.attributes.get(name);
    let receives = attribute("ApproximateReceiveCount").and_then(|count| count.parse().ok());
    let first = attribute("ApproximateFirstReceiveTimestamp").and_then(|at| at.parse().ok());
    Ok(Received {
        receives: receives.unwrap_or(1),
        first_received_at: first
            .map(|milliseconds| OffsetDateTime::UNIX_EPOCH + Duration::from_millis(milliseconds)),
        message_id: batch::message_id(&mut message)?,
        receipt_handle: message.receipt_handle.unwrap_or_default(),
        body: message.body.unwrap_or_default(),
    })
}
