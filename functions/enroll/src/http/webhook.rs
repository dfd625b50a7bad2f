//! `POST /webhooks/stripe`: the one route that needs no AWS signature, because Stripe signs it.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode},
    routing::post,
};
use enrollment::{Enrollment, settle_intent};
use stripe::webhook::{self, Event};
use time::OffsetDateTime;

use super::{Api, jsend::Answer};

/// The largest event that is read, in bytes; Stripe's are some thousands.
const MAX_BYTES: usize = 256 * 1024;

pub(super) fn route<W: Api>() -> Router<Arc<W>> {
    Router::new()
        .route("/webhooks/stripe", post(receive::<W>))
        .layer(DefaultBodyLimit::max(MAX_BYTES))
}

/// Any answer but 2xx makes Stripe tell it again, for days: what cannot be done now is 503, what is
/// not for us is acknowledged.
async fn receive<W: Api>(
    State(world): State<Arc<W>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Answer, Answer> {
    let Some(keys) = world.webhook_keys().await? else {
        let message = "payments are not configured";
        return Err(Answer::error(StatusCode::SERVICE_UNAVAILABLE, message));
    };
    let signature = headers.get("stripe-signature").and_then(|value| value.to_str().ok());
    let now = OffsetDateTime::now_utc();
    webhook::verify(&keys.webhook_secret, signature, &body, now).map_err(|why| {
        tracing::warn!(%why, "a webhook call was refused");
        Answer::fail(StatusCode::FORBIDDEN, "stripe-signature", why.to_string())
    })?;
    let event = webhook::read(&body)
        .map_err(|why| Answer::fail(StatusCode::BAD_REQUEST, "body", why.to_string()))?;
    if let Some(event) = event {
        settle(world.as_ref(), event, now).await?;
    }
    Ok(Answer::message("Received"))
}

async fn settle<W: Api>(world: &W, event: Event, now: OffsetDateTime) -> Result<(), Answer> {
    let found = world.find_enrollment(&event.student_id, &event.course_id).await?;
    let Some(enrollment) = found.filter(|found| is_of(&event, found)) else {
        tracing::error!(
            event = "payment_without_enrollment",
            intent_id = %event.intent.id,
            enrollment_id = event.enrollment_id,
            "an event is of an enrollment that is not there",
        );
        return Ok(());
    };
    settle_intent(world, &enrollment, event.attempt, event.intent, now).await?;
    Ok(())
}

fn is_of(event: &Event, enrollment: &Enrollment) -> bool {
    enrollment.id.to_string() == event.enrollment_id
}
