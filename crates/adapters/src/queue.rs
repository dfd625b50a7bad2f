//! The email queue for producers.

use aws_sdk_sqs::Client;
use email::{
    Job,
    job::{MAX_JOB_BYTES, MalformedJob},
    queue::EnqueueEmail,
};
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
        self.client
            .send_message()
            .queue_url(&self.url)
            .message_body(body)
            .send()
            .await
            .map_err(|error| Unavailable::new(ENQUEUE, error))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::{
        operation::send_message::SendMessageOutput, types::error::InvalidMessageContents,
    };
    use aws_smithy_mocks::{mock, mock_client};
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
