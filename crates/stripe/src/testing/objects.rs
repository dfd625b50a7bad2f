//! Stripe's objects, and how they look in JSON (Stripe API reference, "The `PaymentIntent` object",
//! "The Charge object", "The Refund object", "The `PaymentMethod` object").

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::cards::Card;

/// `requires_capture` is missing: captures are automatic here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    RequiresPaymentMethod,
    RequiresConfirmation,
    RequiresAction,
    Processing,
    Succeeded,
    Canceled,
}

impl Status {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::RequiresPaymentMethod => "requires_payment_method",
            Self::RequiresConfirmation => "requires_confirmation",
            Self::RequiresAction => "requires_action",
            Self::Processing => "processing",
            Self::Succeeded => "succeeded",
            Self::Canceled => "canceled",
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Intent {
    pub(super) id: String,
    pub(super) live: bool,
    pub(super) created: i64,
    pub(super) amount: u64,
    pub(super) currency: String,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) method_types: Vec<String>,
    pub(super) method: Option<String>,
    pub(super) status: Status,
    pub(super) last_error: Value,
    pub(super) latest_charge: Option<String>,
    pub(super) confirmations: u32,
}

impl Intent {
    pub(super) fn client_secret(&self) -> String {
        format!("{}_secret_{:x}", self.id, self.created)
    }

    pub(super) fn json(&self) -> Value {
        let received = if self.status == Status::Succeeded { self.amount } else { 0 };
        let next_action = (self.status == Status::RequiresAction)
            .then(|| json!({"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect"}}));
        json!({
            "id": self.id,
            "object": "payment_intent",
            "amount": self.amount,
            "amount_received": received,
            "capture_method": "automatic",
            "client_secret": self.client_secret(),
            "created": self.created,
            "currency": self.currency,
            "customer": null,
            "last_payment_error": self.last_error,
            "latest_charge": self.latest_charge,
            "livemode": self.live,
            "metadata": self.metadata,
            "next_action": next_action,
            "payment_method": self.method,
            "payment_method_types": self.method_types,
            "status": self.status.name(),
        })
    }
}

/// One try to charge a card.
#[derive(Debug, Clone)]
pub(super) struct Charge {
    pub(super) id: String,
    pub(super) intent: String,
    pub(super) amount: u64,
    pub(super) refunded: u64,
    pub(super) is_paid: bool,
    pub(super) card: Card,
    /// The idempotency key of the request that charged.
    pub(super) key: Option<String>,
}

impl Charge {
    pub(super) fn json(&self, intent: &Intent) -> Value {
        json!({
            "id": self.id,
            "object": "charge",
            "amount": self.amount,
            "amount_refunded": self.refunded,
            "captured": self.is_paid,
            "created": intent.created,
            "currency": intent.currency,
            "livemode": intent.live,
            "metadata": intent.metadata,
            "paid": self.is_paid,
            "payment_intent": self.intent,
            "refunded": self.refunded == self.amount,
            "status": if self.is_paid { "succeeded" } else { "failed" },
        })
    }
}

#[derive(Debug, Clone)]
pub(super) struct Refund {
    pub(super) id: String,
    pub(super) charge: String,
    pub(super) intent: String,
    pub(super) live: bool,
    pub(super) created: i64,
    pub(super) amount: u64,
    pub(super) currency: String,
    pub(super) metadata: BTreeMap<String, String>,
    /// `pending`, `succeeded` or `failed`.
    pub(super) status: &'static str,
    pub(super) failure_reason: Option<String>,
}

impl Refund {
    pub(super) fn json(&self) -> Value {
        let mut refund = json!({
            "id": self.id,
            "object": "refund",
            "amount": self.amount,
            "charge": self.charge,
            "created": self.created,
            "currency": self.currency,
            "metadata": self.metadata,
            "payment_intent": self.intent,
            "reason": null,
            "status": self.status,
        });
        if let Some(reason) = &self.failure_reason {
            refund["failure_reason"] = json!(reason);
        }
        if self.status == "pending" {
            refund["pending_reason"] = json!("processing");
        }
        refund
    }
}

#[derive(Debug, Clone)]
pub(super) struct PaymentMethod {
    pub(super) id: String,
    pub(super) live: bool,
    pub(super) created: i64,
    pub(super) number: String,
    pub(super) card: Card,
    /// The intent that it was used with. It has no customer, so it is not used again.
    pub(super) used_with: Option<String>,
}

impl PaymentMethod {
    pub(super) fn json(&self) -> Value {
        let last4 = self.number.get(self.number.len().saturating_sub(4)..);
        json!({
            "id": self.id,
            "object": "payment_method",
            "card": {"brand": "visa", "exp_month": 12, "exp_year": 2040, "last4": last4},
            "created": self.created,
            "customer": null,
            "livemode": self.live,
            "metadata": {},
            "type": "card",
        })
    }
}
