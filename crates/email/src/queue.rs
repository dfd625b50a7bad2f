//! The email queue for producers.

use std::future::Future;

use unavailable::Unavailable;

use crate::job::Job;

/// Puts email jobs on the queue.
pub trait EnqueueEmail {
    /// Enqueueing a job twice is harmless: its id is its idempotency key. After an `Err` it may or may not
    /// be on the queue.
    fn enqueue_email(&self, job: &Job) -> impl Future<Output = Result<(), Unavailable>> + Send;
}
