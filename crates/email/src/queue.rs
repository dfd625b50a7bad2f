//! The email queue for producers.

use std::future::Future;

use unavailable::Unavailable;

use crate::job::Job;

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
