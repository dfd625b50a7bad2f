//! The email queue for producers.

use aws_sdk_sqs::{
    Client,
    error::BuildError,
    types::{MessageSystemAttributeNameForSends, MessageSystemAttributeValue},
};
use email::{
    Job,
    job::{MAX_JOB_BYTES, MalformedJob},
    queue::EnqueueEmail,
};
use invocation::trace::{self, TraceHeader};
use unavailable::Unavailable;

/// Puts email jobs on the SQS queue. Needs `sqs:SendMessage`.
#[derive(Debug, Clone)]
pub struct EmailQueue {
    client: Client,
    url: String,
}

impl EmailQueue {
    pub fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }
}

impl EnqueueEmail for EmailQueue {
    async fn enqueue_email(&self, job: &Job) -> Result<(), Unavailable> {
        const ENQUEUE: &str = "sending the email job to the queue";
        let body = job.to_body();
        if body.len() > MAX_JOB_BYTES {
            return Err(Unavailable::new(ENQUEUE, MalformedJob::TooLarge));
        }
        let mut send = self.client.send_message().queue_url(&self.url).message_body(body);
        if let Some(trace) = trace::current() {
            let attribute =
                trace_attribute(&trace).map_err(|error| Unavailable::new(ENQUEUE, error))?;
            send = send.message_system_attributes(
                MessageSystemAttributeNameForSends::AwsTraceHeader,
                attribute,
            );
        }
        send.send().await.map_err(|error| Unavailable::new(ENQUEUE, error))?;
        Ok(())
    }
}

/// Carries the trace to the worker. It counts neither towards the message's size nor its attributes, and
/// overrides the trace header that the SDK sends as an HTTP header, which is that of the invocation (X-Ray
/// Developer Guide, "Amazon SQS and AWS X-Ray").
fn trace_attribute(trace: &TraceHeader) -> Result<MessageSystemAttributeValue, BuildError> {
    MessageSystemAttributeValue::builder().data_type("String").string_value(trace.as_str()).build()
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::{
        operation::send_message::{SendMessageInput, SendMessageOutput},
        types::error::InvalidMessageContents,
    };
    use aws_smithy_mocks::{RuleMode, mock, mock_client};
    use email::{Message, job::Content};

    use super::*;

    fn job() -> Job {
        Job {
            id: "a-1".parse().unwrap(),
            to: "ada@example.com".parse().unwrap(),
            content: Content::Message(Message {
                subject: "Hi".parse().unwrap(),
                text: "Hello".to_owned(),
                html: None,
            }),
            deadline: None,
        }
    }

    #[tokio::test]
    async fn sent_body_follows_the_contract() {
        let send = mock!(Client::send_message)
            .match_requests(|request| {
                request.queue_url() == Some("https://queue.example")
                    && Job::parse(request.message_body().unwrap_or_default()) == Ok(job())
            })
            .then_output(|| SendMessageOutput::builder().build());
        let queue =
            EmailQueue::new(mock_client!(aws_sdk_sqs, [&send]), "https://queue.example".to_owned());
        queue.enqueue_email(&job()).await.unwrap();
        assert_eq!(send.num_calls(), 1);
    }

    #[tokio::test]
    async fn job_carries_the_trace_of_the_work_in_progress_and_otherwise_none() {
        const HEADER: &str =
            "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
        let header = |request: &SendMessageInput| {
            let name = MessageSystemAttributeNameForSends::AwsTraceHeader;
            let attributes = request.message_system_attributes().cloned().unwrap_or_default();
            attributes.get(&name).and_then(|value| value.string_value().map(str::to_owned))
        };
        let traced = mock!(Client::send_message)
            .match_requests(move |request| header(request).as_deref() == Some(HEADER))
            .then_output(|| SendMessageOutput::builder().build());
        let untraced = mock!(Client::send_message)
            .match_requests(move |request| header(request).is_none())
            .then_output(|| SendMessageOutput::builder().build());
        let client = mock_client!(aws_sdk_sqs, RuleMode::MatchAny, [&traced, &untraced]);
        let queue = EmailQueue::new(client, "q".to_owned());
        let job = job();
        trace::within(TraceHeader::parse(HEADER), queue.enqueue_email(&job)).await.unwrap();
        assert_eq!((traced.num_calls(), untraced.num_calls()), (1, 0));
        queue.enqueue_email(&job).await.unwrap();
        assert_eq!((traced.num_calls(), untraced.num_calls()), (1, 1));
    }

    #[tokio::test]
    async fn job_that_could_not_be_kept_as_a_dead_letter_is_not_sent() {
        let send = mock!(Client::send_message).then_output(|| SendMessageOutput::builder().build());
        let queue = EmailQueue::new(mock_client!(aws_sdk_sqs, [&send]), "q".to_owned());
        let text = "x".repeat(MAX_JOB_BYTES);
        let subject = "Hi".parse().unwrap();
        let content = Content::Message(Message { subject, text, html: None });
        let error = queue.enqueue_email(&Job { content, ..job() }).await.unwrap_err().to_string();
        assert!(error.contains("the body is larger than 1040384 bytes"), "{error}");
        assert_eq!(send.num_calls(), 0);
    }

    #[tokio::test]
    async fn refused_send_is_an_error_with_its_cause() {
        let send = mock!(Client::send_message).then_error(|| {
            aws_sdk_sqs::operation::send_message::SendMessageError::InvalidMessageContents(
                InvalidMessageContents::builder().message("control characters").build(),
            )
        });
        let queue = EmailQueue::new(mock_client!(aws_sdk_sqs, [&send]), "q".to_owned());
        let error = queue.enqueue_email(&job()).await.unwrap_err().to_string();
        assert!(error.starts_with("sending the email job to the queue failed: "), "{error}");
        assert!(error.contains("control characters"), "{error}");
    }
}
