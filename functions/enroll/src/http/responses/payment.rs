//! Payments, without the payment method.

use enrollment::{
    money::{Amount, Currency},
    payment::{Decline, Payment},
};
use serde::Serialize;

use super::rfc3339;
#[cfg(test)]
use crate::http::openapi::schema;

#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = Payment))]
pub(in crate::http) struct PaymentView<'a> {
    /// From 1.
    attempt: u32,
    /// In minor units.
    #[cfg_attr(test, schema(value_type = schema::Amount))]
    price: Amount,
    #[cfg_attr(test, schema(value_type = schema::Currency))]
    currency: Currency,
    #[cfg_attr(test, schema(value_type = schema::Moment))]
    started_at: String,
    #[cfg_attr(test, schema(required = true))]
    failure: Option<DeclineView<'a>>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = Decline))]
struct DeclineView<'a> {
    /// Stripe's code, or one of docs/api.md.
    code: &'a str,
    /// May be shown to the student.
    message: &'a str,
}

impl<'a> From<&'a Payment> for PaymentView<'a> {
    fn from(payment: &'a Payment) -> Self {
        let decline = |Decline { code, message }: &'a Decline| DeclineView { code, message };
        Self {
            attempt: payment.attempt,
            price: payment.price.amount,
            currency: payment.price.currency,
            started_at: rfc3339(payment.started_at),
            failure: payment.failure.as_ref().map(decline),
        }
    }
}

/// The `data` of a 402: the reason, or the next step.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(tag = "payment", rename_all = "snake_case")]
pub(in crate::http) enum PaymentNotMade {
    /// Nothing is charged; the student may retry with another payment method.
    Declined {
        /// Stripe's code, or one of docs/api.md.
        code: String,
        /// May be shown to the student.
        message: String,
    },
    /// 3-D Secure: the student's bank asks for the student's confirmation.
    RequiresAction {
        /// Stripe.js continues with it on the student's screen.
        client_secret: String,
        message: &'static str,
    },
}

impl From<Decline> for PaymentNotMade {
    fn from(Decline { code, message }: Decline) -> Self {
        Self::Declined { code, message }
    }
}
