//! The email queue.

use std::time::Duration;

use aws_sdk_sqs::{
    error::ProvideErrorMetadata,
    types::{MessageSystemAttributeNameForSends, MessageSystemAttributeValue},
};

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

    /// Puts a message on the email queue with this trace header, which may be any text.
    pub async fn enqueue_traced(&self, body: impl Into<String>, trace: &str) {
        let attribute = MessageSystemAttributeValue::builder()
            .data_type("String")
            .string_value(trace)
            .build()
            .expect("the attribute has a type");
        self.sqs
            .send_message()
            .queue_url(self.output("EmailQueueUrl"))
            .message_body(body)
            .message_system_attributes(
                MessageSystemAttributeNameForSends::AwsTraceHeader,
                attribute,
            )
            .send()
            .await
            .expect("the queue accepts messages");
    }

    /// Puts a message on the email queue that the queue must refuse, and returns SQS's error code.
    pub async fn enqueue_refused(&self, body: impl Into<String>) -> String {
        let send = self.sqs.send_message().queue_url(self.output("EmailQueueUrl"));
        let refusal = send.message_body(body).send().await.expect_err("the queue takes it");
        refusal.code().unwrap_or_default().to_owned()
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

    /// Waits until a worker has received the job whose message contains this text, and has returned it, hidden for
    /// `max` or less.
    pub async fn wait_until_job_is_postponed(&self, mention: &str, max: Duration) {
        let queue = self.output("EmailQueueUrl");
        eventually(&format!("the return of the job with {mention}"), async || {
            let messages = self.emulator.messages(queue, mention).await;
            let hidden = messages.iter().find_map(QueuedMessage::hidden_for)?;
            (hidden <= max).then_some(())
        })
        .await;
    }

    /// Waits long enough for a worker to receive the job whose message contains this text, and fails if a worker has.
    ///
    /// The feedback queue shows how long that is, because the local AWS polls both queues in the same rounds. An event
    /// that is put there now is handled in this round or the next. When a second event was handled, a whole round is
    /// over.
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
