//! The email queue, as producers see it.

use std::future::Future;

use unavailable::Unavailable;

use crate::Job;

/// Puts email jobs on the queue.
pub trait EnqueueEmail {
    /// Enqueues a job. Enqueuing one twice is harmless: its id is its idempotency key.
    fn enqueue_email(&self, job: &Job) -> impl Future<Output = Result<(), Unavailable>> + Send;
}
