//! An event of Stripe that came by EventBridge, as a message of `StripeEventQueue`, as a request to the webhook's
//! route.
//!
//! The message's body is EventBridge's envelope; its `detail` is the event that Stripe would have sent to the webhook
//! (Stripe, "Send events to Amazon EventBridge"). It has no signature of Stripe. Only Stripe can put events on its
//! partner bus (EventBridge User Guide, "Event buses", partner event buses), and only the bus's rule may send to
//! the queue.

use aws_lambda_events::sqs::SqsEvent;
use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{Method, StatusCode},
};
use invocation::trace::{self, TraceHeader};
use lambda::log_events;
use lambda_http::{RequestExt, tower::ServiceExt};
use lambda_runtime::{Context, Diagnostic, LambdaEvent};
use serde::Deserialize;
use serde_json::Value;
use tracing::Instrument;

use super::{
    span,
    webhook::{self, FromPartnerBus},
};

/// The beginning of the `source` of every event of Stripe. AWS lets nobody else use it: `PutEvents` refuses a source
/// that begins with `aws.` (EventBridge API Reference, `PutEventsRequestEntry`).
const SOURCE: &str = "aws.partner/stripe.com/";

/// What the log calls the route of such an event.
const ROUTE: &str = "StripeEventQueue";

/// EventBridge's envelope (EventBridge User Guide, "Events").
#[derive(Debug, Deserialize)]
struct Envelope {
    source: String,
    detail: Value,
}

/// Whether Lambda read this event from a queue.
pub fn is_message(event: &Value) -> bool {
    event["Records"].is_array()
}

/// Handles one message.
///
/// # Errors
///
/// `Err` returns the message to the queue, which delivers it again after its visibility timeout, and moves it to the
/// dead-letter queue after the last receive. A redelivery helps while a service is unavailable. Handling an event twice
/// is harmless.
pub async fn handle(router: &Router, event: LambdaEvent<Value>) -> Result<(), Diagnostic> {
    let LambdaEvent { payload, context } = event;
    let batch: SqsEvent =
        serde_json::from_value(payload).map_err(|_| failed("the event is not one of SQS"))?;
    let [message] = <[_; 1]>::try_from(batch.records)
        .map_err(|_| failed("the batch size of the event source is not 1"))?;
    let message_id = message.message_id.unwrap_or_default();
    let trace = context.xray_trace_id.as_deref().and_then(TraceHeader::parse);
    let span = span::request(ROUTE, trace.as_ref());
    let handled = deliver(router, message.body.as_deref().unwrap_or_default(), context);
    let handled = trace::within(trace, handled).instrument(span).await;
    handled.inspect_err(|error| {
        tracing::error!(
            event = log_events::STRIPE_EVENT_FAILED,
            sqs_message_id = message_id,
            error = error.error_message,
            "an event of Stripe was not handled; it is returned to the queue"
        );
    })
}

async fn deliver(router: &Router, body: &str, context: Context) -> Result<(), Diagnostic> {
    let request = request(body)?.with_lambda_context(context);
    let Ok(response) = router.clone().oneshot(request).await;
    match response.status() {
        StatusCode::OK => Ok(()),
        other => Err(failed(&format!("the webhook's answer would be {other}"))),
    }
}

fn request(body: &str) -> Result<Request, Diagnostic> {
    let Envelope { source, detail } = serde_json::from_str(body)
        .map_err(|_| failed("the message is not an event of EventBridge"))?;
    if !source.starts_with(SOURCE) {
        return Err(failed("the event is not from Stripe's partner bus"));
    }
    let mut request = Request::new(Body::from(detail.to_string()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = webhook::PATH.parse().map_err(|_| failed("the path is not a URI"))?;
    request.extensions_mut().insert(FromPartnerBus);
    Ok(request)
}

fn failed(why: &str) -> Diagnostic {
    Diagnostic { error_type: "StripeEventFailed".to_owned(), error_message: why.to_owned() }
}
