//! Dead letters: jobs that are not retried, with their reasons.

use std::future::Future;

use time::OffsetDateTime;
use unavailable::Unavailable;

use crate::job::{JobId, MalformedJob};

/// The message attributes of a dead letter: the contract with readers of the dead-letter queue. SQS itself
/// moves a message there after too many receives; such a dead letter has none of these attributes.
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
    /// The number of attempts; for a body that is not a job or reuses an id, the receive count.
    pub const ATTEMPTS: &str = "attempts";
}

/// The code of a dead letter whose email may have been sent, once or several times. Only an operator can decide
/// to send it again.
pub const OUTCOME_UNKNOWN: &str = "outcome_unknown";
/// The code of a dead letter that SQS itself moved: every worker that received it died.
pub const TOO_MANY_RECEIVES: &str = "too_many_receives";

/// The code of a dead letter whose [deadline](crate::deadline) has passed: it was not sent.
pub const EXPIRED: &str = "expired";
/// The code of a dead letter with another email under an id that the ledger has seen: it was not sent.
pub const ID_REUSED: &str = "id_reused";
/// The code of a dead letter whose body is larger than [`MAX_JOB_BYTES`](crate::job::MAX_JOB_BYTES).
pub const JOB_TOO_LARGE: &str = "job_too_large";

/// The code of a dead letter whose version of the contract is unknown.
pub const UNKNOWN_VERSION: &str = "unknown_version";
/// The code of a dead letter whose template is unknown.
pub const UNKNOWN_TEMPLATE: &str = "unknown_template";
/// The code of a dead letter whose template does not accept its data.
pub const INVALID_DATA: &str = "invalid_data";

/// Why a job is not retried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// The kind of reason, for machines: `malformed_job`, [`UNKNOWN_VERSION`], [`JOB_TOO_LARGE`],
    /// [`ID_REUSED`], [`UNKNOWN_TEMPLATE`], [`INVALID_DATA`], `suppressed`, [`EXPIRED`], [`OUTCOME_UNKNOWN`], or the provider's own error code.
    pub code: String,
    /// The reason in words, for people.
    pub text: String,
}

impl Reason {
    pub fn new(code: &str, text: impl Into<String>) -> Self {
        Self { code: code.to_owned(), text: text.into() }
    }

    /// Whether another release of the worker may send the job. During a deployment, old workers receive new jobs, and
    /// new workers old ones.
    pub fn may_be_of_another_release(&self) -> bool {
        [UNKNOWN_VERSION, UNKNOWN_TEMPLATE, INVALID_DATA].contains(&self.code.as_str())
    }
}

impl From<&MalformedJob> for Reason {
    fn from(why: &MalformedJob) -> Self {
        let code = match why {
            MalformedJob::TooLarge => JOB_TOO_LARGE,
            MalformedJob::UnknownVersion => UNKNOWN_VERSION,
            _ => "malformed_job",
        };
        Self::new(code, why.to_string())
    }
}

/// The number of attempts for a job, and the times of the first and the last.
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
    /// `None` if the body has no valid id.
    pub job_id: Option<&'a JobId>,
    pub reason: &'a Reason,
    pub attempts: Attempts,
}

/// Stores dead letters.
pub trait DeadLetters {
    /// `Err` means that the dead letter may not have been stored. Do not acknowledge the message: its
    /// redelivery stores the dead letter. Storing it twice is harmless.
    fn keep(&self, letter: DeadLetter<'_>) -> impl Future<Output = Result<(), Unavailable>> + Send;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn body_that_is_not_a_job_has_a_code_by_which_it_may_wait_for_another_release() {
        for (why, code, may_wait) in [
            (MalformedJob::TooLarge, JOB_TOO_LARGE, false),
            (MalformedJob::UnknownVersion, UNKNOWN_VERSION, true),
            (MalformedJob::NotAnObject, "malformed_job", false),
        ] {
            let reason = Reason::from(&why);
            assert_eq!((reason.code.as_str(), &reason.text), (code, &why.to_string()));
            assert_eq!(reason.may_be_of_another_release(), may_wait, "{code}");
        }
    }

    #[test]
    fn only_what_a_release_can_add_may_be_of_another_release() {
        for code in [UNKNOWN_TEMPLATE, INVALID_DATA] {
            assert!(Reason::new(code, "why").may_be_of_another_release(), "{code}");
        }
        for code in [EXPIRED, ID_REUSED, OUTCOME_UNKNOWN, "MessageRejected", "suppressed"] {
            assert!(!Reason::new(code, "why").may_be_of_another_release(), "{code}");
        }
    }
}
