//! SES's errors, and the outcome of an attempt by its error.

use email::{EmailAddress, dead_letter::Reason, hold::HoldCause, mailer::Outcome};

/// How an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure<'a> {
    /// SES responded with an error.
    Service {
        /// The HTTP status.
        status: u16,
        /// Such as `TooManyRequestsException`.
        code: &'a str,
        message: &'a str,
    },
    /// The request was never written: there was no connection, or the request could not be built.
    NotSent,
    /// The request may have been written, and no usable answer came.
    NoAnswer,
}

/// Errors that are temporary or that a deployment fixes, and that say nothing about the email: the
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

/// Errors with status 503 after which nothing was sent: "the request has failed due to a temporary failure of the
/// server" (SES API Reference, "Common errors"), and a call that fails with one of these codes "does not send the email"
/// (SES Developer Guide, "Email sending errors"). A 503 of anything else between us and SES has no such code.
const REFUSED_BY_SERVER: [&str; 2] = ["ServiceUnavailable", "ServiceUnavailableException"];

/// The outcome by code and message.
///
/// Codes are those of the SES API v2's `SendEmail` and AWS's common errors. If one code has two meanings,
/// the message decides:
///
/// - `TooManyRequestsException` and `LimitExceededException` are the rate ("Maximum sending rate
///   exceeded.") or the daily quota ("Daily message quota exceeded."; SES Developer Guide, "Errors
///   related to the sending quotas").
/// - `MessageRejected` and `BadRequestException` reject this email, unless they say that sending is
///   paused or suspended, or that the *sender's* identity is not verified. SES names the identities
///   that failed the check; if the recipient's is among them and the sender's is not, the account is in
///   the sandbox and cannot send to that recipient.
///
/// A 5xx is not a "no": SES recommends long waits before a retry "to reduce the likelihood of generating duplicates"
/// (SES Developer Guide, "API error codes returned by Amazon SES"). It is [`Outcome::Ambiguous`], whatever its code,
/// unless the code is one of [`REFUSED_BY_SERVER`] or of a refusal above.
///
/// An unknown code with another status is [`Outcome::Unknown`], which is retried.
pub(super) fn classify(failure: Failure<'_>, sender: &EmailAddress) -> Outcome {
    let (status, code, message) = match failure {
        Failure::NotSent => return Outcome::Transient { code: "not_sent".to_owned() },
        Failure::NoAnswer => return Outcome::Ambiguous,
        Failure::Service { status, code, message } => (status, code, message),
    };
    let said = message.to_ascii_lowercase();
    match code {
        "TooManyRequestsException" | "LimitExceededException" if said.contains("daily") => {
            Outcome::Held(HoldCause::DailyQuota)
        }
        "TooManyRequestsException"
        | "LimitExceededException"
        | "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestLimitExceeded" => Outcome::Throttled,
        "SendingPausedException" => Outcome::Held(HoldCause::SendingPaused),
        "AccountSuspendedException" => Outcome::Held(HoldCause::AccountSuspended),
        "MailFromDomainNotVerifiedException" => Outcome::Held(HoldCause::SenderNotVerified),
        "MessageRejected" | "BadRequestException" => match whole_account(&said, sender) {
            Some(cause) => Outcome::Held(cause),
            None => Outcome::Rejected(Reason::new(code, message)),
        },
        _ if status == 503 && REFUSED_BY_SERVER.contains(&code) => {
            Outcome::Transient { code: code.to_owned() }
        }
        _ if status >= 500 => Outcome::Ambiguous,
        _ if TRANSIENT.contains(&code) => Outcome::Transient { code: code.to_owned() },
        _ => Outcome::Unknown { code: code.to_owned() },
    }
}

/// Why a rejection concerns every email and not only this one; `said` is its message in lower case.
fn whole_account(said: &str, sender: &EmailAddress) -> Option<HoldCause> {
    if said.contains("sending paused") || said.contains("sending is paused") {
        return Some(HoldCause::SendingPaused);
    }
    if said.contains("sending suspended") || said.contains("sending is suspended") {
        return Some(HoldCause::AccountSuspended);
    }
    let (_, failed) = said.split_once("not verified")?;
    let failed = failed.split_once(": ").map_or(failed, |(_, identities)| identities);
    let sender = sender.as_str().to_ascii_lowercase();
    let domain = sender.rsplit('@').next().unwrap_or_default();
    failed
        .split([',', ' '])
        .map(|identity| identity.trim_matches(|c: char| !c.is_ascii_alphanumeric()))
        .any(|identity| identity == sender || identity == domain)
        .then_some(HoldCause::SenderNotVerified)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(status: u16, code: &'static str, message: &'static str) -> Outcome {
        let sender = "Courses@example.com".parse().unwrap();
        classify(Failure::Service { status, code, message }, &sender)
    }

    #[test]
    fn the_message_distinguishes_rate_and_daily_quota() {
        let rate = "Maximum sending rate exceeded.";
        let quota = "Daily message quota exceeded.";
        for code in ["TooManyRequestsException", "LimitExceededException"] {
            assert_eq!(service(429, code, rate), Outcome::Throttled);
            assert_eq!(service(429, code, quota), Outcome::Held(HoldCause::DailyQuota));
        }
        assert_eq!(service(400, "ThrottlingException", "Rate exceeded"), Outcome::Throttled);
    }

    #[test]
    fn a_refusal_of_every_email_is_held() {
        for (code, message, cause) in [
            ("SendingPausedException", "", HoldCause::SendingPaused),
            ("AccountSuspendedException", "", HoldCause::AccountSuspended),
            ("MailFromDomainNotVerifiedException", "", HoldCause::SenderNotVerified),
            (
                "MessageRejected",
                "Sending paused for this account. For more information, please check the inbox.",
                HoldCause::SendingPaused,
            ),
            (
                "BadRequestException",
                "Sending suspended for this account.",
                HoldCause::AccountSuspended,
            ),
            (
                "MessageRejected",
                "Email address is not verified. The following identities failed the check in \
                 region US-EAST-1: courses@example.com",
                HoldCause::SenderNotVerified,
            ),
            (
                "MessageRejected",
                "Email address is not verified. The following identities failed the check in \
                 region EU-WEST-1: ada@example.org, Courses <courses@example.com>",
                HoldCause::SenderNotVerified,
            ),
            (
                "MessageRejected",
                "Email address is not verified. The following identities failed the check in \
                 region EU-WEST-1: example.com",
                HoldCause::SenderNotVerified,
            ),
        ] {
            assert_eq!(service(400, code, message), Outcome::Held(cause), "{code}: {message}");
        }
    }

    #[test]
    fn a_refusal_of_this_email_for_good_is_rejected() {
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
    fn temporary_errors_are_transient_and_unknown_codes_are_unknown() {
        let transient = |code: &str| Outcome::Transient { code: code.to_owned() };
        for (status, code) in [
            (403, "AccessDeniedException"),
            (404, "NotFoundException"),
            (503, "ServiceUnavailable"),
            (503, "ServiceUnavailableException"),
        ] {
            assert_eq!(service(status, code, ""), transient(code));
        }
        for code in ["Novel", ""] {
            assert_eq!(service(400, code, ""), Outcome::Unknown { code: code.to_owned() });
        }
    }

    #[test]
    fn server_error_is_ambiguous_unless_its_code_means_that_nothing_was_sent() {
        for (status, code) in [
            (500, "InternalFailure"),
            (500, "InternalServiceErrorException"),
            (500, "AccessDeniedException"),
            (500, "ServiceUnavailable"),
            (502, ""),
            (503, ""),
            (503, "InternalFailure"),
            (504, "Novel"),
        ] {
            assert_eq!(service(status, code, ""), Outcome::Ambiguous, "{status} {code}");
        }
        let rate = "Maximum sending rate exceeded.";
        assert_eq!(service(503, "Throttling", rate), Outcome::Throttled);
    }

    #[test]
    fn no_answer_is_ambiguous_only_if_the_request_may_have_left() {
        let sender = "courses@example.com".parse().unwrap();
        assert_eq!(classify(Failure::NoAnswer, &sender), Outcome::Ambiguous);
        assert!(matches!(classify(Failure::NotSent, &sender), Outcome::Transient { .. }));
    }
}
