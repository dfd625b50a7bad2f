//! Dead letters: jobs that will not be retried, kept with their reason.

use std::future::Future;

use time::OffsetDateTime;
use unavailable::Unavailable;

use crate::job::{JobId, MalformedJob};

/// The message attributes of a dead letter: the contract with readers of the dead-letter queue. The queue
/// itself moves a message there after too many receives; such a letter has none of them.
pub mod attribute {
    /// The reason in words, for people.
    pub const REASON: &str = "reason";
    /// The reason for machines: [`Reason::code`](super::Reason::code).
    pub const ERROR_CODE: &str = "error_code";
    /// The SQS message id of the job.
    pub const SQS_MESSAGE_ID: &str = "sqs_message_id";
    /// The job's id, if the body has one.
    pub const JOB_ID: &str = "job_id";
    /// The time of the first attempt, in RFC 3339.
    pub const FIRST_ATTEMPT_AT: &str = "first_attempt_at";
    /// The time of the last attempt, in RFC 3339.
    pub const LAST_ATTEMPT_AT: &str = "last_attempt_at";
    /// The number of attempts; for a body that is not a job, the receive count.
    pub const ATTEMPTS: &str = "attempts";
}

/// The code of a letter that may have been sent. Its template is sent at most once, so only an operator
/// can decide to send it again.
pub const OUTCOME_UNKNOWN: &str = "outcome_unknown";
/// The code of a letter that the queue itself moved: every worker that received it died.
pub const TOO_MANY_RECEIVES: &str = "too_many_receives";

/// Why a job will not be retried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// The kind of reason, for machines: `malformed_job`, `unknown_template`, `invalid_data`,
    /// `suppressed`, [`OUTCOME_UNKNOWN`], or the provider's own error code.
    pub code: String,
    /// The reason in words, for people.
    pub text: String,
}

impl Reason {
    pub fn new(code: &str, text: impl Into<String>) -> Self {
        Self { code: code.to_owned(), text: text.into() }
    }
}

impl From<&MalformedJob> for Reason {
    fn from(why: &MalformedJob) -> Self {
        Self::new("malformed_job", why.to_string())
    }
}

/// The attempts of a job: how many, the first and the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempts {
    pub count: u32,
    pub first_at: OffsetDateTime,
    pub last_at: OffsetDateTime,
}

/// A job for the dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter<'a> {
    /// The body exactly as it was received.
    pub body: &'a str,
    pub sqs_message_id: &'a str,
    /// `None` if the body has no valid one.
    pub job_id: Option<&'a JobId>,
    pub reason: &'a Reason,
    pub attempts: Attempts,
}

/// The place where dead letters are kept.
pub trait DeadLetters {
    /// `Err` means that the letter may not have been kept: do not acknowledge the message, and its
    /// redelivery retries. Keeping a letter twice is harmless.
    fn keep(&self, letter: DeadLetter<'_>) -> impl Future<Output = Result<(), Unavailable>> + Send;
}
