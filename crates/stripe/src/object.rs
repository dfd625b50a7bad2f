//! The parts of Stripe's objects that are used here.

use enrollment::{
    money::{Amount, Currency, Money},
    payment::{Intent, IntentStatus, Refund, RefundStatus},
};
use serde::Deserialize;

use crate::error::ErrorObject;

/// Stripe API reference, "The `PaymentIntent` object".
#[derive(Debug, Deserialize)]
pub(crate) struct IntentObject {
    id: String,
    status: String,
    amount: u64,
    currency: String,
    livemode: bool,
    client_secret: Option<String>,
    last_payment_error: Option<ErrorObject>,
}

/// Written by us when the intent was created.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) enrollment_id: Option<String>,
    pub(crate) student_id: Option<String>,
    pub(crate) course_id: Option<String>,
    pub(crate) attempt: Option<String>,
}

impl IntentObject {
    /// `None`: its status or amount is unknown to us.
    pub(crate) fn intent(self) -> Option<Intent> {
        let status = match (self.status.as_str(), self.last_payment_error) {
            ("requires_payment_method", Some(error)) => IntentStatus::Declined(error.decline()),
            ("requires_payment_method" | "requires_confirmation", _) => {
                IntentStatus::AwaitingConfirmation
            }
            ("requires_action", _) => IntentStatus::RequiresAction {
                client_secret: self.client_secret.unwrap_or_default(),
            },
            ("processing" | "requires_capture", _) => IntentStatus::Processing,
            ("succeeded", _) => IntentStatus::Succeeded,
            ("canceled", _) => IntentStatus::Cancelled,
            _ => return None,
        };
        let currency: Currency = self.currency.to_uppercase().parse().ok()?;
        let money = Money { amount: Amount::try_from(self.amount).ok()?, currency };
        Some(Intent { id: self.id.parse().ok()?, status, money, livemode: self.livemode })
    }
}

/// Stripe API reference, "The Refund object".
#[derive(Debug, Deserialize)]
pub(crate) struct RefundObject {
    id: String,
    status: Option<String>,
}

impl RefundObject {
    /// `None`: its status is unknown to us.
    pub(crate) fn refund(self) -> Option<Refund> {
        let status = match self.status.as_deref() {
            Some("pending" | "requires_action") => RefundStatus::Pending,
            Some("succeeded") => RefundStatus::Succeeded,
            Some("failed" | "canceled") => RefundStatus::Failed,
            _ => return None,
        };
        Some(Refund { id: self.id.parse().ok()?, status })
    }
}

/// A page of a list (Stripe API reference, "Pagination").
#[derive(Debug, Deserialize)]
pub(crate) struct List<T> {
    pub(crate) data: Vec<T>,
}
