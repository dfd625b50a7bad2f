//! A backlog of email jobs for one journey, each with its expected result.

use serde_json::json;

use crate::{DeployedStack, unique_id};

/// SQS's maximum number of messages per request.
const MAX_MESSAGES_PER_REQUEST: usize = 10;

/// The expected result of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// The email is sent, once.
    Sent,
    /// The message is on the dead-letter queue, with this error code and a reason.
    DeadLetter(&'static str),
}

/// A message on the queue. Not every message is a valid job.
#[derive(Debug, Clone)]
pub struct Job {
    /// The job's id. The body and the recipient's address contain it.
    pub id: String,
    /// The message's body.
    pub body: String,
    /// The expected result.
    pub expected: Expected,
}

/// The jobs of one journey.
#[derive(Debug)]
pub struct Backlog {
    /// A text that only the bodies and the recipients' addresses of this backlog contain.
    pub tag: String,
    /// The jobs.
    pub jobs: Vec<Job>,
}

impl Backlog {
    /// This many jobs that can be sent.
    pub fn of(jobs: usize) -> Self {
        let mut backlog = Self { tag: unique_id("backlog"), jobs: Vec::new() };
        for _ in 0..jobs {
            backlog.add(Expected::Sent, |id, to| {
                json!({"v": 1, "id": id, "to": to, "subject": "One of many", "text": id})
                    .to_string()
            });
        }
        backlog
    }

    /// The same backlog with four messages that can never be sent: two are not JSON, and two have no valid
    /// recipient. (A job that a killed worker had claimed may have been sent, so its code would not be certain.)
    #[must_use]
    pub fn with_poison(mut self) -> Self {
        for _ in 0..2 {
            self.add(Expected::DeadLetter("malformed_job"), |id, _| format!("not a job: {id}"));
            self.add(Expected::DeadLetter("malformed_job"), |id, _| {
                json!({"v": 1, "id": id, "to": "nobody", "subject": "One of many", "text": id})
                    .to_string()
            });
        }
        // One per request of `enqueue`.
        for (request, poison) in (self.jobs.len() - 4..self.jobs.len()).enumerate() {
            self.jobs.swap(request * MAX_MESSAGES_PER_REQUEST, poison);
        }
        self
    }

    fn add(&mut self, expected: Expected, body: impl FnOnce(&str, &str) -> String) {
        let id = format!("{}-{:03}", self.tag, self.jobs.len());
        let body = body(&id, &recipient(&id));
        self.jobs.push(Job { id, body, expected });
    }

    /// Puts all messages on the email queue.
    pub async fn enqueue(&self, stack: &DeployedStack) {
        let bodies: Vec<String> = self.jobs.iter().map(|job| job.body.clone()).collect();
        for request in bodies.chunks(MAX_MESSAGES_PER_REQUEST) {
            stack.enqueue_together(request).await;
        }
    }

    /// The number of jobs that can be sent.
    pub fn sendable(&self) -> usize {
        self.jobs.iter().filter(|job| job.expected == Expected::Sent).count()
    }
}

/// The recipient's address for the job with this id.
pub(crate) fn recipient(id: &str) -> String {
    format!("{id}@example.com")
}
