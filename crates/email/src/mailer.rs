//! One attempt to send an email, and its outcome.

use std::future::Future;

use crate::{
    address::EmailAddress,
    dead_letter::Reason,
    hold::HoldCause,
    job::{Headers, JobId},
    message::Message,
};

/// The outcome of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The provider accepted the email.
    Accepted {
        /// The provider's id of the email.
        ses_message_id: String,
    },
    /// The provider refused it because of the sending rate; nothing was sent.
    Throttled,
    /// The provider refuses every email of this account or sender for now; nothing was sent.
    Held(HoldCause),
    /// It failed for a temporary reason; nothing was sent.
    Transient {
        /// The error's code, or the kind of failure.
        code: String,
    },
    /// It failed with an error code that this version does not know; nothing was sent. Handled like
    /// [`Outcome::Transient`], and counted separately, so that an alarm reports it.
    Unknown {
        /// The error's code.
        code: String,
    },
    /// The request may have been written, and there was no response, or none that says what became of it: the
    /// email may have been sent.
    Ambiguous,
    /// The provider will never send this email.
    Rejected(Reason),
    /// As [`Outcome::Rejected`], and certainly because of this recipient. It says nothing about other emails.
    BadRecipient(Reason),
}

impl Outcome {
    /// The name in logs and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Accepted { .. } => "accepted",
            Self::Throttled => "throttled",
            Self::Held(_) => "held",
            Self::Transient { .. } => "transient",
            Self::Unknown { .. } => "unknown",
            Self::Ambiguous => "ambiguous",
            Self::Rejected(_) | Self::BadRecipient(_) => "rejected",
        }
    }
}

/// Sends email.
pub trait Mailer {
    /// Call it when an invocation starts: the environment may have been frozen, and the connections of earlier
    /// invocations may be dead.
    fn leave_connections(&self);

    /// Makes exactly one attempt: one HTTP request, which ends within the adapter's timeout. The
    /// adapter never repeats it. Every failure is an [`Outcome`].
    fn send(
        &self,
        id: &JobId,
        to: &EmailAddress,
        headers: &Headers,
        message: &Message,
    ) -> impl Future<Output = Outcome> + Send;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The metrics of docs/metrics.md count by these names.
    #[test]
    fn name_is_that_of_the_metrics() {
        let code = || "Code".to_owned();
        for (outcome, name) in [
            (Outcome::Accepted { ses_message_id: "1".to_owned() }, "accepted"),
            (Outcome::Throttled, "throttled"),
            (Outcome::Held(HoldCause::DailyQuota), "held"),
            (Outcome::Transient { code: code() }, "transient"),
            (Outcome::Unknown { code: code() }, "unknown"),
            (Outcome::Ambiguous, "ambiguous"),
        ] {
            assert_eq!(outcome.name(), name);
        }
    }
}
