//! Dead letters: jobs that are not tried any more, kept with their reason.

use std::future::Future;

use time::OffsetDateTime;
use unavailable::Unavailable;

use crate::{JobId, job::MalformedJob};

/// The message attributes of a dead letter: its contract with whoever reads the dead-letter queue. A
/// letter without any was moved there by the queue itself, after too many receives.
pub mod attribute {
    /// The reason in words, for people.
    pub const REASON: &str = "reason";
    /// The reason for machines: [`Reason::code`](super::Reason::code).
    pub const ERROR_CODE: &str = "error_code";
    /// The id of the message that the job came in.
    pub const MESSAGE_ID: &str = "message_id";
    /// The job's id, where the body gave one.
    pub const JOB_ID: &str = "job_id";
    /// When it was first tried, in RFC 3339.
    pub const FIRST_ATTEMPT_AT: &str = "first_attempt_at";
    /// When it was last tried, in RFC 3339.
    pub const LAST_ATTEMPT_AT: &str = "last_attempt_at";
    /// How often it was tried; for a body that is no job, how often it was received.
    pub const ATTEMPTS: &str = "attempts";
}

/// The code of a letter that may have been sent: it is kept because it is to be sent at most
/// once, and only an operator can decide to send it again.
pub const OUTCOME_UNKNOWN: &str = "outcome_unknown";
/// The code of a letter that the queue itself moved: none of its workers lived to say why.
pub const TOO_MANY_RECEIVES: &str = "too_many_receives";

/// Why a job is not tried any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// What kind of reason, for machines: `malformed_job`, `unknown_template`, `invalid_data`,
    /// `suppressed`, [`OUTCOME_UNKNOWN`], or the provider's own error code.
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

/// How often a job was tried, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempts {
    /// How often.
    pub count: u32,
    /// When first.
    pub first_at: OffsetDateTime,
    /// When last.
    pub last_at: OffsetDateTime,
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
    /// Why it is not tried any more.
    pub reason: &'a Reason,
    /// How often it was tried.
    pub attempts: Attempts,
}

/// The place where dead letters are kept.
pub trait DeadLetters {
    /// Keeps a dead letter.
    ///
    /// `Err` means that it may not have been kept: the message must not be acknowledged, and its
    /// redelivery will try again. Keeping one twice is harmless.
    fn keep(&self, letter: DeadLetter<'_>) -> impl Future<Output = Result<(), Unavailable>> + Send;
}
