//! What one attempt to send can come to, and how a provider's failure is told apart.

use std::future::Future;

use crate::{EmailAddress, JobId, Message, dead_letter::Reason, hold::Cause};

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
    /// Nothing can be sent at all for now, whoever the recipient is; nothing was sent.
    Held(Cause),
    /// It failed for a reason that should pass; nothing was sent.
    Transient {
        /// The error's code, or what kind of failure it was.
        code: String,
    },
    /// It failed for a reason that this version does not know; nothing was sent. Handled as
    /// [`Outcome::Transient`], and counted apart, because somebody should look.
    Unknown {
        /// The error's code.
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
            Self::Unknown { .. } => "unknown",
            Self::Ambiguous => "ambiguous",
            Self::Rejected(_) => "rejected",
        }
    }
}

/// How an attempt failed, as the adapter saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure<'a> {
    /// The provider answered with an error.
    Service {
        /// The HTTP status.
        status: u16,
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

/// Errors that pass, or that a deployment mends, and that say nothing about the email: with them the
/// configuration set is missing, or credentials or permissions are wrong.
const TRANSIENT: [&str; 10] = [
    "AccessDeniedException",
    "ConcurrentModificationException",
    "ExpiredTokenException",
    "IncompleteSignatureException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "NotFoundException",
    "RequestExpired",
    "RequestTimeoutException",
    "UnrecognizedClientException",
];

/// Tells failures apart by code and message.
///
/// Codes are those of the SES API v2's `SendEmail` and AWS's common errors. Where SES says two things
/// by one code, the message decides:
///
/// - `TooManyRequestsException` and `LimitExceededException` are the rate ("Maximum sending rate
///   exceeded.") or the daily quota ("Daily message quota exceeded."; SES Developer Guide, "Errors
///   related to the sending quotas").
/// - `MessageRejected` and `BadRequestException` reject this email, unless they say that sending is
///   paused or suspended, or that the *sender's* identity is not verified. SES names the identities
///   that failed the check; where the recipient's is among them and the sender's is not, the account
///   is in the sandbox and will never send to that recipient as things are.
///
/// Nothing falls through: an unknown code is [`Outcome::Unknown`], and tried again.
pub fn classify(failure: Failure<'_>, sender: &EmailAddress) -> Outcome {
    let (status, code, message) = match failure {
        Failure::NotSent => return Outcome::Transient { code: "not_sent".to_owned() },
        Failure::NoAnswer => return Outcome::Ambiguous,
        Failure::Service { status, code, message } => (status, code, message),
    };
    let said = message.to_ascii_lowercase();
    match code {
        "TooManyRequestsException" | "LimitExceededException" if said.contains("daily") => {
            Outcome::Held(Cause::DailyQuota)
        }
        "TooManyRequestsException"
        | "LimitExceededException"
        | "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestLimitExceeded" => Outcome::Throttled,
        "SendingPausedException" => Outcome::Held(Cause::SendingPaused),
        "AccountSuspendedException" => Outcome::Held(Cause::AccountSuspended),
        "MailFromDomainNotVerifiedException" => Outcome::Held(Cause::SenderNotVerified),
        "MessageRejected" | "BadRequestException" => match whole_account(&said, sender) {
            Some(cause) => Outcome::Held(cause),
            None => Outcome::Rejected(Reason::new(code, message)),
        },
        _ if status >= 500 || TRANSIENT.contains(&code) => {
            Outcome::Transient { code: code.to_owned() }
        }
        _ => Outcome::Unknown { code: code.to_owned() },
    }
}

/// Whether a rejection is not this email's, by what it says in lower case.
fn whole_account(said: &str, sender: &EmailAddress) -> Option<Cause> {
    if said.contains("sending paused") || said.contains("sending is paused") {
        return Some(Cause::SendingPaused);
    }
    if said.contains("sending suspended") || said.contains("sending is suspended") {
        return Some(Cause::AccountSuspended);
    }
    let (_, failed) = said.split_once("not verified")?;
    let failed = failed.split_once(": ").map_or(failed, |(_, identities)| identities);
    let sender = sender.as_str().to_ascii_lowercase();
    let domain = sender.rsplit('@').next().unwrap_or_default();
    failed
        .split([',', ' '])
        .map(|identity| identity.trim_matches(|c: char| !c.is_ascii_alphanumeric()))
        .any(|identity| identity == sender || identity == domain)
        .then_some(Cause::SenderNotVerified)
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

    fn service(status: u16, code: &'static str, message: &'static str) -> Outcome {
        let sender = "Courses@example.com".parse().unwrap();
        classify(Failure::Service { status, code, message }, &sender)
    }

    #[test]
    fn rate_and_daily_quota_differ_by_message() {
        let rate = "Maximum sending rate exceeded.";
        let quota = "Daily message quota exceeded.";
        for code in ["TooManyRequestsException", "LimitExceededException"] {
            assert_eq!(service(429, code, rate), Outcome::Throttled);
            assert_eq!(service(429, code, quota), Outcome::Held(Cause::DailyQuota));
        }
        assert_eq!(service(400, "ThrottlingException", "Rate exceeded"), Outcome::Throttled);
    }

    #[test]
    fn what_no_email_can_pass_is_held() {
        for (code, message, cause) in [
            ("SendingPausedException", "", Cause::SendingPaused),
            ("AccountSuspendedException", "", Cause::AccountSuspended),
            ("MailFromDomainNotVerifiedException", "", Cause::SenderNotVerified),
            (
                "MessageRejected",
                "Sending paused for this account. For more information, please check the inbox.",
                Cause::SendingPaused,
            ),
            ("BadRequestException", "Sending suspended for this account.", Cause::AccountSuspended),
            (
                "MessageRejected",
                "Email address is not verified. The following identities failed the check in \
                 region US-EAST-1: courses@example.com",
                Cause::SenderNotVerified,
            ),
            (
                "MessageRejected",
                "Email address is not verified. The following identities failed the check in \
                 region EU-WEST-1: ada@example.org, Courses <courses@example.com>",
                Cause::SenderNotVerified,
            ),
            (
                "MessageRejected",
                "Email address is not verified. The following identities failed the check in \
                 region EU-WEST-1: example.com",
                Cause::SenderNotVerified,
            ),
        ] {
            assert_eq!(service(400, code, message), Outcome::Held(cause), "{code}: {message}");
        }
    }

    #[test]
    fn only_what_the_provider_refuses_for_good_is_rejected() {
        for (code, message) in [
            ("MessageRejected", "Address blacklisted."),
            ("BadRequestException", "Missing final '@domain'"),
            (
                "MessageRejected",
                "Email address is not verified. The following identities failed the check in \
                 region US-EAST-1: ada@example.com",
            ),
        ] {
            let reason = Reason::new(code, message);
            assert_eq!(service(400, code, message), Outcome::Rejected(reason));
        }
    }

    #[test]
    fn what_passes_is_tried_again_and_what_is_unknown_is_counted_apart() {
        let transient = |code: &str| Outcome::Transient { code: code.to_owned() };
        for (status, code) in
            [(403, "AccessDeniedException"), (404, "NotFoundException"), (500, ""), (503, "Novel")]
        {
            assert_eq!(service(status, code, ""), transient(code));
        }
        for code in ["Novel", ""] {
            assert_eq!(service(400, code, ""), Outcome::Unknown { code: code.to_owned() });
        }
    }

    #[test]
    fn silence_is_ambiguous_only_after_the_request_may_have_left() {
        let sender = "courses@example.com".parse().unwrap();
        assert_eq!(classify(Failure::NoAnswer, &sender), Outcome::Ambiguous);
        assert!(matches!(classify(Failure::NotSent, &sender), Outcome::Transient { .. }));
    }
}
