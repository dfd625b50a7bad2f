//! Payments, and the payment provider's view of them.
//!
//! A payment is a payment intent with the provider. It is created first, unconfirmed and so harmless,
//! and confirmed second, which charges. Both calls carry idempotency keys made from the enrollment and
//! the attempt, so a repeated call (the same request again, a duplicate, the resumer) gets the same
//! intent. Creating again is how a crashed payment is found. Only a student's request confirms.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{
    course::CourseId, enrollment_id::EnrollmentId, money::Money, student::StudentId,
    text::checked_text,
};

/// Time that a student has for the bank's confirmation (3-D Secure) before the payment is cancelled.
pub const ACTION_TIMEOUT: Duration = Duration::from_hours(1);

/// Age at which the resumer gives up on a payment that it cannot settle, with an alarm. Stripe keeps
/// idempotency keys for at least 24 hours (Stripe API reference, "Idempotent requests"); until then
/// creating again finds the same intent.
pub const GIVE_UP_AFTER: Duration = Duration::from_hours(20);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not 1 to 255 of the characters A-Z a-z 0-9 _ -")]
pub struct InvalidProviderId;

fn provider_id(text: &str) -> Result<String, InvalidProviderId> {
    // Only these: an id becomes a segment of a URL's path.
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    let fits = (1..=255).contains(&text.len()) && text.bytes().all(allowed);
    fits.then(|| text.to_owned()).ok_or(InvalidProviderId)
}

checked_text! {
    /// The provider's id of a card or the like, made by the provider's own form on the student's screen.
    PaymentMethod, InvalidProviderId, provider_id
}

checked_text! {
    /// The provider's id of a payment intent.
    IntentId, InvalidProviderId, provider_id
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
    /// The intent to refund, once it is known that a refund is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<IntentId>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decline {
    /// The provider's code, such as `insufficient_funds`.
    pub code: String,
    /// The reason in plain words, for the student.
    pub message: String,
}

impl Decline {
    /// The payment was cancelled before it was made.
    pub fn abandoned() -> Self {
        Self {
            code: "abandoned".to_owned(),
            message: "The payment was not completed; nothing was charged.".to_owned(),
        }
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
    /// The idempotency key of one step of this attempt.
    pub fn idempotency_key(&self, step: &str) -> String {
        format!("{}-{}-{step}", self.enrollment_id, self.payment.attempt)
    }
}

/// The result of creating an intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    /// The intent in its current status; it may have been created before.
    Intent(Intent),
    /// There is no intent and never will be, for example because the provider does not know the
    /// payment method.
    Refused(Decline),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    pub id: IntentId,
    pub status: IntentStatus,
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
