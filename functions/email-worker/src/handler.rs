//! From an SQS event to a partial batch response.

use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use email::dead_letter::attribute;
use invocation::trace::TraceHeader;
use lambda::{
    batch::{self, NoMessageId},
    clock, log_events,
};
use lambda_runtime::LambdaEvent;
use time::OffsetDateTime;

use crate::{
    closing::Closing,
    measures::limit_per_minute,
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
    let batch = event.payload.records.into_iter().map(received).collect::<Result<Vec<_>, _>>()?;
    let received = batch.len();
    // Boxed because it is large.
    let handling = Box::pin(async {
        match &invocation {
            Ok(invocation) => worker.handle(invocation, batch).await,
            Err(why) => worker.cannot_send(why, closing, batch).await,
        }
    });
    let returned = pace.beside(handling).await;
    // The limit may have been lowered meanwhile.
    let share = invocation.as_ref().ok().map(|invocation| invocation.pacer.share());
    let limit_per_minute = share.map(limit_per_minute);
    tracing::info!(
        event = log_events::BATCH,
        received,
        returned = returned.len(),
        limit_per_minute,
        "a batch was handled",
    );
    Ok(batch::response(returned))
}

/// A message of the event, for the worker. `Err` means that it has no id.
pub fn received(mut message: SqsMessage) -> Result<Received, NoMessageId> {
    let attribute = |name: &str| message.attributes.get(name);
    let receives = attribute("ApproximateReceiveCount").and_then(|count| count.parse().ok());
    let moment = |name: &str| {
        let milliseconds: u64 = attribute(name)?.parse().ok()?;
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(milliseconds) * 1_000_000).ok()
    };
    Ok(Received {
        was_letter: was_letter(&message),
        receives: receives.unwrap_or(1),
        sent_at: moment("SentTimestamp"),
        first_received_at: moment("ApproximateFirstReceiveTimestamp"),
        trace: attribute("AWSTraceHeader").and_then(|header| TraceHeader::parse(header)),
        sqs_message_id: batch::sqs_message_id(&mut message)?,
        receipt_handle: message.receipt_handle.unwrap_or_default(),
        body: message.body.unwrap_or_default(),
    })
}

/// The error code of a message that was a dead letter. SQS moves a letter back with its attributes, because it does not
/// modify what it moves, and as a new message with a new id (Amazon SQS Developer Guide, "Configuring a dead-letter
/// queue redrive").
fn was_letter(message: &SqsMessage) -> Option<String> {
    let attribute = |name: &str| message.message_attributes.get(name)?.string_value.clone();
    attribute(attribute::SQS_MESSAGE_ID)?;
    attribute(attribute::ERROR_CODE)
}

#[cfg(test)]
mod tests {
    use lambda_runtime::Context;

    use super::*;
    use crate::testing::world::{pace, world};

    #[test]
    fn message_that_was_a_dead_letter_is_recognised_by_its_attributes() {
        let message = |attributes: &str| -> SqsMessage {
            let attributes: serde_json::Value = serde_json::from_str(attributes).unwrap();
            serde_json::from_value(serde_json::json!({
                "messageId": "m-1",
                "attributes": {"SentTimestamp": "1500", "ApproximateFirstReceiveTimestamp": "x"},
                "messageAttributes": attributes,
            }))
            .unwrap()
        };
        let text = |value: &str| format!(r#"{{"stringValue":"{value}","dataType":"String"}}"#);
        let (code, id) = (text("MessageRejected"), text("m-0"));
        let letter = format!(r#"{{"error_code":{code},"sqs_message_id":{id}}}"#);
        let received = received(message(&letter)).unwrap();
        assert_eq!(received.was_letter.as_deref(), Some("MessageRejected"));
        assert_eq!(received.sent_at.unwrap().unix_timestamp_nanos(), 1_500_000_000);
        assert_eq!(received.first_received_at, None);
        // A producer may have an attribute of that name.
        let producers = format!(r#"{{"error_code":{code}}}"#);
        assert_eq!(super::received(message(&producers)).unwrap().was_letter, None);
    }

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

    fn with_attributes(attributes: &[(&str, &str)]) -> Received {
        let mut message = SqsMessage::default();
        message.message_id = Some("m-1".to_owned());
        let attributes = attributes.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        message.attributes = attributes.collect();
        received(message).unwrap()
    }

    #[test]
    fn message_brings_its_trace_and_the_time_that_it_was_queued() {
        let header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
        let message =
            with_attributes(&[("AWSTraceHeader", header), ("SentTimestamp", "1795426200137")]);
        assert_eq!(message.trace, TraceHeader::parse(header));
        assert!(message.trace.is_some());
        let sent_at = OffsetDateTime::UNIX_EPOCH + Duration::from_millis(1_795_426_200_137);
        assert_eq!(message.sent_at, Some(sent_at));
    }

    #[test]
    fn attributes_that_are_not_valid_are_missing() {
        let longest = u64::MAX.to_string();
        for text in ["", "-1", "soon", "Root=;;==", "\u{0}", longest.as_str(), &"=".repeat(100_000)]
        {
            let message = with_attributes(&[
                ("AWSTraceHeader", text),
                ("SentTimestamp", text),
                ("ApproximateFirstReceiveTimestamp", text),
                ("ApproximateReceiveCount", text),
            ]);
            let none = (message.trace, message.sent_at, message.first_received_at);
            assert_eq!(none, (None, None, None), "{text:.20}");
            assert_eq!(message.receives, 1);
        }
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
