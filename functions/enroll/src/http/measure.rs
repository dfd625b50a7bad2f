//! One log line per request, from which the metrics of the API come (docs/metrics.md).

use std::time::Duration;

use axum::{
    extract::Request,
    http::{Method, StatusCode},
    middleware::Next,
    response::Response,
};
use invocation::calls::{self, Service};
use lambda::{clock, log_events};

/// What a request came to. A metric has each value as a dimension, so it is one of a few, and never a text from
/// outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Of a request to enroll.
    Enrollment(&'static str),
    /// Of a payment, as a webhook event reports it.
    Payment(&'static str),
}

impl Outcome {
    /// Of a request that did not reach its handler, or whose time was over.
    fn by_status(status: StatusCode) -> Self {
        Self::Enrollment(if status.is_server_error() { "unavailable" } else { "refused" })
    }
}

/// Middleware around everything else.
pub(super) async fn log(request: Request, next: Next) -> Response {
    let started_at = clock::instant();
    let enrolls = request.method() == Method::POST
        && ["/enrollments", "/add-user-to-course", "/student/enrollments"]
            .contains(&request.uri().path());
    let (response, times) = calls::measured(next.run(request)).await;
    let status = response.status();
    let known = response.extensions().get::<Outcome>().copied();
    let (enrollment, payment) = match known.or(enrolls.then(|| Outcome::by_status(status))) {
        Some(Outcome::Enrollment(outcome)) => (Some(outcome), None),
        Some(Outcome::Payment(outcome)) => (None, Some(outcome)),
        None => (None, None),
    };
    let of = |service| times.of(service).map(milliseconds);
    tracing::info!(
        event = log_events::REQUEST,
        status = status.as_u16(),
        enrollment,
        payment,
        took_ms = milliseconds(clock::instant() - started_at),
        dynamodb_ms = of(Service::DynamoDb),
        sqs_ms = of(Service::Sqs),
        stripe_ms = of(Service::Stripe),
    );
    response
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
