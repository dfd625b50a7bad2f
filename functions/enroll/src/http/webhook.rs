//! `POST /webhooks/stripe`: needs no AWS signature, because Stripe signs it.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode},
    routing::post,
};
use enrollment::{Enrollment, Ports, ports::FindEnrollment, settle_intent};
use stripe::webhook::{self, Event};
use time::OffsetDateTime;

use super::{
    api::{ApiAdapters, WebhookKeys},
    jsend::ApiResponse,
};

/// Maximum size of an event, in bytes; Stripe's have a few thousand.
const MAX_BYTES: usize = 256 * 1024;

pub(super) fn route<A: ApiAdapters>() -> Router<Arc<Ports<A>>> {
    Router::new()
        .route("/webhooks/stripe", post(receive::<A>))
        .layer(DefaultBodyLimit::max(MAX_BYTES))
}

/// Unless the response is 2xx, Stripe sends the event again, for days. So a failure of ours is a 503, and
/// an event that is not for us is acknowledged.
async fn receive<A: ApiAdapters>(
    State(ports): State<Arc<Ports<A>>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<ApiResponse, ApiResponse> {
    let Some(payments) = &ports.payments else {
        let message = "payments are not configured";
        return Err(ApiResponse::error(StatusCode::SERVICE_UNAVAILABLE, message));
    };
    let keys = payments.webhook_keys().await?;
    let signature = headers.get("stripe-signature").and_then(|value| value.to_str().ok());
    let now = OffsetDateTime::now_utc();
    webhook::verify(&keys.webhook_secret, signature, &body, now).map_err(|why| {
        tracing::warn!(%why, "a webhook call was refused");
        ApiResponse::fail(StatusCode::FORBIDDEN, "stripe-signature", why.to_string())
    })?;
    let event = webhook::read(&body)
        .map_err(|why| ApiResponse::fail(StatusCode::BAD_REQUEST, "body", why.to_string()))?;
    if let Some(event) = event {
        settle(&ports, event, now).await?;
    }
    Ok(ApiResponse::message("Received"))
}

async fn settle<A: ApiAdapters>(
    ports: &Ports<A>,
    event: Event,
    now: OffsetDateTime,
) -> Result<(), ApiResponse> {
    let found = ports.enrollments.find_enrollment(&event.student_id, &event.course_id).await?;
    let Some(enrollment) = found.filter(|found| is_about(&event, found)) else {
        tracing::error!(
            event = "payment_without_enrollment",
            intent_id = %event.intent.id,
            enrollment_id = event.enrollment_id,
            "an event names an enrollment that does not exist",
        );
        return Ok(());
    };
    settle_intent(ports, &enrollment, event.attempt, event.intent, now).await?;
    Ok(())
}

fn is_about(event: &Event, enrollment: &Enrollment) -> bool {
    enrollment.id.to_string() == event.enrollment_id
}
