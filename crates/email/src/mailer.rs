//! What one attempt to send can come to, and how a provider's failure is told apart.

use std::future::Future;

use crate::{EmailAddress, JobId, Message, dead_letter::Reason};

/// What one attempt came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The provider has accepted the email.
    Accepted {
        /// The provider's id of the email.
        message_id: String,
    },
    /// The provider refused it for its sending rate; nothing was sent.
    Throttled,
    /// The account may not send at all for now; nothing was sent.
    Held(Hold),
    /// It failed for a reason that should pass; nothing was sent.
    Transient {
        /// The error's code, or what kind of failure it was.
        code: String,
    },
    /// No answer came after the request may have been written: it may or may not have been sent.
    Ambiguous,
    /// The provider refuses this email for good.
    Rejected(Reason),
}

impl Outcome {
    /// The outcome's name in logs and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Accepted { .. } => "accepted",
            Self::Throttled => "throttled",
            Self::Held(_) => "held",
            Self::Transient { .. } => "transient",
            Self::Ambiguous => "ambiguous",
            Self::Rejected(_) => "rejected",
        }
    }
}

/// Why an account may not send for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// The quota of a rolling 24 hours is used up.
    DailyQuota,
    /// Sending is paused for the account or the configuration set.
    SendingPaused,
    /// The account is suspended.
    AccountSuspended,
    /// The sender's domain or address is not verified: a fault of the deployment, not of the job.
    SenderNotVerified,
}

/// How an attempt failed, as the adapter saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure<'a> {
    /// The provider answered with an error.
    Service {
        /// Its code, such as `TooManyRequestsException`.
        code: &'a str,
        /// Its message.
        message: &'a str,
    },
    /// The request was never written: no connection, or it could not be built.
    NotSent,
    /// The request may have been written and no usable answer came.
    NoAnswer,
}

/// Tells failures apart by code and message.
///
/// Codes are those of the SES API v2's `SendEmail`. The rate and the daily quota share a code and
/// differ in the message ("Maximum sending rate exceeded." / "Daily message quota exceeded.", SES
/// Developer Guide, "Errors related to the sending quotas"). An unknown code is
/// [`Outcome::Transient`]: what is not understood is tried again, never thrown away.
pub fn classify(failure: Failure<'_>) -> Outcome {
    let (code, message) = match failure {
        Failure::NotSent => return Outcome::Transient { code: "not_sent".to_owned() },
        Failure::NoAnswer => return Outcome::Ambiguous,
        Failure::Service { code, message } => (code, message),
    };
    match code {
        "TooManyRequestsException" | "LimitExceededException" => {
            if message.to_ascii_lowercase().contains("daily") {
                Outcome::Held(Hold::DailyQuota)
            } else {
                Outcome::Throttled
            }
        }
        "SendingPausedException" => Outcome::Held(Hold::SendingPaused),
        "AccountSuspendedException" => Outcome::Held(Hold::AccountSuspended),
        "MailFromDomainNotVerifiedException" => Outcome::Held(Hold::SenderNotVerified),
        "MessageRejected" | "BadRequestException" => Outcome::Rejected(Reason::new(code, message)),
        _ => Outcome::Transient { code: code.to_owned() },
    }
}

/// Sends email.
pub trait Mailer {
    /// Makes exactly one attempt: one HTTP request, never repeated by the adapter, over within the
    /// adapter's timeout. Every failure is an [`Outcome`]; there is no `Err` to lose it in.
    fn send(
        &self,
        id: &JobId,
        to: &EmailAddress,
        message: &Message,
    ) -> impl Future<Output = Outcome> + Send;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(code: &'static str, message: &'static str) -> Outcome {
        classify(Failure::Service { code, message })
    }

    #[test]
    fn rate_and_daily_quota_differ_by_message() {
        assert_eq!(
            service("TooManyRequestsException", "Maximum sending rate exceeded."),
            Outcome::Throttled
        );
        assert_eq!(
            service("TooManyRequestsException", "Daily message quota exceeded."),
            Outcome::Held(Hold::DailyQuota)
        );
        assert_eq!(
            service("LimitExceededException", "Daily message quota exceeded"),
            Outcome::Held(Hold::DailyQuota)
        );
    }

    #[test]
    fn an_account_that_may_not_send_is_held() {
        assert_eq!(service("SendingPausedException", ""), Outcome::Held(Hold::SendingPaused));
        assert_eq!(service("AccountSuspendedException", ""), Outcome::Held(Hold::AccountSuspended));
        assert_eq!(
            service("MailFromDomainNotVerifiedException", ""),
            Outcome::Held(Hold::SenderNotVerified)
        );
    }

    #[test]
    fn only_what_the_provider_refuses_for_good_is_rejected() {
        for code in ["MessageRejected", "BadRequestException"] {
            assert_eq!(service(code, "why"), Outcome::Rejected(Reason::new(code, "why")));
        }
        for code in ["NotFoundException", "AccessDeniedException", "InternalFailure", "", "Novel"] {
            assert_eq!(service(code, ""), Outcome::Transient { code: code.to_owned() });
        }
    }

    #[test]
    fn silence_is_ambiguous_only_after_the_request_may_have_left() {
        assert_eq!(classify(Failure::NoAnswer), Outcome::Ambiguous);
        assert!(matches!(classify(Failure::NotSent), Outcome::Transient { .. }));
    }
}
