//! `POST /webhooks/stripe`: needs no AWS signature, because Stripe signs it. Events of the partner bus take the same path.

use std::sync::Arc;

use axum::{
    Extension, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode},
    routing::post,
};
use enrollment::{Ports, Settled, outside::AccessAfterRefund, settle_intent};
use invocation::trace::{self, TraceHeader};
use lambda::clock;
use stripe::{
    notice,
    webhook::{self, Event, Unsigned},
};
use time::OffsetDateTime;

use super::{
    api::{ApiAdapters, WebhookKeys},
    event_enrollment::find,
    jsend::ApiResponse,
    measure::Outcome,
    notices, report, span,
};

pub(super) const PATH: &str = "/webhooks/stripe";

/// Maximum size of an event, in bytes; Stripe's have a few thousand.
const MAX_BYTES: usize = 256 * 1024;

/// In a request's extensions: the event came by Stripe's partner bus, and needs no signature. No request of API Gateway
/// has it.
#[derive(Debug, Clone, Copy)]
pub(super) struct FromPartnerBus;

pub(super) fn route<A: ApiAdapters>(access: AccessAfterRefund) -> Router<Arc<Ports<A>>> {
    Router::new()
        .route(PATH, post(receive::<A>))
        .layer(DefaultBodyLimit::max(MAX_BYTES))
        .layer(Extension(access))
}

/// Unless the response is 2xx, Stripe sends the event again, for days. So a failure of ours is a 503, and
/// an event that is not for us is acknowledged.
async fn receive<A: ApiAdapters>(
    State(ports): State<Arc<Ports<A>>>,
    Extension(access): Extension<AccessAfterRefund>,
    from_partner_bus: Option<Extension<FromPartnerBus>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<ApiResponse, ApiResponse> {
    let Some(payments) = &ports.payments else {
        let message = "payments are not configured";
        return Err(ApiResponse::error(StatusCode::SERVICE_UNAVAILABLE, message));
    };
    let now = clock::now();
    if from_partner_bus.is_none() {
        let signature = headers.get("stripe-signature").and_then(|value| value.to_str().ok());
        verify(payments, signature, &body, now).await?;
    }
    if let Some(notice) = notice::read(&body) {
        return Ok(received(notices::receive(&ports, payments, notice, access, now).await?));
    }
    let event = webhook::read(&body)
        .map_err(|why| ApiResponse::fail(StatusCode::BAD_REQUEST, "body", why.to_string()))?;
    let outcome = match event {
        Some(event) => Some(settle(&ports, event, now).await?),
        None => None,
    };
    Ok(received(outcome))
}

fn received(outcome: Option<&'static str>) -> ApiResponse {
    let response = ApiResponse::message("Received");
    match outcome {
        Some(outcome) => response.of(Outcome::Payment(outcome)),
        None => response,
    }
}

async fn verify(
    payments: &impl WebhookKeys,
    signature: Option<&str>,
    body: &[u8],
    now: OffsetDateTime,
) -> Result<(), ApiResponse> {
    let keys = payments.webhook_keys().await?;
    let mut verified = webhook::verify(&keys.webhook_secrets, signature, body, now);
    // The secret may have been rolled since it was read.
    if verified == Err(Unsigned::Wrong)
        && let Some(newer) = payments.newer_webhook_keys(&keys).await?
    {
        verified = webhook::verify(&newer.webhook_secrets, signature, body, now);
    }
    verified.map_err(|why| {
        tracing::warn!(%why, "a webhook call was refused");
        ApiResponse::fail(StatusCode::FORBIDDEN, "stripe-signature", why.to_string())
    })
}

/// Returns what the payment came to.
async fn settle<A: ApiAdapters>(
    ports: &Ports<A>,
    event: Event,
    now: OffsetDateTime,
) -> Result<&'static str, ApiResponse> {
    span::record_course(&event.course_id);
    span::record_enrollment(&event.enrollment_id);
    let Some(enrollment) = find(&ports.enrollments, &event).await? else { return Ok("unknown") };
    // The email belongs to the trace of the student's request, not to that of Stripe's event.
    let trace = enrollment.trace.as_deref().and_then(TraceHeader::parse);
    let settled = settle_intent(ports, &enrollment, event.attempt, event.intent, now);
    Ok(match trace::within(trace, settled).await? {
        Settled::Orphaned(orphan) => {
            report::orphaned(&orphan);
            "orphaned"
        }
        Settled::Stuck(reason) => {
            report::stuck(reason);
            "stuck"
        }
        Settled::Granted(_) => "granted",
        Settled::Failed(_) => "failed",
        Settled::ActionRequired { .. } => "action_required",
        Settled::NotYet => "unchanged",
    })
}
