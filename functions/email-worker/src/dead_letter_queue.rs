//! The dead-letter queue: bodies as they came, with the reason as message attributes.

use aws_sdk_sqs::{Client, error::BuildError, types::MessageAttributeValue};
use email::dead_letter::{DeadLetter, DeadLetters};
use enrollment::ports::Unavailable;

/// The longest attribute, in characters; a provider's message can be of any length.
const LONGEST: usize = 1_000;

/// Keeps dead letters on an SQS queue. Needs `sqs:SendMessage` on it.
#[derive(Debug, Clone)]
pub struct DeadLetterQueue {
    client: Client,
    url: String,
}

impl DeadLetterQueue {
    /// The queue of that URL.
    pub fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }
}

impl DeadLetters for DeadLetterQueue {
    type Error = Unavailable;

    async fn keep(&self, letter: DeadLetter<'_>) -> Result<(), Unavailable> {
        const KEEP: &str = "keeping a dead letter";
        let mut send = self.client.send_message().queue_url(&self.url).message_body(letter.body);
        for (name, value) in [
            ("reason", Some(letter.reason.text.as_str())),
            ("error_code", Some(letter.reason.code.as_str())),
            ("message_id", Some(letter.message_id)),
            ("job_id", letter.job_id.map(email::JobId::as_str)),
        ] {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                let value = text(value).map_err(|error| Unavailable::new(KEEP, error))?;
                send = send.message_attributes(name, value);
            }
        }
        send.send().await.map_err(|error| Unavailable::new(KEEP, error))?;
        Ok(())
    }
}

/// A string attribute; SQS takes no control characters in it.
fn text(value: &str) -> Result<MessageAttributeValue, BuildError> {
    let plain: String =
        value.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect();
    MessageAttributeValue::builder().data_type("String").string_value(plain).build()
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::operation::send_message::SendMessageOutput;
    use aws_smithy_mocks::{mock, mock_client};
    use email::dead_letter::Reason;

    use super::*;

    #[tokio::test]
    async fn the_reason_travels_as_attributes() {
        let send = mock!(Client::send_message)
            .match_requests(|request| {
                let attributes = request.message_attributes().unwrap();
                let value = |name: &str| attributes[name].string_value().unwrap();
                request.message_body() == Some("body")
                    && value("error_code") == "MessageRejected"
                    && value("reason").starts_with("two lines xx")
                    && value("reason").len() == LONGEST
                    && value("message_id") == "m-1"
                    && !attributes.contains_key("job_id")
            })
            .then_output(|| SendMessageOutput::builder().build());
        let queue = DeadLetterQueue::new(mock_client!(aws_sdk_sqs, [&send]), "dlq".to_owned());
        let reason =
            Reason::new("MessageRejected", format!("two\nlines {}", "x".repeat(2 * LONGEST)));
        let letter = DeadLetter { body: "body", message_id: "m-1", job_id: None, reason: &reason };
        queue.keep(letter).await.unwrap();
    }
}
