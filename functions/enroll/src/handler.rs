//! One event of Lambda: a request of API Gateway, or an event of Stripe from a queue.

use axum::Router;
use lambda_runtime::{Diagnostic, LambdaEvent};
use serde_json::Value;

use crate::http::{gateway, partner_bus};

/// Handles one event.
///
/// # Errors
///
/// For a queue, `Err` returns the message ([`partner_bus::handle`]). Otherwise the function is connected to something
/// that it does not serve ([`gateway::handle`]).
pub async fn handle(router: &Router, event: LambdaEvent<Value>) -> Result<Value, Diagnostic> {
    if partner_bus::is_message(&event.payload) {
        partner_bus::handle(router, event).await.map(|()| Value::Null)
    } else {
        gateway::handle(router, event).await
    }
}
