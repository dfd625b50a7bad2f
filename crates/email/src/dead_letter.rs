//! Dead letters: jobs that can never be sent, kept with their reason.

use std::future::Future;

use crate::{JobId, job::MalformedJob};

/// Why a job can never be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// What kind of reason, for machines: `malformed_job`, `unknown_template`, `invalid_data`, or the
    /// provider's own error code.
    pub code: String,
    /// The reason in words, for people.
    pub text: String,
}

impl Reason {
    /// A reason of our own.
    pub fn new(code: &str, text: impl Into<String>) -> Self {
        Self { code: code.to_owned(), text: text.into() }
    }
}

impl From<&MalformedJob> for Reason {
    fn from(why: &MalformedJob) -> Self {
        Self::new("malformed_job", why.to_string())
    }
}

/// A job on its way to the dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter<'a> {
    /// The body as it was received.
    pub body: &'a str,
    /// The queue's id of the message it came in.
    pub message_id: &'a str,
    /// The job's id, where the body gave one.
    pub job_id: Option<&'a JobId>,
    /// Why it can never be sent.
    pub reason: &'a Reason,
}

/// The place where dead letters are kept.
pub trait DeadLetters {
    /// What can go wrong.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Keeps a dead letter.
    ///
    /// `Err` means that it may not have been kept: the message must not be acknowledged, and its
    /// redelivery will try again. Keeping one twice is harmless.
    fn keep(&self, letter: DeadLetter<'_>) -> impl Future<Output = Result<(), Self::Error>> + Send;
}
