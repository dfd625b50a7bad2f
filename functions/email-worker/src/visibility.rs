//! Gives messages back to the queue for later.

use std::time::Duration;

use aws_sdk_sqs::{Client, types::ChangeMessageVisibilityBatchRequestEntry};
use futures_util::{StreamExt, stream};

use crate::worker::{Postpone, Postponed};

/// SQS's own maximum per batched call.
const MAX_ENTRIES_PER_CALL: usize = 10;
const MAX_CONCURRENT_CALLS: usize = 10;
/// SQS's own maximum: a message may be hidden for 12 hours in total.
const MAX_SECONDS: u64 = 12 * 60 * 60;

/// Sets the visibility timeout of messages. Needs `sqs:ChangeMessageVisibility`.
#[derive(Debug, Clone)]
pub struct Visibility {
    client: Client,
    queue_url: String,
}

impl Visibility {
    pub fn new(client: Client, queue_url: String) -> Self {
        Self { client, queue_url }
    }

    /// Calls once, and once more for entries that failed on SQS's side. If an entry fails again, its message
    /// comes back by itself when its visibility timeout ends.
    async fn change(&self, entries: Vec<ChangeMessageVisibilityBatchRequestEntry>) {
        let again = self.call(entries).await;
        if !again.is_empty() {
            let left = self.call(again).await.len();
            if left > 0 {
                tracing::warn!(left, "messages were not given back early");
            }
        }
    }

    /// Makes one call, and returns the entries to retry.
    async fn call(
        &self,
        entries: Vec<ChangeMessageVisibilityBatchRequestEntry>,
    ) -> Vec<ChangeMessageVisibilityBatchRequestEntry> {
        let changed = self
            .client
            .change_message_visibility_batch()
            .queue_url(&self.queue_url)
            .set_entries(Some(entries.clone()))
            .send()
            .await;
        match changed {
            Ok(answer) => {
                let mut again = Vec::new();
                for failed in answer.failed() {
                    if failed.sender_fault() {
                        // Most likely a later receive has replaced the receipt: another worker has it.
                        tracing::warn!(code = failed.code(), "a message was not given back early");
                    } else {
                        again.extend(entries.iter().find(|e| e.id() == failed.id()).cloned());
                    }
                }
                again
            }
            // The client has retried already.
            Err(error) => {
                let count = entries.len();
                tracing::warn!(count, error = %error.into_service_error(), "messages were not given back early");
                Vec::new()
            }
        }
    }
}

impl Postpone for Visibility {
    async fn postpone(&self, messages: &[Postponed]) {
        let calls = messages.chunks(MAX_ENTRIES_PER_CALL).map(|messages| {
            let entries = messages.iter().enumerate().filter_map(|(n, message)| {
                ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(n.to_string())
                    .receipt_handle(&message.receipt_handle)
                    .visibility_timeout(seconds(message.after))
                    .build()
                    .ok()
            });
            self.change(entries.collect())
        });
        stream::iter(calls).buffer_unordered(MAX_CONCURRENT_CALLS).collect::<()>().await;
    }
}

/// Whole seconds, rounded up: never too early.
fn seconds(after: Duration) -> i32 {
    let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
    i32::try_from(seconds.min(MAX_SECONDS)).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::{
        operation::change_message_visibility_batch::ChangeMessageVisibilityBatchOutput,
        types::BatchResultErrorEntry,
    };
    use aws_smithy_mocks::{RuleMode, mock, mock_client};

    use super::*;

    #[test]
    fn delays_round_up_and_stay_within_sqs_maximum() {
        assert_eq!(seconds(Duration::ZERO), 0);
        assert_eq!(seconds(Duration::from_millis(1)), 1);
        assert_eq!(seconds(Duration::from_hours(24)), 43_200);
    }

    fn messages(count: usize) -> Vec<Postponed> {
        let message = |n: usize| Postponed {
            sqs_message_id: n.to_string(),
            receipt_handle: n.to_string(),
            after: Duration::from_secs(30),
        };
        (0..count).map(message).collect()
    }

    #[tokio::test]
    async fn an_entry_that_failed_on_sqs_side_is_retried_once() {
        let failed = |id: &str, sender_fault: bool| {
            BatchResultErrorEntry::builder()
                .id(id)
                .code("Some")
                .sender_fault(sender_fault)
                .build()
                .unwrap()
        };
        let answer = move |failures: Vec<BatchResultErrorEntry>| {
            ChangeMessageVisibilityBatchOutput::builder()
                .set_successful(Some(Vec::new()))
                .set_failed(Some(failures))
                .build()
                .unwrap()
        };
        let first = mock!(Client::change_message_visibility_batch)
            .match_requests(|request| request.entries().len() == 3)
            .then_output(move || answer(vec![failed("0", true), failed("2", false)]));
        let again = mock!(Client::change_message_visibility_batch)
            .match_requests(|request| {
                let [entry] = request.entries() else { return false };
                entry.receipt_handle() == "2" && entry.visibility_timeout() == Some(30)
            })
            .then_output(move || answer(vec![failed("2", false)]));
        let client = mock_client!(aws_sdk_sqs, RuleMode::MatchAny, [&first, &again]);
        Visibility::new(client, "q".to_owned()).postpone(&messages(3)).await;
        assert_eq!((first.num_calls(), again.num_calls()), (1, 1));
    }

    #[tokio::test]
    async fn a_call_has_at_most_ten_messages() {
        let change = mock!(Client::change_message_visibility_batch)
            .match_requests(|request| {
                (1..=10).contains(&request.entries().len())
                    && request.entries().iter().all(|entry| entry.visibility_timeout() == Some(30))
            })
            .then_output(|| {
                ChangeMessageVisibilityBatchOutput::builder()
                    .set_successful(Some(Vec::new()))
                    .set_failed(Some(Vec::new()))
                    .build()
                    .unwrap()
            });
        let visibility = Visibility::new(
            mock_client!(aws_sdk_sqs, RuleMode::MatchAny, [&change]),
            "q".to_owned(),
        );
        visibility.postpone(&messages(25)).await;
        assert_eq!(change.num_calls(), 3);
    }
}
