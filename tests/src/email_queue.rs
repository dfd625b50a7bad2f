//! The email queue.

use std::time::Duration;

use crate::{
    DeployedStack, Student, emulator::QueuedMessage, eventually, feedback::feedback_event,
    unique_id,
};

impl DeployedStack {
    /// Puts a message on the email queue, and returns its SQS message id.
    pub async fn enqueue(&self, body: impl Into<String>) -> String {
        let sent = self
            .sqs
            .send_message()
            .queue_url(self.output("EmailQueueUrl"))
            .message_body(body)
            .send()
            .await
            .expect("the queue accepts messages");
        sent.message_id.expect("a message has an id")
    }

    /// Puts messages on the email queue in one request, so that a worker may receive them in one batch.
    pub async fn enqueue_together(&self, bodies: &[String]) {
        self.put_messages(self.output("EmailQueueUrl"), bodies).await;
    }

    /// The messages of the email queue that contain this text, visible or hidden.
    pub async fn queued_messages(&self, mention: &str) -> Vec<QueuedMessage> {
        self.emulator.messages(self.output("EmailQueueUrl"), mention).await
    }

    /// Waits until no message of the email queue, visible or hidden, contains this text.
    pub async fn wait_until_not_queued(&self, mention: &str) {
        let queue = self.output("EmailQueueUrl");
        eventually(&format!("an email queue without {mention}"), async || {
            self.emulator.messages(queue, mention).await.is_empty().then_some(())
        })
        .await;
    }

    /// Waits until a worker has received the job whose message contains this text, and has given it back for
    /// `max` or less.
    pub async fn wait_until_job_is_postponed(&self, mention: &str, max: Duration) {
        let queue = self.output("EmailQueueUrl");
        eventually(&format!("the job with {mention} given back"), async || {
            let messages = self.emulator.messages(queue, mention).await;
            let hidden = messages.iter().find_map(QueuedMessage::hidden_for)?;
            (hidden <= max).then_some(())
        })
        .await;
    }

    /// Waits long enough for a worker to receive the job whose message contains this text, and fails if one has.
    ///
    /// The feedback queue shows how long that is, because the local AWS polls both queues in the same rounds. An event
    /// that is put there now is handled in this round or the next. After a second event, a whole round is over.
    pub async fn assert_job_is_not_received(&self, mention: &str) {
        for _ in 0..2 {
            let witness = unique_id("witness");
            self.put_feedback(&[feedback_event("delivered", &witness, &Student::named("Nobody"))])
                .await;
            self.wait_until_feedback_is_handled(&witness).await;
        }
        let messages = self.emulator.messages(self.output("EmailQueueUrl"), mention).await;
        assert_eq!(messages.len(), 1, "the job with {mention} is not on the email queue");
        assert!(!messages.iter().any(QueuedMessage::was_received), "{messages:?}");
    }
}
