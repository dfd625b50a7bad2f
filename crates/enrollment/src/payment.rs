//! Payments: what is to be paid, and what the payment provider says of it.
//!
//! A payment is an *intent* with the provider. It is created first, unconfirmed and so harmless, and
//! confirmed second, which charges. Both calls carry idempotency keys made from the enrollment and
//! the attempt, so whoever repeats them (the same request again, a duplicate, the resumer) gets the
//! same intent. Creating again is how a crashed payment is found; only a request of the student's
//! confirms.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{
    CourseId, EnrollmentId, StudentId,
    course::{Currency, Price},
    text::checked_text,
};

/// How long a student has to do what the bank asks (3-D Secure) before the payment is called off.
pub const ACTION_TIMEOUT: Duration = Duration::from_hours(1);

/// When the resumer gives up on a payment that it cannot settle, loudly. Stripe keeps idempotency
/// keys for at least 24 hours (Stripe API reference, "Idempotent requests"); until then creating
/// again finds the same intent.
pub const GIVE_UP_AFTER: Duration = Duration::from_hours(20);

/// The text is not an id of the payment provider's.
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
    /// What the student pays with, as the provider's own form on the student's screen made it.
    PaymentMethod, InvalidProviderId, provider_id
}

checked_text! {
    /// The provider's id of an intent.
    IntentId, InvalidProviderId, provider_id
}

/// One attempt to pay for an enrollment. Its price is the catalogue's at the attempt's start, and no
/// later change of the catalogue touches it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// How much, in minor units.
    pub price: Price,
    /// Of which currency.
    pub currency: Currency,
    /// What with.
    pub method: PaymentMethod,
    /// When the attempt started.
    #[serde(with = "time::serde::rfc3339")]
    pub started_at: OffsetDateTime,
    /// Why it failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Decline>,
    /// The intent that is to be paid back, once it is known that it must be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<IntentId>,
}

/// Why a payment failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decline {
    /// The provider's code, such as `insufficient_funds`.
    pub code: String,
    /// The same in plain words, for the student.
    pub message: String,
}

impl Decline {
    /// The payment was called off before it was made.
    pub fn abandoned() -> Self {
        Self {
            code: "abandoned".to_owned(),
            message: "The payment was not completed; nothing was charged.".to_owned(),
        }
    }
}

/// Everything that the provider is told of one attempt.
#[derive(Debug, Clone, Copy)]
pub struct Charge<'a> {
    /// The enrollment that is paid for.
    pub enrollment_id: EnrollmentId,
    /// Whose it is.
    pub student_id: &'a StudentId,
    /// Which course it is for.
    pub course_id: &'a CourseId,
    /// The attempt.
    pub payment: &'a Payment,
}

impl Charge<'_> {
    /// The idempotency key of one step of this attempt.
    pub fn idempotency_key(&self, step: &str) -> String {
        format!("{}-{}-{step}", self.enrollment_id, self.payment.attempt)
    }
}

/// The provider's answer to the creation of an intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    /// There it is, as it is now.
    Intent(Intent),
    /// There will be none, for example because the payment method is not known to the provider.
    Refused(Decline),
}

/// An intent, as the provider sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// The provider's id of it.
    pub id: IntentId,
    /// How far it has come.
    pub status: IntentStatus,
}

/// How far an intent has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IntentStatus {
    /// Created, and nothing has been charged.
    AwaitingConfirmation,
    /// The student's bank wants to hear from the student.
    RequiresAction {
        /// What the student's screen needs to go on.
        client_secret: String,
    },
    /// The provider is still at it.
    Processing,
    /// Declined; the intent could still be tried with another method, and so must be cancelled.
    Declined(Decline),
    /// Paid.
    Succeeded,
    /// Called off; it can never be paid any more.
    Cancelled,
}
