//! The dead-letter queue: unchanged bodies, with the reason as message attributes.

use aws_sdk_sqs::{Client, error::BuildError, types::MessageAttributeValue};
use email::{
    dead_letter::{DeadLetter, DeadLetters, attribute},
    job::MAX_MESSAGE_BYTES,
    text::is_carried,
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use unavailable::Unavailable;

/// In characters. The provider's message may be of any length.
const MAX_REASON_LENGTH: usize = 1_000;
/// In characters, for every other attribute.
const MAX_ATTRIBUTE_LENGTH: usize = 256;

/// Stores dead letters on an SQS queue. Needs `sqs:SendMessage` on it.
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
        const KEEP: &str = "storing a dead letter";
        let DeadLetter { body, sqs_message_id, job_id, reason, attempts } = letter;
        let (first, last) = (moment(attempts.first_at), moment(attempts.last_at));
        let count = attempts.count.to_string();
        let mut send = self.client.send_message().queue_url(&self.url).message_body(body);
        // A job within `MAX_JOB_BYTES` leaves room for all of them. Beside a larger body there is room for the first
        // ones, or for none: then the reason is in the log, and readers see the size.
        let mut room = MAX_MESSAGE_BYTES.saturating_sub(body.len());
        for (name, kind, value) in [
            (attribute::ERROR_CODE, "String", reason.code.as_str()),
            (attribute::REASON, "String", &reason.text),
            (attribute::SQS_MESSAGE_ID, "String", sqs_message_id),
            (attribute::JOB_ID, "String", job_id.map_or("", email::JobId::as_str)),
            (attribute::FIRST_ATTEMPT_AT, "String", &first),
            (attribute::LAST_ATTEMPT_AT, "String", &last),
            (attribute::ATTEMPTS, "Number", &count),
        ] {
            let value = plain(name, value);
            let size = name.len() + kind.len() + value.len();
            // SQS rejects an attribute without a value.
            if !value.is_empty() && size <= room {
                room -= size;
                let value = written(kind, value).map_err(|error| Unavailable::new(KEEP, error))?;
                send = send.message_attributes(name, value);
            }
        }
        send.send().await.map_err(|error| Unavailable::new(KEEP, error))?;
        Ok(())
    }
}

/// A value on one line, of the characters that SQS takes.
fn plain(name: &str, value: &str) -> String {
    let max = if name == attribute::REASON { MAX_REASON_LENGTH } else { MAX_ATTRIBUTE_LENGTH };
    let shown = |c: char| if c.is_control() || !is_carried(c) { ' ' } else { c };
    value.chars().map(shown).take(max).collect()
}

fn written(kind: &str, value: String) -> Result<MessageAttributeValue, BuildError> {
    MessageAttributeValue::builder().data_type(kind).string_value(value).build()
}

/// RFC 3339 in whole seconds. Empty only for years after 9999.
fn moment(at: OffsetDateTime) -> String {
    at.replace_nanosecond(0).unwrap_or(at).format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use aws_sdk_sqs::operation::send_message::SendMessageOutput;
    use aws_smithy_mocks::{mock, mock_client};
    use email::{
        dead_letter::{Attempts, Reason},
        job::MAX_JOB_BYTES,
        testing::{queue_refusal, sqs_refusal},
    };

    use super::*;

    /// The attributes of a letter with the longest reason and code, or SQS's refusal.
    async fn keep(body: &str) -> Result<Vec<String>, String> {
        let kept = Arc::new(Mutex::new(Err("nothing was sent".to_owned())));
        let keeping = kept.clone();
        let send = mock!(Client::send_message)
            .match_requests(move |request| {
                let attributes = request.message_attributes().cloned().unwrap_or_default();
                let refusal = sqs_refusal(
                    request.message_body().unwrap(),
                    attributes.iter().map(|(name, value)| {
                        (name.as_str(), value.data_type(), value.string_value().unwrap())
                    }),
                );
                *keeping.lock().unwrap() = match refusal {
                    Some((code, why)) => Err(format!("{code}: {why}")),
                    None => Ok(attributes.into_keys().collect()),
                };
                true
            })
            .then_output(|| SendMessageOutput::builder().build());
        let queue = DeadLetterQueue::new(mock_client!(aws_sdk_sqs, [&send]), "dlq".to_owned());
        let reason = Reason::new(&"😀".repeat(2_000), "😀".repeat(2_000));
        let at = OffsetDateTime::UNIX_EPOCH;
        let job_id = "x".repeat(128).parse().unwrap();
        let letter = DeadLetter {
            body,
            sqs_message_id: &"x".repeat(100),
            job_id: Some(&job_id),
            reason: &reason,
            attempts: Attempts { count: u32::MAX, first_at: at, last_at: at },
        };
        queue.keep(letter).await.unwrap();
        kept.lock().unwrap().clone()
    }

    #[tokio::test]
    async fn largest_job_is_kept_with_every_attribute_and_a_larger_body_with_those_that_fit() {
        assert_eq!(keep(&"x".repeat(MAX_JOB_BYTES)).await.unwrap().len(), 7);
        assert_eq!(keep(&"x".repeat(MAX_MESSAGE_BYTES)).await.unwrap().len(), 0);
        let some = keep(&"x".repeat(MAX_MESSAGE_BYTES - 1_200)).await.unwrap();
        assert!(some.contains(&attribute::ERROR_CODE.to_owned()), "{some:?}");
        assert!(!some.contains(&attribute::REASON.to_owned()), "{some:?}");
    }

    #[tokio::test]
    async fn whatever_the_queue_accepts_is_kept_with_every_attribute() {
        for size in [0, 1, 5_000, 8_192, 262_144] {
            let body = "x".repeat(MAX_JOB_BYTES - size);
            let value = "x".repeat(size.saturating_sub("trace".len() + "String".len()));
            // A producer's attributes count towards the queue's maximum, which is less than SQS's.
            let attributes = [("trace", "String", value.as_str())].into_iter();
            let attributes = attributes.filter(|(_, _, value)| !value.is_empty());
            assert_eq!(queue_refusal(MAX_JOB_BYTES, &body, attributes.clone()), None);
            assert!(
                queue_refusal(
                    MAX_JOB_BYTES,
                    &format!("{body}{}", "x".repeat(size + 1)),
                    attributes
                )
                .is_some()
            );
            assert_eq!(keep(&body).await.unwrap().len(), 7, "{size}");
        }
    }

    #[tokio::test]
    async fn reason_becomes_message_attributes() {
        let send = mock!(Client::send_message)
            .match_requests(|request| {
                let attributes = request.message_attributes().unwrap();
                let value = |name: &str| attributes[name].string_value().unwrap();
                request.message_body() == Some("body")
                    && value("error_code") == "MessageRejected"
                    && value("reason").starts_with("two lines xx")
                    && value("reason").len() == MAX_REASON_LENGTH
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
            format!("two\nlines\u{ffff}{}", "x".repeat(2 * MAX_REASON_LENGTH)),
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
