//! The dead-letter queue: unchanged bodies, with the reason as message attributes.

use aws_sdk_sqs::{Client, error::BuildError, types::MessageAttributeValue};
use email::dead_letter::{DeadLetter, DeadLetters, attribute};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use unavailable::Unavailable;

/// In characters; a provider's message can have any length.
const MAX_ATTRIBUTE_LENGTH: usize = 1_000;

/// Keeps dead letters on an SQS queue. Needs `sqs:SendMessage` on it.
#[derive(Debug, Clone)]
pub struct DeadLetterQueue {
    client: Client,
    url: String,
}

impl DeadLetterQueue {
    pub fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }
}

impl DeadLetters for DeadLetterQueue {
    async fn keep(&self, letter: DeadLetter<'_>) -> Result<(), Unavailable> {
        const KEEP: &str = "keeping a dead letter";
        let DeadLetter { body, sqs_message_id, job_id, reason, attempts } = letter;
        let (first, last) = (moment(attempts.first_at), moment(attempts.last_at));
        let count = attempts.count.to_string();
        let mut send = self.client.send_message().queue_url(&self.url).message_body(body);
        for (name, kind, value) in [
            (attribute::REASON, "String", reason.text.as_str()),
            (attribute::ERROR_CODE, "String", &reason.code),
            (attribute::SQS_MESSAGE_ID, "String", sqs_message_id),
            (attribute::JOB_ID, "String", job_id.map_or("", email::JobId::as_str)),
            (attribute::FIRST_ATTEMPT_AT, "String", &first),
            (attribute::LAST_ATTEMPT_AT, "String", &last),
            (attribute::ATTEMPTS, "Number", &count),
        ] {
            // SQS refuses an attribute without a value.
            if !value.is_empty() {
                let value = written(kind, value).map_err(|error| Unavailable::new(KEEP, error))?;
                send = send.message_attributes(name, value);
            }
        }
        send.send().await.map_err(|error| Unavailable::new(KEEP, error))?;
        Ok(())
    }
}

/// An attribute; SQS refuses control characters in it.
fn written(kind: &str, value: &str) -> Result<MessageAttributeValue, BuildError> {
    let plain: String = value
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MAX_ATTRIBUTE_LENGTH)
        .collect();
    MessageAttributeValue::builder().data_type(kind).string_value(plain).build()
}

/// RFC 3339 in whole seconds. Only years after 9999 have no such form.
fn moment(at: OffsetDateTime) -> String {
    at.replace_nanosecond(0).unwrap_or(at).format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::operation::send_message::SendMessageOutput;
    use aws_smithy_mocks::{mock, mock_client};
    use email::dead_letter::{Attempts, Reason};

    use super::*;

    #[tokio::test]
    async fn the_reason_becomes_message_attributes() {
        let send = mock!(Client::send_message)
            .match_requests(|request| {
                let attributes = request.message_attributes().unwrap();
                let value = |name: &str| attributes[name].string_value().unwrap();
                request.message_body() == Some("body")
                    && value("error_code") == "MessageRejected"
                    && value("reason").starts_with("two lines xx")
                    && value("reason").len() == MAX_ATTRIBUTE_LENGTH
                    && value("sqs_message_id") == "m-1"
                    && value("attempts") == "3"
                    && attributes["attempts"].data_type() == "Number"
                    && value("first_attempt_at") == "1970-01-01T00:00:00Z"
                    && value("last_attempt_at") == "1970-01-01T00:01:30Z"
                    && !attributes.contains_key("job_id")
            })
            .then_output(|| SendMessageOutput::builder().build());
        let queue = DeadLetterQueue::new(mock_client!(aws_sdk_sqs, [&send]), "dlq".to_owned());
        let reason = Reason::new(
            "MessageRejected",
            format!("two\nlines {}", "x".repeat(2 * MAX_ATTRIBUTE_LENGTH)),
        );
        let first_at = OffsetDateTime::UNIX_EPOCH;
        let last_at = first_at + std::time::Duration::from_millis(90_100);
        let attempts = Attempts { count: 3, first_at, last_at };
        let letter = DeadLetter {
            body: "body",
            sqs_message_id: "m-1",
            job_id: None,
            reason: &reason,
            attempts,
        };
        queue.keep(letter).await.unwrap();
    }
}
