//! From an SQS event to a partial batch response.

use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use lambda::{
    batch::{self, NoMessageId},
    clock,
};
use lambda_runtime::LambdaEvent;
use time::OffsetDateTime;

use crate::{
    closing::Closing,
    pace::{AccountRate, Pace},
    worker::{Invocation, Parts, Received, Worker},
};

/// Handles one event.
///
/// # Errors
///
/// `Err` returns the whole batch to the queue, and nothing was handled. The only cause is a message without
/// an id, which SQS never delivers.
pub async fn handle<P: Parts>(
    worker: &Worker<P>,
    pace: &Pace<impl AccountRate>,
    event: LambdaEvent<SqsEvent>,
) -> Result<SqsBatchResponse, lambda_runtime::Error> {
    // Before anything else: the pacer's first interval counts from the invocation's start.
    let began_at = (clock::now(), clock::instant());
    let share = pace.share();
    let id = event.context.request_id;
    let deadline = lambda::deadline(event.context.deadline, began_at.0, pace.timeout());
    let left = Duration::try_from(deadline - began_at.0).unwrap_or_default();
    let closing = Closing::of(began_at.1, left);
    let invocation = share.map(|share| Invocation::begin(id, share, began_at, closing, deadline));
    let batch = event.payload.records.into_iter().map(received).collect::<Result<_, _>>()?;
    // Boxed because it is large.
    let handling = Box::pin(async {
        match invocation {
            Ok(invocation) => worker.handle(&invocation, batch).await,
            Err(why) => worker.cannot_send(&why, closing, batch).await,
        }
    });
    Ok(batch::response(pace.beside(handling).await))
}

/// A message of the event, for the worker. `Err` means that it has no id.
pub fn received(mut message: SqsMessage) -> Result<Received, NoMessageId> {
    let attribute = |name: &str| message.attributes.get(name);
    let receives = attribute("ApproximateReceiveCount").and_then(|count| count.parse().ok());
    let moment = |name: &str| {
        let milliseconds: i128 = attribute(name)?.parse().ok()?;
        OffsetDateTime::from_unix_timestamp_nanos(milliseconds * 1_000_000).ok()
    };
    Ok(Received {
        receives: receives.unwrap_or(1),
        sent_at: moment("SentTimestamp"),
        first_received_at: moment("ApproximateFirstReceiveTimestamp"),
        sqs_message_id: batch::sqs_message_id(&mut message)?,
        receipt_handle: message.receipt_handle.unwrap_or_default(),
        body: message.body.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use lambda_runtime::Context;

    use super::*;
    use crate::testing::world::{pace, world};

    /// The messages of events/emails.json, in an invocation of that deadline.
    async fn sent(deadline: u64) -> usize {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../events/emails.json");
        let payload = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let mut context = Context::default();
        context.deadline = deadline;
        let world = world();
        let response =
            handle(&world, &pace().await, LambdaEvent { payload, context }).await.unwrap();
        assert_eq!(world.sent().len() + response.batch_item_failures.len(), 3);
        world.sent().len()
    }

    #[tokio::test(start_paused = true)]
    async fn attempt_that_could_outlive_the_invocation_does_not_start() {
        let now = clock::now();
        let from_now = |seconds| {
            let then = now + Duration::from_secs(seconds);
            u64::try_from(then.unix_timestamp_nanos() / 1_000_000).unwrap()
        };
        assert_eq!(sent(from_now(60)).await, 3);
        assert_eq!(sent(from_now(19)).await, 0, "an attempt and its settling need 19.5 s");
    }

    #[tokio::test(start_paused = true)]
    async fn invocation_without_a_valid_deadline_ends_at_the_functions_timeout() {
        // The deadline that `cargo lambda watch` sends.
        assert_eq!(sent(600_000).await, 3);
    }
}
