//! Stripe's webhook calls.

use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::{DeployedStack, HttpResponse};

/// Calls the stack's webhook with the event for this payment intent, signed with this secret.
pub async fn call_webhook(stack: &DeployedStack, intent: &Value, secret: &str) -> HttpResponse {
    let event = json!({
        "type": format!("payment_intent.{}", intent["status"].as_str().unwrap_or_default()),
        "data": {"object": intent},
    })
    .to_string();
    let now =
        SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is after 1970").as_secs();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length is a key");
    mac.update(format!("{now}.{event}").as_bytes());
    let header = format!("t={now},v1={}", hex::encode(mac.finalize().into_bytes()));
    stack.call_with_header("POST", "/webhooks/stripe", ("stripe-signature", &header), event).await
}
