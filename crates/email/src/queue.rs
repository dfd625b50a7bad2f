//! The email queue for producers.

use std::future::Future;

use unavailable::Unavailable;

use crate::job::{Content, Job};

/// The group of the jobs that have no template.
const PLAIN: &str = "plain";

/// A group's maximum length, in characters (Amazon SQS API Reference, `SendMessage`, `MessageGroupId`).
const MAX_GROUP: usize = 128;

/// The job's group on the queue: its template, or `plain`. The queue delivers the jobs of other groups first while one
/// group has much of it, so a campaign does not delay the confirmations.
pub fn group(job: &Job) -> &str {
    // `MessageGroupId` "can contain alphanumeric characters and punctuation".
    let fits = |name: &str| {
        (1..=MAX_GROUP).contains(&name.len()) && name.bytes().all(|c| c.is_ascii_graphic())
    };
    match &job.content {
        Content::Template { name, .. } if fits(name) => name,
        Content::Template { .. } | Content::Message(_) => PLAIN,
    }
}

/// Puts email jobs on the queue.
pub trait EnqueueEmail {
    /// Enqueueing a job twice is harmless: its id is its idempotency key. After an `Err`, the job may be on
    /// the queue.
    fn enqueue_email(&self, job: &Job) -> impl Future<Output = Result<(), Unavailable>> + Send;
}

/// A job of a batch, and the request that it follows from.
#[derive(Debug, Clone)]
pub struct TracedJob {
    pub job: Job,
    /// The trace header of that request. It may be any text: nothing depends on it.
    pub trace: Option<String>,
}

/// Puts several email jobs on the queue, with fewer calls than one by one.
pub trait EnqueueEmails {
    /// One result per job, in their order: some may be enqueued and others not. Every call may be repeated.
    fn enqueue_emails(
        &self,
        jobs: &[TracedJob],
    ) -> impl Future<Output = Vec<Result<(), NotEnqueued>>> + Send;
}

/// Why a job was not put on the queue.
#[derive(Debug)]
pub enum NotEnqueued {
    /// The queue refuses this job, and would refuse it again. It is reached: other jobs are not affected.
    Refused(Unavailable),
    /// The queue is down, slow or throttled. The job may be on the queue.
    Unavailable(Unavailable),
}

impl From<Unavailable> for NotEnqueued {
    fn from(error: Unavailable) -> Self {
        Self::Unavailable(error)
    }
}

impl From<NotEnqueued> for Unavailable {
    fn from(error: NotEnqueued) -> Self {
        match error {
            NotEnqueued::Refused(error) | NotEnqueued::Unavailable(error) => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn group_is_the_template_or_plain_and_one_that_the_queue_accepts() {
        let group = |content: serde_json::Value| {
            let mut job = json!({"v": 1, "id": "a", "to": "ada@example.com"});
            job.as_object_mut().unwrap().extend(content.as_object().unwrap().clone());
            group(&Job::parse(&job.to_string()).unwrap()).to_owned()
        };
        let template = |name: &str| group(json!({"template": name, "data": {}}));
        assert_eq!(group(json!({"subject": "Hi", "text": ""})), "plain");
        assert_eq!(template("enrollment-refund"), "enrollment-refund");
        assert_eq!(template(&"x".repeat(128)), "x".repeat(128));
        for name in ["", "two words", "\u{fc}", &"x".repeat(129)] {
            assert_eq!(template(name), "plain", "{name}");
        }
    }
}
