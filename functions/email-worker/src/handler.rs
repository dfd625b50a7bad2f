//! From an SQS event to a partial batch response.

use std::time::Duration;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use email::{dead_letter::DeadLetters, ledger::Ledger, mailer::Mailer};
use lambda_runtime::{Context, LambdaEvent};
use pacer::{
    Share,
    driver::Driver,
    plan::{ATTEMPT_TIMEOUT, CLOSING_ROOM},
};
use time::OffsetDateTime;
use tokio::time::Instant;

use crate::batch::{Invocation, Postpone, Received, Worker};

/// Handles one event.
///
/// # Errors
///
/// `Err` sends the whole batch back to the queue, untouched. Only an event that is not SQS's, with a
/// message that has no id to answer for, comes to that.
pub async fn handle<L, M, D, P>(
    worker: &Worker<L, M, D, P>,
    share: Share,
    event: LambdaEvent<SqsEvent>,
) -> Result<SqsBatchResponse, lambda_runtime::Error>
where
    L: Ledger,
    M: Mailer,
    D: DeadLetters,
    P: Postpone,
{
    // First of all: the pace counts from the invocation's start.
    let invocation = begin(share, &event.context);
    let batch = event.payload.records.into_iter().map(received).collect::<Result<_, _>>()?;
    let failures = worker.handle(&invocation, batch).await;
    let mut response = SqsBatchResponse::default();
    response.batch_item_failures = failures.into_iter().map(failed).collect();
    Ok(response)
}

/// The invocation's pace. Nothing starts that could outlive it: the last start leaves room for an
/// attempt's timeout, and for settling it.
fn begin(share: Share, context: &Context) -> Invocation {
    let now = Instant::now();
    let deadline = OffsetDateTime::UNIX_EPOCH + Duration::from_millis(context.deadline);
    let left = Duration::try_from(deadline - OffsetDateTime::now_utc()).unwrap_or_default();
    let closes_at = now + left.saturating_sub(ATTEMPT_TIMEOUT + CLOSING_ROOM);
    Invocation {
        id: context.request_id.clone(),
        pacer: Driver::start(share, closes_at),
        deadline,
        jitter: jitter(&context.request_id),
    }
}

/// From 0 to 1, by the invocation's id, which is random enough to spread retries.
fn jitter(request_id: &str) -> f64 {
    let sum = request_id
        .bytes()
        .fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
    f64::from(sum) / f64::from(u32::MAX)
}

pub(crate) fn received(message: SqsMessage) -> Result<Received, lambda_runtime::Error> {
    let receives = message.attributes.get("ApproximateReceiveCount");
    Ok(Received {
        message_id: message
            .message_id
            .filter(|id| !id.is_empty())
            .ok_or("the event has a message without a messageId")?,
        receipt_handle: message.receipt_handle.unwrap_or_default(),
        body: message.body.unwrap_or_default(),
        receives: receives.and_then(|count| count.parse().ok()).unwrap_or(1),
    })
}

fn failed(message_id: String) -> BatchItemFailure {
    let mut failure = BatchItemFailure::default();
    failure.item_identifier = message_id;
    failure
}
