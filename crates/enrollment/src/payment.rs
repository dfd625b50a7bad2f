//! Payments, and the payment provider's view of them.
//!
//! A payment is a payment intent with the provider. It is created first, unconfirmed and so harmless;
//! its id is written to the enrollment second; it is confirmed third, which charges. So an attempt
//! without an id was never confirmed, and one with an id is looked up by it, at any age. Only a
//! student's request confirms.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use unavailable::Unavailable;

use crate::{
    course::CourseId, enrollment_id::EnrollmentId, money::Money, student::StudentId,
    text::checked_text,
};

/// Time that a student has for the bank's confirmation (3-D Secure) before the payment is cancelled.
pub const ACTION_TIMEOUT: Duration = Duration::from_hours(1);

/// Age from which an attempt without an intent's id is abandoned: longer than the request that made it
/// can live (the function's timeout is 29 s).
pub const ABANDONED_AFTER: Duration = Duration::from_secs(30);

/// Maximum time that [`PaymentProvider::confirm`](crate::ports::PaymentProvider::confirm) may take: the
/// call, and the read that follows a lost or replayed answer.
pub const MAX_CONFIRM_DURATION: Duration = Duration::from_secs(12);

/// Age from which an unsettled refund is reported.
pub const REFUND_TIMEOUT: Duration = Duration::from_hours(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not 1 to 255 of the characters A-Z a-z 0-9 _ -")]
pub struct InvalidProviderId;

/// Of an id of the provider.
const MAX_ID_LENGTH: usize = 255;

fn provider_id(text: &str) -> Result<String, InvalidProviderId> {
    // Only these: an id becomes a segment of a URL's path.
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    let fits = (1..=MAX_ID_LENGTH).contains(&text.len()) && text.bytes().all(allowed);
    fits.then(|| text.to_owned()).ok_or(InvalidProviderId)
}

checked_text! {
    /// The provider's id of a card or the like, made by the provider's own form on the student's screen.
    PaymentMethod, InvalidProviderId, provider_id
}

impl PaymentMethod {
    pub const MAX_LENGTH: usize = MAX_ID_LENGTH;
}

checked_text! {
    /// The provider's id of a payment intent.
    IntentId, InvalidProviderId, provider_id
}

checked_text! {
    /// The provider's id of a refund.
    RefundId, InvalidProviderId, provider_id
}

checked_text! {
    /// The provider's id of a refund or a dispute, in a history.
    ProviderObjectId, InvalidProviderId, provider_id
}

impl From<&RefundId> for ProviderObjectId {
    /// # Panics
    ///
    /// Never: both have the same form.
    fn from(id: &RefundId) -> Self {
        id.as_str().parse().expect("a refund's id is an object's id")
    }
}

/// One attempt to pay for an enrollment. Its price is the catalogue's at the attempt's start; later
/// changes of the catalogue do not affect it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// From 1.
    pub attempt: u32,
    #[serde(flatten)]
    pub price: Money,
    pub method: PaymentMethod,
    #[serde(with = "time::serde::rfc3339")]
    pub started_at: OffsetDateTime,
    /// Why it failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Decline>,
    /// The attempt's intent, written before the intent is confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<IntentId>,
    /// The mode that the intent was created in: whether it moves money.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub livemode: Option<bool>,
    /// The refund of the intent, once it is known that one is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refund: Option<RefundProgress>,
}

/// The progress of a refund that is due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundProgress {
    /// From 1; a failed refund is made again, under another key.
    pub attempt: u32,
    #[serde(with = "time::serde::rfc3339")]
    pub started_at: OffsetDateTime,
    /// The current attempt's refund and its last known status.
    #[serde(default, flatten, skip_serializing_if = "Option::is_none")]
    pub last: Option<Refund>,
}

impl RefundProgress {
    pub fn has_succeeded(&self) -> bool {
        self.last.as_ref().is_some_and(|last| last.status == RefundStatus::Succeeded)
    }
}

/// A refund, which may fail even days after it was made (Stripe docs, "Refunds: handle failed refunds").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    pub id: RefundId,
    pub status: RefundStatus,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundStatus {
    Pending,
    Succeeded,
    /// Failed or cancelled: the money is back with us.
    Failed,
}

/// Why a payment failed, for the student.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decline {
    /// The provider's code, such as `insufficient_funds`, or one of those below.
    pub code: String,
    /// The reason in plain words. Never a text that the provider wrote for developers.
    pub message: String,
}

impl Decline {
    fn new(code: &str, message: &str) -> Self {
        Self { code: code.to_owned(), message: message.to_owned() }
    }

    /// The payment was cancelled before it was made.
    pub fn abandoned() -> Self {
        Self::new("abandoned", "The payment was not completed; nothing was charged.")
    }

    /// The provider could not be asked to create the payment.
    pub fn not_started() -> Self {
        Self::new("not_started", "The payment could not be started; nothing was charged.")
    }

    /// The provider does not know the payment method.
    pub fn payment_method_unknown() -> Self {
        Self::new("payment_method_unknown", "The card could not be read. Enter the card again.")
    }

    /// The payment method can be used once, and was.
    pub fn payment_method_used() -> Self {
        Self::new("payment_method_used", "The card was used before. Enter the card again.")
    }
}

/// One attempt, with everything that the provider receives.
#[derive(Debug, Clone, Copy)]
pub struct Charge<'a> {
    pub enrollment_id: EnrollmentId,
    pub student_id: &'a StudentId,
    pub course_id: &'a CourseId,
    pub payment: &'a Payment,
}

impl Charge<'_> {
    /// The idempotency key of creating this attempt's intent.
    pub fn create_key(&self) -> String {
        format!("{}-{}-create", self.enrollment_id, self.payment.attempt)
    }
}

impl IntentId {
    /// The idempotency key of confirming this intent.
    pub fn confirm_key(&self) -> String {
        format!("{self}-confirm")
    }

    /// The idempotency key of one attempt to refund this intent.
    pub fn refund_key(&self, refund_attempt: u32) -> String {
        format!("{self}-refund-{refund_attempt}")
    }
}

/// Why a call to the payment provider has no result that is about the student.
#[derive(Debug, thiserror::Error)]
pub enum PaymentError {
    /// No answer in time, or an answer that says "later" (409, 429, 5xx). Whether the call took effect
    /// is unknown.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The provider refuses *us*: wrong key or mode, invalid request, `idempotency_error`, 424. A retry
    /// will not help before somebody has looked.
    #[error(transparent)]
    Refused(#[from] ProviderRefusal),
    /// The provider repeats a failure that it saved for this key: nothing will ever come of the key.
    /// Only `create` and `refund` return it; their keys have numbers, so the next one is fresh.
    #[error("the provider repeats a failure that it saved for this idempotency key")]
    KeyIsSpent,
}

/// The provider's refusal, for the log: without values and without the provider's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderRefusal {
    /// A noun phrase, such as "creating a payment".
    pub operation: &'static str,
    pub status: u16,
    /// The provider's `error.type`; may be empty.
    pub error_type: String,
    /// The provider's `error.code`; may be empty.
    pub code: String,
}

impl fmt::Display for ProviderRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, status, error_type, code } = self;
        write!(f, "{operation} was refused: status {status}, type `{error_type}`, code `{code}`")
    }
}

impl std::error::Error for ProviderRefusal {}

/// The result of creating an intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    Intent(Intent),
    /// There is no intent, and it is the student's to change that: the payment method is unknown or
    /// was used before, or the card was refused.
    Declined(Decline),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    pub id: IntentId,
    pub status: IntentStatus,
    pub money: Money,
    /// Whether it moves money, or is of the provider's test mode.
    pub livemode: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IntentStatus {
    /// Created; nothing is charged.
    AwaitingConfirmation,
    /// The student's bank asks for the student's confirmation.
    RequiresAction {
        /// The student's screen continues with it.
        client_secret: String,
    },
    /// The provider does not know the result yet.
    Processing,
    /// Declined; it could still be paid by another method, and so must be cancelled.
    Declined(Decline),
    Succeeded,
    /// It can never be paid.
    Cancelled,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn id_of_the_provider_has_only_characters_that_are_safe_in_a_path() {
        for id in ["pi_1", "pm-A", &"x".repeat(255)] {
            assert!(id.parse::<IntentId>().is_ok() && id.parse::<PaymentMethod>().is_ok(), "{id}");
        }
        for id in ["", "a/b", "a?b", "a b", "\u{e9}", &"x".repeat(256)] {
            assert_eq!(id.parse::<IntentId>(), Err(InvalidProviderId), "{id}");
        }
    }

    /// Calls of the last release are repeated with them during a deployment.
    #[test]
    fn idempotency_keys_are_those_of_the_last_release() {
        let payment = json!({
            "attempt": 2, "price": 4900, "currency": "USD", "method": "pm_1",
            "started_at": "1970-01-01T00:00:00Z",
        });
        let enrollment_id = EnrollmentId::generate();
        let charge = Charge {
            enrollment_id,
            student_id: &"s-1".parse().unwrap(),
            course_id: &"rust-101".parse().unwrap(),
            payment: &serde_json::from_value(payment).unwrap(),
        };
        assert_eq!(charge.create_key(), format!("{enrollment_id}-2-create"));
        let intent: IntentId = "pi_1".parse().unwrap();
        assert_eq!(intent.confirm_key(), "pi_1-confirm");
        assert_eq!(intent.refund_key(3), "pi_1-refund-3");
    }

    #[test]
    fn refusal_says_what_was_refused() {
        let refusal = ProviderRefusal {
            operation: "creating a payment",
            status: 401,
            error_type: "invalid_request_error".to_owned(),
            code: String::new(),
        };
        assert_eq!(
            refusal.to_string(),
            "creating a payment was refused: status 401, type `invalid_request_error`, code ``"
        );
    }
}
