//! From an SQS event to a partial batch response.

use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use lambda::batch::{self, NoMessageId};
use lambda_runtime::{Context, LambdaEvent};
use pacer::{Share, driver::Driver};
use sizing::{CLOSING_ROOM, SES_ATTEMPT_TIMEOUT};
use time::OffsetDateTime;
use tokio::time::Instant;

use crate::worker::{Invocation, Parts, Received, Worker};

/// What every invocation's pace is made of.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// The share of one invocation.
    pub share: Share,
    /// How long an invocation may last: the function's timeout.
    pub timeout: Duration,
}

/// Handles one event.
///
/// # Errors
///
/// `Err` sends the whole batch back to the queue, untouched. Only an event that is not SQS's, with a
/// message that has no id to answer for, comes to that.
pub async fn handle<P: Parts>(
    worker: &Worker<P>,
    pace: Pace,
    event: LambdaEvent<SqsEvent>,
) -> Result<SqsBatchResponse, lambda_runtime::Error> {
    // First of all: the pace counts from the invocation's start.
    let invocation = begin(pace, &event.context);
    let batch = event.payload.records.into_iter().map(received).collect::<Result<_, _>>()?;
    Ok(batch::response(worker.handle(&invocation, batch).await))
}

/// The invocation's pace. Nothing starts that could outlive it: the last start leaves room for an
/// attempt's timeout, and for settling it.
fn begin(Pace { share, timeout }: Pace, context: &Context) -> Invocation {
    let (now, began) = (OffsetDateTime::now_utc(), Instant::now());
    let deadline = lambda::deadline(context.deadline, now, timeout);
    let left = Duration::try_from(deadline - now).unwrap_or_default();
    let closes_at = began + left.saturating_sub(SES_ATTEMPT_TIMEOUT + CLOSING_ROOM);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{share, world};

    /// The messages of events/emails.json, in an invocation of that deadline.
    async fn sent(deadline: u64) -> usize {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../events/emails.json");
        let payload = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let mut context = Context::default();
        context.deadline = deadline;
        let pace = Pace { share: share(), timeout: Duration::from_mins(1) };
        let world = world();
        let response = handle(&world, pace, LambdaEvent { payload, context }).await.unwrap();
        assert_eq!(world.sent().len() + response.batch_item_failures.len(), 3);
        world.sent().len()
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_starts_that_could_outlive_the_invocation() {
        let now = OffsetDateTime::now_utc();
        let from_now = |seconds| {
            let then = now + Duration::from_secs(seconds);
            u64::try_from(then.unix_timestamp_nanos() / 1_000_000).unwrap()
        };
        assert_eq!(sent(from_now(60)).await, 3);
        assert_eq!(sent(from_now(11)).await, 0, "an attempt and its settling need 12 s");
    }

    #[tokio::test(start_paused = true)]
    async fn where_no_deadline_is_told_the_functions_timeout_counts() {
        // As `cargo lambda watch` has it.
        assert_eq!(sent(600_000).await, 3);
    }
}
