//! The email queue for producers.

use std::collections::HashMap;

use aws_sdk_sqs::{
    Client,
    error::BuildError,
    types::{
        BatchResultErrorEntry, MessageSystemAttributeNameForSends, MessageSystemAttributeValue,
        SendMessageBatchRequestEntry,
    },
};
use email::{
    Job,
    job::{MAX_JOB_BYTES, MAX_MESSAGE_BYTES, MalformedJob},
    queue::{EnqueueEmail, EnqueueEmails, NotEnqueued, TracedJob, group},
};
use invocation::trace::{self, TraceHeader};
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
        let send = self.client.send_message().queue_url(&self.url).message_body(body);
        let mut send = send.message_group_id(group(job));
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

impl EnqueueEmails for EmailQueue {
    async fn enqueue_emails(&self, jobs: &[TracedJob]) -> Vec<Result<(), NotEnqueued>> {
        let mut results = Vec::with_capacity(jobs.len());
        let mut messages = jobs.iter().map(Outgoing::of).peekable();
        while messages.peek().is_some() {
            let (mut call, mut bytes) = (Vec::new(), 0);
            while let Some(message) = messages.next_if(|message| {
                let size = bytes + message.body.len();
                call.is_empty() || (call.len() < ENTRIES_PER_CALL && size <= BYTES_PER_CALL)
            }) {
                bytes += message.body.len();
                call.push(message);
            }
            results.extend(self.send_batch(call).await);
        }
        results
    }
}

impl EmailQueue {
    /// One call, with at least one message and not more than the maximum.
    async fn send_batch(&self, messages: Vec<Outgoing>) -> Vec<Result<(), NotEnqueued>> {
        const ENQUEUE: &str = "sending email jobs to the queue";
        let mut results: Vec<_> = messages
            .iter()
            .map(|message| {
                if message.body.len() > MAX_JOB_BYTES {
                    let refusal = Unavailable::new(ENQUEUE, MalformedJob::TooLarge);
                    Err(NotEnqueued::Refused(refusal))
                } else {
                    Ok(())
                }
            })
            .collect();
        // The id of an entry is its place.
        let entries = messages.into_iter().enumerate().filter(|(place, _)| results[*place].is_ok());
        let entries = entries.map(|(place, Outgoing { body, group, trace })| {
            let attribute = trace.map(|trace| trace_attribute(&trace)).transpose()?;
            let attributes = attribute.map(|it| {
                HashMap::from([(MessageSystemAttributeNameForSends::AwsTraceHeader, it)])
            });
            SendMessageBatchRequestEntry::builder()
                .id(place.to_string())
                .message_body(body)
                .message_group_id(group)
                .set_message_system_attributes(attributes)
                .build()
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

/// A message of a batched call.
struct Outgoing {
    body: String,
    group: String,
    /// That of the job's own request, or that of the work in progress.
    trace: Option<TraceHeader>,
}

impl Outgoing {
    fn of(TracedJob { job, trace }: &TracedJob) -> Self {
        let own = trace.as_deref().and_then(TraceHeader::parse);
        Self {
            body: job.to_body(),
            group: group(job).to_owned(),
            trace: own.or_else(trace::current),
        }
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
            send_message::{SendMessageInput, SendMessageOutput},
            send_message_batch::{SendMessageBatchError, SendMessageBatchOutput},
        },
        types::{
            SendMessageBatchResultEntry,
            error::{InvalidMessageContents, RequestThrottled},
        },
    };
    use aws_smithy_mocks::{RuleMode, mock, mock_client};
    use email::{
        Message,
        job::{Content, Headers},
    };

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
            headers: Headers::default(),
            deadline: None,
        }
    }

    #[tokio::test]
    async fn sent_body_follows_the_contract() {
        let send = mock!(Client::send_message)
            .match_requests(|request| {
                request.queue_url() == Some("https://queue.example")
                    && request.message_group_id() == Some("plain")
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

    fn untraced(job: Job) -> TracedJob {
        TracedJob { job, trace: None }
    }

    #[tokio::test]
    async fn each_job_of_a_batch_carries_its_own_trace() {
        const OF_THE_RUN: &str = "Root=1-5759e988-bd862e3fe1be46a994272790";
        const OF_A_JOB: &str = "Root=1-5759e988-bd862e3fe1be46a994272791;Sampled=1";
        let send = mock!(Client::send_message_batch)
            .match_requests(|request| {
                let name = MessageSystemAttributeNameForSends::AwsTraceHeader;
                let header = |entry: &SendMessageBatchRequestEntry| {
                    let attributes = entry.message_system_attributes()?;
                    attributes.get(&name)?.string_value().map(str::to_owned)
                };
                let headers: Vec<_> = request.entries().iter().map(header).collect();
                let groups = request.entries().iter().map(|entry| entry.message_group_id());
                groups.eq([Some("plain"); 3])
                    && headers == [OF_A_JOB, OF_THE_RUN, OF_THE_RUN].map(|it| Some(it.to_owned()))
            })
            .then_output(|| {
                let (successful, failed) = (Some(Vec::new()), Some(Vec::new()));
                let output = SendMessageBatchOutput::builder();
                output.set_successful(successful).set_failed(failed).build().unwrap()
            });
        let queue = EmailQueue::new(mock_client!(aws_sdk_sqs, [&send]), "q".to_owned());
        let jobs = [Some(OF_A_JOB), None, Some("no header")]
            .map(|trace| TracedJob { job: job(), trace: trace.map(str::to_owned) });
        trace::within(TraceHeader::parse(OF_THE_RUN), queue.enqueue_emails(&jobs)).await;
        assert_eq!(send.num_calls(), 1);
    }

    #[tokio::test]
    async fn each_job_of_a_batch_has_its_own_result() {
        let send = batch(&[(1, true), (3, false)], &[4]);
        let queue =
            EmailQueue::new(mock_client!(aws_sdk_sqs, RuleMode::MatchAny, [&send]), "q".to_owned());
        assert_eq!(kinds(&queue.enqueue_emails(&vec![untraced(job()); 13]).await), "orouuooooooro");
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
        let jobs = [sized(half - 200), sized(half - 200), sized(half), sized(MAX_JOB_BYTES), job()]
            .map(untraced);
        assert_eq!(kinds(&queue.enqueue_emails(&jobs).await), "oooro");
        assert_eq!(send.num_calls(), 3);
    }

    #[tokio::test]
    async fn call_that_fails_is_unavailable_for_each_of_its_jobs() {
        let throttled = mock!(Client::send_message_batch).then_error(|| {
            SendMessageBatchError::RequestThrottled(RequestThrottled::builder().build())
        });
        let queue = EmailQueue::new(mock_client!(aws_sdk_sqs, [&throttled]), "q".to_owned());
        assert_eq!(kinds(&queue.enqueue_emails(&[job(), job()].map(untraced)).await), "uu");
        assert_eq!(kinds(&queue.enqueue_emails(&[]).await), "");
    }
}
