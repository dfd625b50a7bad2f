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

/// Errors that are temporary or that a deployment fixes, and that say nothing about the email: credentials are
/// wrong, for example.
const TRANSIENT: [&str; 8] = [
    "ConcurrentModificationException",
    "ExpiredTokenException",
    "IncompleteSignatureException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "RequestExpired",
    "RequestTimeoutException",
    "UnrecognizedClientException",
];

/// Errors with status 503 after which nothing was sent: "the request has failed due to a temporary failure of the
/// server" (SES API Reference, "Common errors"), and a call that fails with one of these codes "does not send the email"
/// (SES Developer Guide, "Email sending errors"). A 503 of anything else between us and SES has no such code.
const REFUSED_BY_SERVER: [&str; 2] = ["ServiceUnavailable", "ServiceUnavailableException"];

/// The provider refuses the request because of its rate or the daily quota. SES documents `ThrottlingException` for both
/// (Developer Guide, "Errors related to the sending quotas"), the API's reference the first two for `SendEmail`, and
/// status 429 for the first; the others are AWS's common errors.
const THROTTLED: [&str; 6] = [
    "TooManyRequestsException",
    "LimitExceededException",
    "ThrottlingException",
    "Throttling",
    "ThrottledException",
    "RequestLimitExceeded",
];

/// IAM, an organization's policy or a sending authorization denies the request, or the account may not use SES (AWS's
/// common errors).
const DENIED: [&str; 4] =
    ["AccessDeniedException", "AccessDenied", "NotAuthorized", "OptInRequired"];

/// The outcome by code and message.
///
/// Codes are those of the SES API v2's `SendEmail` and AWS's common errors. If one code has two meanings,
/// the message decides:
///
/// - Status 429 and [`THROTTLED`] are the rate ("Maximum sending rate exceeded") or the daily quota ("Daily message quota
///   exceeded", "Daily sending quota exceeded").
/// - [`DENIED`] refuses every email, unless it names the *recipient's* identity and not the sender's. In a sandbox
///   account, IAM also checks the recipient's identity, which has to be verified there, and names it as the resource
///   (reported in <https://github.com/aws/aws-sdk-js/issues/3641>). Then only this email is rejected: one recipient
///   must not hold everybody.
/// - `MessageRejected` and `BadRequestException` reject this email, unless they are about the tenant, or say that sending is
///   paused or suspended, that the configuration set does not exist, or that the *sender's* identity is not verified. SES names the identities
///   that failed the check; if the recipient's is among them and the sender's is not, the account is in
///   the sandbox and cannot send to that recipient ([`Outcome::BadRecipient`]).
///
/// A 5xx is not a "no": SES recommends long waits before a retry "to reduce the likelihood of generating duplicates"
/// (SES Developer Guide, "API error codes returned by Amazon SES"). It is [`Outcome::Ambiguous`], whatever its code,
/// unless the code is one of [`REFUSED_BY_SERVER`] or of a refusal above.
///
/// An unknown code with another status is [`Outcome::Unknown`], which is retried.
pub(super) fn classify(
    failure: Failure<'_>,
    sender: &EmailAddress,
    recipient: &EmailAddress,
) -> Outcome {
    let (status, code, message) = match failure {
        Failure::NotSent => return Outcome::Transient { code: "not_sent".to_owned() },
        Failure::NoAnswer => return Outcome::Ambiguous,
        Failure::Service { status, code, message } => (status, code, message),
    };
    let said = message.to_ascii_lowercase();
    match code {
        _ if status == 429 || THROTTLED.contains(&code) => {
            if said.contains("daily") {
                Outcome::Held(HoldCause::DailyQuota)
            } else {
                Outcome::Throttled
            }
        }
        _ if status < 500 && DENIED.contains(&code) => {
            if is_about_recipient(&said, sender, recipient) {
                Outcome::BadRecipient(Reason::new(code, message))
            } else {
                Outcome::Held(HoldCause::NotPermitted)
            }
        }
        "NotFoundException" | "MessageRejected" | "BadRequestException"
            if status < 500 && is_about_tenant(&said) =>
        {
            Outcome::Held(HoldCause::NotPermitted)
        }
        // Without its tenant, an email names one resource that may not exist, its configuration set (SES API v2 Reference,
        // `SendEmail`).
        "NotFoundException" if status < 500 => Outcome::Held(HoldCause::ConfigurationSetMissing),
        "SendingPausedException" => Outcome::Held(HoldCause::SendingPaused),
        "AccountSuspendedException" => Outcome::Held(HoldCause::AccountSuspended),
        "MailFromDomainNotVerifiedException" => Outcome::Held(HoldCause::SenderNotVerified),
        "MessageRejected" | "BadRequestException" => match whole_account(&said, sender) {
            Some(cause) => Outcome::Held(cause),
            None if is_unverified(&said, recipient) => {
                Outcome::BadRecipient(Reason::new(code, message))
            }
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

/// Whether a refusal is about the tenant that every email is sent for: it does not exist, is paused, or lacks a resource.
/// SES documents no message of these, and hold-watch may not call `ses:GetTenant`, so the hold ends on probation.
fn is_about_tenant(said: &str) -> bool {
    // An identity that is not verified may have the word in its name.
    said.contains("tenant") && !said.contains("not verified")
}

/// Why a rejection concerns every email and not only this one; `said` is its message in lower case.
fn whole_account(said: &str, sender: &EmailAddress) -> Option<HoldCause> {
    if said.contains("sending paused") || said.contains("sending is paused") {
        return Some(HoldCause::SendingPaused);
    }
    if said.contains("sending suspended") || said.contains("sending is suspended") {
        return Some(HoldCause::AccountSuspended);
    }
    if said.contains("configuration set") && said.contains("does not exist") {
        return Some(HoldCause::ConfigurationSetMissing);
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

/// Whether the recipient's identity failed the check that the account's sandbox requires.
fn is_unverified(said: &str, recipient: &EmailAddress) -> bool {
    let failed = said.split_once("not verified").map(|(_, failed)| failed);
    failed.is_some_and(|failed| failed.contains(&recipient.as_str().to_ascii_lowercase()))
}

/// Whether a denial names the identity of the recipient and not that of the sender. `said` is its message in lower
/// case. It ends, for example, with "on resource 'arn:aws:ses:us-east-1:123456789012:identity/ada@example.org'".
fn is_about_recipient(said: &str, sender: &EmailAddress, recipient: &EmailAddress) -> bool {
    let Some((_, named)) = said.split_once(":identity/") else { return false };
    covers(named, recipient) && !covers(named, sender)
}

/// Whether the text begins with an identity that covers the address: the address, its domain, or a parent of that.
fn covers(named: &str, address: &EmailAddress) -> bool {
    let address = address.as_str().to_ascii_lowercase();
    let domain = address.rsplit('@').next().unwrap_or_default();
    let parents = domain.match_indices('.').map(|(dot, _)| &domain[dot + 1..]);
    let mut identities = [address.as_str(), domain].into_iter().chain(parents);
    identities.any(|identity| named.strip_prefix(identity).is_some_and(ends_there))
}

/// Whether an identity ends where this text begins: with a quote, a blank, or the sentence.
fn ends_there(rest: &str) -> bool {
    let rest = rest.strip_prefix('.').unwrap_or(rest);
    !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '@' | '.' | '-' | '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(status: u16, code: &str, message: &str) -> Outcome {
        to("ada@example.org", status, code, message)
    }

    fn to(recipient: &str, status: u16, code: &str, message: &str) -> Outcome {
        let sender = "Courses@example.com".parse().unwrap();
        let failure = Failure::Service { status, code, message };
        classify(failure, &sender, &recipient.parse().unwrap())
    }

    #[test]
    fn the_message_distinguishes_rate_and_daily_quota() {
        let rates = ["Maximum sending rate exceeded.", "Rate exceeded", "Too many requests", ""];
        let quotas = ["Daily message quota exceeded.", "Daily sending quota exceeded"];
        for (status, code) in THROTTLED
            .map(|code| (400, code))
            .into_iter()
            .chain([(429, ""), (429, "NovelException")])
        {
            for message in rates {
                assert_eq!(service(status, code, message), Outcome::Throttled, "{code}: {message}");
            }
            for message in quotas {
                let held = Outcome::Held(HoldCause::DailyQuota);
                assert_eq!(service(status, code, message), held, "{code}: {message}");
            }
        }
    }

    fn denied(resource: &str) -> String {
        format!(
            "User `arn:aws:sts::123456789012:assumed-role/worker/worker' is not authorized to perform \
             `ses:SendEmail' on resource `arn:aws:ses:us-east-1:123456789012:{resource}'"
        )
    }

    #[test]
    fn a_denial_holds_everybody_unless_it_names_the_recipients_identity() {
        let held = Outcome::Held(HoldCause::NotPermitted);
        for message in [
            "",
            &denied("identity/courses@example.com"),
            &denied("identity/example.com"),
            &denied("configuration-set/events"),
            &denied("identity/example.net"),
            // The sender's identity covers this recipient too.
            &denied("identity/com"),
            "with an explicit deny in a service control policy",
        ] {
            for code in DENIED {
                assert_eq!(service(403, code, message), held, "{message}");
            }
        }
        assert_eq!(to("bob@example.com", 403, DENIED[0], &denied("identity/example.com")), held);
        assert_ne!(service(500, DENIED[0], ""), held, "a failure of the server denies nothing");
        assert_eq!(service(403, DENIED[0], &denied("identity/ada@example.org.uk")), held);
    }

    #[test]
    fn a_denial_for_one_recipient_of_a_sandbox_account_rejects_one_email() {
        for (recipient, identity) in [
            ("ada@example.org", "ada@example.org"),
            ("Ada@example.org", "ada@example.org"),
            ("ada@example.org", "example.org"),
            ("ada@mail.example.org", "example.org"),
            ("o'hara@example.org", "o'hara@example.org"),
            ("bob@example.com", "bob@example.com"),
        ] {
            let quoted = denied(&format!("identity/{identity}"));
            let bare = quoted.replace(['`', '\''], "");
            for message in [quoted, format!("{bare} because no policy allows it"), bare + "."] {
                if identity.contains('\'') && !message.contains('\'') {
                    continue;
                }
                let rejected = Outcome::BadRecipient(Reason::new(DENIED[0], message.clone()));
                assert_eq!(to(recipient, 403, DENIED[0], &message), rejected, "{message}");
            }
        }
    }

    #[test]
    fn a_refusal_of_every_email_is_held() {
        for (code, message, cause) in [
            ("SendingPausedException", "", HoldCause::SendingPaused),
            ("AccountSuspendedException", "", HoldCause::AccountSuspended),
            ("MailFromDomainNotVerifiedException", "", HoldCause::SenderNotVerified),
            ("NotFoundException", "", HoldCause::ConfigurationSetMissing),
            (
                "BadRequestException",
                "Configuration set <registrar-emails> does not exist.",
                HoldCause::ConfigurationSetMissing,
            ),
            (
                "MessageRejected",
                "Sending paused for this account. For more information, please check the inbox.",
                HoldCause::SendingPaused,
            ),
            (
                "NotFoundException",
                "The requested tenant <courses> does not exist.",
                HoldCause::NotPermitted,
            ),
            ("MessageRejected", "Sending is paused for tenant courses.", HoldCause::NotPermitted),
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
            // Neither the sender's identity nor the recipient's.
            ("MessageRejected", "Email address is not verified: tenants@example.net"),
            ("MessageRejected", "Email address is not verified: bounces@example.net"),
        ] {
            let reason = Reason::new(code, message);
            assert_eq!(service(400, code, message), Outcome::Rejected(reason));
        }
        let (code, message) = (
            "MessageRejected",
            "Email address is not verified. The following identities failed the check in \
             region US-EAST-1: ada@example.org",
        );
        let reason = Reason::new(code, message);
        assert_eq!(service(400, code, message), Outcome::BadRecipient(reason));
    }

    #[test]
    fn temporary_errors_are_transient_and_unknown_codes_are_unknown() {
        let transient = |code: &str| Outcome::Transient { code: code.to_owned() };
        for (status, code) in [
            (403, "ExpiredTokenException"),
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
        let outcome = |failure| classify(failure, &sender, &sender);
        assert_eq!(outcome(Failure::NoAnswer), Outcome::Ambiguous);
        assert!(matches!(outcome(Failure::NotSent), Outcome::Transient { .. }));
    }
}
