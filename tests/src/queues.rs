//! Operations on any queue.

use std::{
    panic::{AssertUnwindSafe, resume_unwind},
    time::Duration,
};

use aws_sdk_sqs::types::{QueueAttributeName, SendMessageBatchRequestEntry};
use futures_util::FutureExt;

use crate::{DeployedStack, emulator::QueuedMessage, unique_id};

impl DeployedStack {
    /// Puts messages on a queue in one request.
    pub(crate) async fn put_messages(&self, queue: &str, bodies: &[String]) {
        let entries = bodies.iter().enumerate().map(|(number, body)| {
            SendMessageBatchRequestEntry::builder()
                .id(number.to_string())
                .message_body(body)
                .build()
                .expect("an entry has an id and a body")
        });
        let sent = self
            .sqs
            .send_message_batch()
            .queue_url(queue)
            .set_entries(Some(entries.collect()))
            .send()
            .await
            .expect("the queue accepts messages");
        assert!(sent.failed.is_empty(), "{:?}", sent.failed);
    }

    /// Creates a queue with this visibility timeout, and returns its URL.
    pub async fn create_queue(&self, visibility: Duration) -> String {
        let create = self.sqs.create_queue().queue_name(unique_id("queue"));
        let visibility = visibility.as_secs().to_string();
        let create = create.attributes(QueueAttributeName::VisibilityTimeout, visibility);
        let created = create.send().await.expect("a queue can be created");
        created.queue_url.expect("a queue has a URL")
    }

    /// Deletes a queue.
    pub async fn delete_queue(&self, queue_url: &str) {
        self.sqs.delete_queue().queue_url(queue_url).send().await.expect("a queue can be deleted");
    }

    /// How often the message with this text was received. `None` if it is not on the queue.
    pub async fn receives(&self, queue_url: &str, mention: &str) -> Option<u32> {
        let messages = self.emulator.messages(queue_url, mention).await;
        messages.first().map(QueuedMessage::receives)
    }

    /// Puts a message on a queue.
    pub async fn put_message(&self, queue: &str, body: &str) {
        self.put_messages(queue, &[body.to_owned()]).await;
    }

    /// Deletes all messages of a queue. Needs an exclusive stack, because other journeys may wait for theirs.
    pub async fn purge(&self, queue: &str) {
        self.assert_exclusive();
        self.sqs.purge_queue().queue_url(queue).send().await.expect("a queue can be purged");
    }

    /// Runs `meanwhile` while a queue has another visibility timeout. Needs an exclusive stack, because other journeys
    /// use the same queue.
    pub async fn with_visibility_timeout<T>(
        &self,
        queue_url: &str,
        timeout: Duration,
        meanwhile: impl AsyncFnOnce() -> T,
    ) -> T {
        self.assert_exclusive();
        let name = QueueAttributeName::VisibilityTimeout;
        let request = self.sqs.get_queue_attributes().queue_url(queue_url);
        let response = request.attribute_names(name.clone()).send().await;
        let attributes = response.expect("the queue's attributes can be read").attributes;
        let before = attributes.and_then(|attributes| attributes.get(&name).cloned());

        self.set_visibility_timeout(queue_url, timeout.as_secs().to_string()).await;
        let outcome = AssertUnwindSafe(meanwhile()).catch_unwind().await;
        // Even if it failed. Otherwise the journeys after it would fail for the same reason.
        self.set_visibility_timeout(queue_url, before.expect("a queue has a visibility timeout"))
            .await;
        outcome.unwrap_or_else(|panic| resume_unwind(panic))
    }

    async fn set_visibility_timeout(&self, queue_url: &str, seconds: String) {
        let changed = self
            .sqs
            .set_queue_attributes()
            .queue_url(queue_url)
            .attributes(QueueAttributeName::VisibilityTimeout, seconds)
            .send()
            .await;
        changed.expect("the visibility timeout can be set");
    }
}
