//! The parts of Stripe's objects that are used here.

use enrollment::{
    money::{Amount, Currency, Money},
    payment::{Decline, Intent, IntentStatus, Refund, RefundStatus},
};
use serde::Deserialize;
use serde_json::Value;

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

/// An intent's `latest_charge`, expanded (Stripe API reference, "The Charge object"). The amount is the sum of all
/// refunds that have not failed.
#[derive(Debug, Deserialize)]
pub(crate) struct ChargeObject {
    pub(crate) amount_refunded: u64,
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

/// The attribute `error` of a response that is not a success, and an intent's `last_payment_error`.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct ErrorObject {
    #[serde(rename = "type")]
    kind: Option<String>,
    code: Option<String>,
    decline_code: Option<String>,
    message: Option<String>,
    param: Option<String>,
    payment_intent: Option<Value>,
}

impl ErrorObject {
    pub(crate) fn kind(&self) -> &str {
        self.kind.as_deref().unwrap_or_default()
    }

    pub(crate) fn code(&self) -> &str {
        self.code.as_deref().unwrap_or_default()
    }

    fn says(&self, text: &str) -> bool {
        self.message.as_ref().is_some_and(|message| message.contains(text))
    }

    /// The intent that the call was about, if it is shown.
    pub(crate) fn intent(&self) -> Option<IntentObject> {
        self.payment_intent.as_ref().and_then(|intent| IntentObject::deserialize(intent).ok())
    }

    /// For the student: the bank's code before Stripe's. "For card errors, these messages can be shown
    /// to your users" (Stripe API reference, "Errors", `message`); others are for developers.
    pub(crate) fn decline(self) -> Decline {
        const DECLINED: &str = "The payment was declined; nothing was charged.";
        const FAILED: &str =
            "The payment was not completed; nothing was charged. Pay again, or use another card.";
        let is_the_cards = self.kind() == "card_error";
        let own = if is_the_cards { DECLINED } else { FAILED };
        Decline {
            code: self.decline_code.or(self.code).unwrap_or_else(|| "card_declined".to_owned()),
            message: self.message.filter(|_| is_the_cards).unwrap_or_else(|| own.to_owned()),
        }
    }

    /// The payment method does not exist, and not only in this mode: the other mode's is our mistake,
    /// because our pages made it with the other mode's publishable key.
    pub(crate) fn is_unknown_method(&self) -> bool {
        self.code() == "resource_missing"
            && self.param.as_deref() == Some("payment_method")
            && !self.says("a similar object exists in")
    }

    /// The payment method works once. This error has no code, only a text. Both texts of public reports
    /// contain this: github.com/stripe/stripe-php issue 1221 (an older one), and
    /// github.com/Automattic/woocommerce-payments issue 323, which shows the error whole.
    pub(crate) fn is_used_method(&self) -> bool {
        self.kind() == "invalid_request_error"
            && self.says("PaymentMethod")
            && self.says("may not be used again")
    }
}

/// Stripe API reference, "The Refund object".
#[derive(Debug, Deserialize)]
pub(crate) struct RefundObject {
    id: String,
    status: Option<String>,
    #[serde(default)]
    pub(crate) amount: u64,
    #[serde(default)]
    pub(crate) metadata: Value,
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
    #[serde(default)]
    pub(crate) has_more: bool,
}
