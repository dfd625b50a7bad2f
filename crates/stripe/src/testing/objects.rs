//! Stripe's objects: the fields that are serialised are Stripe's (Stripe API reference, "The
//! `PaymentIntent` object", "The Charge object", "The Refund object", "The Dispute object",
//! "The `PaymentMethod` object").

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::cards::Card;

pub(super) type Metadata = BTreeMap<String, String>;

/// An object as it looks now.
pub(super) fn json(object: &impl Serialize) -> Value {
    serde_json::to_value(object).unwrap_or_default()
}

/// `requires_capture` is missing: captures are automatic here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    RequiresPaymentMethod,
    RequiresConfirmation,
    RequiresAction,
    Processing,
    Succeeded,
    Canceled,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Intent {
    pub(super) id: String,
    pub(super) object: &'static str,
    pub(super) livemode: bool,
    pub(super) created: i64,
    pub(super) amount: u64,
    pub(super) amount_received: u64,
    pub(super) currency: String,
    pub(super) metadata: Metadata,
    pub(super) payment_method_types: Vec<String>,
    pub(super) payment_method: Option<String>,
    pub(super) status: Status,
    pub(super) client_secret: String,
    pub(super) next_action: Value,
    pub(super) last_payment_error: Value,
    pub(super) latest_charge: Option<String>,
    #[serde(skip)]
    pub(super) confirmations: u32,
}

impl Intent {
    pub(super) fn enter(&mut self, status: Status) {
        self.status = status;
        self.amount_received = if status == Status::Succeeded { self.amount } else { 0 };
        self.next_action = match status {
            Status::RequiresAction => json!({"type": "use_stripe_sdk"}),
            _ => Value::Null,
        };
    }
}

/// One try to charge a card.
#[derive(Debug, Clone, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "Stripe's object has them")]
pub(super) struct Charge {
    pub(super) id: String,
    pub(super) object: &'static str,
    pub(super) livemode: bool,
    pub(super) payment_intent: String,
    pub(super) amount: u64,
    pub(super) amount_refunded: u64,
    pub(super) currency: String,
    pub(super) metadata: Metadata,
    pub(super) paid: bool,
    pub(super) refunded: bool,
    pub(super) disputed: bool,
    /// `succeeded` or `failed`.
    pub(super) status: &'static str,
    #[serde(skip)]
    pub(super) card: Card,
    /// The idempotency key of the request that charged.
    #[serde(skip)]
    pub(super) key: Option<String>,
}

/// It has no metadata of the charge or intent.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Dispute {
    pub(super) id: String,
    pub(super) object: &'static str,
    pub(super) livemode: bool,
    pub(super) created: i64,
    pub(super) amount: u64,
    pub(super) charge: String,
    pub(super) payment_intent: String,
    pub(super) currency: String,
    pub(super) metadata: Metadata,
    pub(super) reason: &'static str,
    /// `needs_response`, then the result.
    pub(super) status: String,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Refund {
    pub(super) id: String,
    pub(super) object: &'static str,
    pub(super) charge: String,
    pub(super) payment_intent: String,
    pub(super) created: i64,
    pub(super) amount: u64,
    pub(super) currency: String,
    pub(super) metadata: Metadata,
    /// `pending`, `succeeded` or `failed`.
    pub(super) status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) failure_reason: Option<String>,
    #[serde(skip)]
    pub(super) livemode: bool,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct PaymentMethod {
    pub(super) id: String,
    pub(super) object: &'static str,
    pub(super) livemode: bool,
    pub(super) created: i64,
    pub(super) r#type: &'static str,
    pub(super) card: Value,
    #[serde(skip)]
    pub(super) behaviour: Card,
    /// The intent that it was used with. It has no customer, so it is not used again.
    #[serde(skip)]
    pub(super) used_with: Option<String>,
}
