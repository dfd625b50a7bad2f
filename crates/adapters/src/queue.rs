//! The email queue for producers.

use aws_sdk_sqs::{
    Client,
    types::{BatchResultErrorEntry, SendMessageBatchRequestEntry},
};
use email::{
    Job,
    job::{MAX_JOB_BYTES, MAX_MESSAGE_BYTES, MalformedJob},
    queue::{EnqueueEmail, EnqueueEmails, NotEnqueued},
};
use unavailable::Unavailable;

/// SQS's maximum of entries per batched call (Amazon SQS API Reference, `SendMessageBatch`).
const ENTRIES_PER_CALL: usize = 10;

/// SQS's maximum for all messages of a batched call together: 1 MiB (Amazon SQS API Reference,
/// `SendMessageBatch`).
const BYTES_PER_CALL: usize = MAX_MESSAGE_BYTES;

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

impl EnqueueEmails for EmailQueue {
    async fn enqueue_emails(&self, jobs: &[Job]) -> Vec<Result<(), NotEnqueued>> {
        let mut results = Vec::with_capacity(jobs.len());
        let mut bodies = jobs.iter().map(Job::to_body).peekable();
        while bodies.peek().is_some() {
            let (mut call, mut bytes) = (Vec::new(), 0);
            while let Some(body) = bodies.next_if(|body| {
                call.is_empty()
                    || (call.len() < ENTRIES_PER_CALL && bytes + body.len() <= BYTES_PER_CALL)
            }) {
                bytes += body.len();
                call.push(body);
            }
            results.extend(self.send_batch(call).await);
        }
        results
    }
}

impl EmailQueue {
    /// One call, with at least one body and not more than the maximum.
    async fn send_batch(&self, bodies: Vec<String>) -> Vec<Result<(), NotEnqueued>> {
        const ENQUEUE: &str = "sending email jobs to the queue";
        let mut results: Vec<_> = bodies
            .iter()
            .map(|body| {
                if body.len() > MAX_JOB_BYTES {
                    let refusal = Unavailable::new(ENQUEUE, MalformedJob::TooLarge);
                    Err(NotEnqueued::Refused(refusal))
                } else {
                    Ok(())
                }
            })
            .collect();
        // The id of an entry is its place.
        let entries = bodies.into_iter().enumerate().filter(|(place, _)| results[*place].is_ok());
        let entries = entries.map(|(place, body)| {
            SendMessageBatchRequestEntry::builder().id(place.to_string()).message_body(body).build()
        });
        let entries: Vec<_> = entries.filter_map(Result::ok).collect();
        if entries.is_empty() {
            return results;
        }
        let sent = self.client.send_message_batch().queue_url(&self.url);
        match sent.set_entries(Some(entries)).send().await {
            // "You should check for batch errors even when the call returns an HTTP status code of 200"
            // (Amazon SQS API Reference, `SendMessageBatch`). An entry without a result is not enqueued.
            Ok(sent) => {
                for (place, result) in results.iter_mut().enumerate().filter(|(_, at)| at.is_ok()) {
                    let place = place.to_string();
                    if sent.successful.iter().any(|entry| entry.id == place) {
                        continue;
                    }
                    let failed = sent.failed.iter().find(|entry| entry.id == place);
                    *result = Err(not_enqueued(ENQUEUE, failed));
                }
            }
            Err(error) => {
                let error = Unavailable::new(ENQUEUE, error).to_string();
                for result in results.iter_mut().filter(|result| result.is_ok()) {
                    *result = Err(Unavailable::new(ENQUEUE, error.clone()).into());
                }
            }
        }
        results
    }
}

fn not_enqueued(operation: &'static str, failed: Option<&BatchResultErrorEntry>) -> NotEnqueued {
    let Some(failed) = failed else {
        return Unavailable::new(operation, "the response has no result for this job").into();
    };
    let message = failed.message.as_deref().unwrap_or_default();
    let error = Unavailable::new(operation, format!("{}: {message}", failed.code));
    if failed.sender_fault { NotEnqueued::Refused(error) } else { error.into() }
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::{
        operation::{
            send_message::SendMessageOutput,
            send_message_batch::{SendMessageBatchError, SendMessageBatchOutput},
        },
        types::{
            SendMessageBatchResultEntry,
            error::{InvalidMessageContents, RequestThrottled},
        },
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

    /// As SQS does: the entries with these places fail, all others are sent.
    fn batch(
        failing: &'static [(usize, bool)],
        omitted: &'static [usize],
    ) -> aws_smithy_mocks::Rule {
        mock!(Client::send_message_batch)
            .match_requests(|request| {
                let bytes: usize =
                    request.entries().iter().map(|entry| entry.message_body().len()).sum();
                (1..=10).contains(&request.entries().len()) && bytes <= 1_048_576
            })
            .then_output(|| {
                let sent = (0..10).filter(|place| {
                    !failing.iter().any(|(failed, _)| failed == place) && !omitted.contains(place)
                });
                let sent = sent.map(|place: usize| {
                    SendMessageBatchResultEntry::builder()
                        .id(place.to_string())
                        .message_id("m")
                        .md5_of_message_body("d")
                        .build()
                        .unwrap()
                });
                let failed = failing.iter().map(|(place, sender_fault)| {
                    BatchResultErrorEntry::builder()
                        .id(place.to_string())
                        .code("C")
                        .sender_fault(*sender_fault)
                        .build()
                        .unwrap()
                });
                SendMessageBatchOutput::builder()
                    .set_successful(Some(sent.collect()))
                    .set_failed(Some(failed.collect()))
                    .build()
                    .unwrap()
            })
    }

    fn kinds(results: &[Result<(), NotEnqueued>]) -> String {
        let kind = |result: &Result<(), NotEnqueued>| match result {
            Ok(()) => 'o',
            Err(NotEnqueued::Refused(_)) => 'r',
            Err(NotEnqueued::Unavailable(_)) => 'u',
        };
        results.iter().map(kind).collect()
    }

    #[tokio::test]
    async fn each_job_of_a_batch_has_its_own_result() {
        let send = batch(&[(1, true), (3, false)], &[4]);
        let queue =
            EmailQueue::new(mock_client!(aws_sdk_sqs, RuleMode::MatchAny, [&send]), "q".to_owned());
        assert_eq!(kinds(&queue.enqueue_emails(&vec![job(); 13]).await), "orouuooooooro");
        assert_eq!(send.num_calls(), 2, "ten, and three");
    }

    #[tokio::test]
    async fn batch_is_not_larger_than_a_call_may_be() {
        let send = batch(&[], &[]);
        let queue =
            EmailQueue::new(mock_client!(aws_sdk_sqs, RuleMode::MatchAny, [&send]), "q".to_owned());
        let sized = |bytes: usize| {
            let subject = "Hi".parse().unwrap();
            let content =
                Content::Message(Message { subject, text: "x".repeat(bytes), html: None });
            Job { content, ..job() }
        };
        let half = MAX_MESSAGE_BYTES / 2;
        let jobs = [sized(half - 200), sized(half - 200), sized(half), sized(MAX_JOB_BYTES), job()];
        assert_eq!(kinds(&queue.enqueue_emails(&jobs).await), "oooro");
        assert_eq!(send.num_calls(), 3);
    }

    #[tokio::test]
    async fn call_that_fails_is_unavailable_for_each_of_its_jobs() {
        let throttled = mock!(Client::send_message_batch).then_error(|| {
            SendMessageBatchError::RequestThrottled(RequestThrottled::builder().build())
        });
        let queue = EmailQueue::new(mock_client!(aws_sdk_sqs, [&throttled]), "q".to_owned());
        assert_eq!(kinds(&queue.enqueue_emails(&[job(), job()]).await), "uu");
        assert_eq!(kinds(&queue.enqueue_emails(&[]).await), "");
    }
}
