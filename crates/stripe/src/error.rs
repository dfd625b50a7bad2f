//! Whose fault a failure is (Stripe API reference, "Errors"; Stripe docs, "Error codes").

use enrollment::payment::{Decline, PaymentError, ProviderRefusal};
use serde::Deserialize;
use unavailable::Unavailable;

use crate::{
    object::{ErrorObject, IntentObject},
    transport::Response,
};

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
