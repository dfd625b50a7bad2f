//! The dead-letter queue of email jobs.

use std::collections::HashMap;

use aws_sdk_sqs::types::{Message, MessageAttributeValue};

use crate::{DeployedStack, eventually};

/// A message on the dead-letter queue.
#[derive(Debug)]
pub struct DeadLetter {
    /// The body of the job.
    pub body: String,
    attributes: HashMap<String, String>,
}

impl DeadLetter {
    /// The value of an attribute. Fails if the message does not have it.
    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).unwrap_or_else(|| panic!("no attribute {name} in {self:?}"))
    }
}

impl From<Message> for DeadLetter {
    fn from(message: Message) -> Self {
        let attributes = message.message_attributes.unwrap_or_default();
        Self {
            body: message.body.unwrap_or_default(),
            attributes: attributes
                .into_iter()
                .filter_map(|(name, value)| Some((name, value.string_value?)))
                .collect(),
        }
    }
}

impl DeployedStack {
    /// Puts a message on the dead-letter queue, as the email queue does after too many receives.
    pub async fn put_dead_letter(&self, body: impl Into<String>) {
        self.sqs
            .send_message()
            .queue_url(self.output("EmailDeadLetterQueueUrl"))
            .message_body(body)
            .send()
            .await
            .expect("the dead-letter queue accepts messages");
    }

    /// Moves a letter that was taken back to the email queue, as SQS's own redrive does: a new message with the same body
    /// and attributes.
    pub async fn move_back(&self, letter: &DeadLetter) {
        let mut send = self.sqs.send_message().queue_url(self.output("EmailQueueUrl"));
        for (name, value) in &letter.attributes {
            let value = MessageAttributeValue::builder().data_type("String").string_value(value);
            send = send.message_attributes(name, value.build().expect("it has a type"));
        }
        send.message_body(&letter.body).send().await.expect("the queue accepts messages");
    }

    /// Waits for the dead letter whose body contains this text, and deletes it from its queue.
    pub async fn take_dead_letter(&self, mention: &str) -> DeadLetter {
        let message = eventually(&format!("a dead letter with {mention}"), async || {
            let mut messages = self.receive_dead_letters().await.into_iter();
            messages.find(|message| message.body().is_some_and(|body| body.contains(mention)))
        })
        .await;
        self.delete_dead_letter(message).await
    }

    /// Deletes the dead letters whose bodies contain this text from their queue, and returns them.
    pub async fn take_dead_letters(&self, mention: &str) -> Vec<DeadLetter> {
        let queue = self.output("EmailDeadLetterQueueUrl");
        let mut letters = Vec::new();
        eventually(&format!("a dead-letter queue without {mention}"), async || {
            for message in self.receive_dead_letters().await {
                if message.body().is_some_and(|body| body.contains(mention)) {
                    letters.push(self.delete_dead_letter(message).await);
                }
            }
            self.emulator.messages(queue, mention).await.is_empty().then_some(())
        })
        .await;
        letters
    }

    async fn receive_dead_letters(&self) -> Vec<Message> {
        let received = self
            .sqs
            .receive_message()
            .queue_url(self.output("EmailDeadLetterQueueUrl"))
            .max_number_of_messages(10)
            .message_attribute_names("All")
            // Long enough for the next call to receive other messages, and short enough for the journeys that wait for
            // these.
            .visibility_timeout(1)
            .send()
            .await
            .expect("the dead-letter queue can be read");
        received.messages.unwrap_or_default()
    }

    async fn delete_dead_letter(&self, message: Message) -> DeadLetter {
        self.sqs
            .delete_message()
            .queue_url(self.output("EmailDeadLetterQueueUrl"))
            .set_receipt_handle(message.receipt_handle.clone())
            .send()
            .await
            .expect("a dead letter can be deleted");
        message.into()
    }
}
