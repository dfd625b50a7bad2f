//! Whose fault a failure is (Stripe API reference, "Errors"; Stripe docs, "Error codes").

use enrollment::payment::{Decline, PaymentError, ProviderRefusal};
use serde::Deserialize;
use serde_json::Value;
use unavailable::Unavailable;

use crate::{object::IntentObject, transport::Response};

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

#[derive(Deserialize)]
struct Failed {
    error: ErrorObject,
}

/// What a failure means.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "short-lived; its size depends on features of serde_json"
)]
pub(crate) enum Failure {
    /// The student can change it.
    Student(Decline),
    /// The intent is in a state that does not allow the call, or the charge is refunded already: read
    /// it. It may be in the response.
    State(Option<IntentObject>),
    /// It is not about the student.
    Other(PaymentError),
}

impl ErrorObject {
    fn kind(&self) -> &str {
        self.kind.as_deref().unwrap_or_default()
    }

    fn code(&self) -> &str {
        self.code.as_deref().unwrap_or_default()
    }

    fn says(&self, text: &str) -> bool {
        self.message.as_ref().is_some_and(|message| message.contains(text))
    }

    /// The intent that the call was about, if it is shown.
    fn intent(&self) -> Option<IntentObject> {
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
    fn is_unknown_method(&self) -> bool {
        self.code() == "resource_missing"
            && self.param.as_deref() == Some("payment_method")
            && !self.says("a similar object exists in")
    }

    /// The payment method works once. This error has no code, only a text. Both texts of public reports
    /// contain this: github.com/stripe/stripe-php issue 1221 (an older one), and
    /// github.com/Automattic/woocommerce-payments issue 323, which shows the error whole.
    fn is_used_method(&self) -> bool {
        self.kind() == "invalid_request_error"
            && self.says("PaymentMethod")
            && self.says("may not be used again")
    }
}

/// Codes that say that an object is in another state than the call needs.
const STATES: [&str; 4] = [
    "payment_intent_unexpected_state",
    "payment_intent_authentication_failure",
    "payment_intent_payment_attempt_failed",
    "charge_already_refunded",
];

/// What a response means that is not a success.
pub(crate) fn failure(operation: &'static str, response: &Response) -> Failure {
    let error = read(response);
    match response.status {
        401 | 403 | 408 | 409 | 429 | 500.. => {
            Failure::Other(other(operation, response.status, &error))
        }
        _ if STATES.contains(&error.code()) => Failure::State(error.intent()),
        _ if error.kind() == "card_error" => match error.intent() {
            Some(intent) => Failure::State(Some(intent)),
            None => Failure::Student(error.decline()),
        },
        _ if error.is_unknown_method() => Failure::Student(Decline::payment_method_unknown()),
        _ if error.is_used_method() => Failure::Student(Decline::payment_method_used()),
        _ => Failure::Other(other(operation, response.status, &error)),
    }
}

/// The same for a call in which nothing is the student's.
pub(crate) fn ours(operation: &'static str, response: &Response) -> PaymentError {
    other(operation, response.status, &read(response))
}

fn read(response: &Response) -> ErrorObject {
    // A proxy's response has no error object.
    let failed = serde_json::from_slice::<Failed>(&response.body).ok();
    failed.map(|failed| failed.error).unwrap_or_default()
}

/// Type and code only: Stripe's message may repeat a value of the request.
fn other(operation: &'static str, status: u16, error: &ErrorObject) -> PaymentError {
    match status {
        // A call with the same key or on the same object is in progress; too many calls; Stripe is down.
        408 | 409 | 429 | 500.. => {
            let why = format!("Stripe responded {status} {} {}", error.kind(), error.code());
            Unavailable::new(operation, why).into()
        }
        _ => {
            let (error_type, code) = (error.kind().to_owned(), error.code().to_owned());
            ProviderRefusal { operation, status, error_type, code }.into()
        }
    }
}
