//! One deadline per request: the invocation's, and less than API Gateway waits. What is not done by then
//! is dropped, and the caller gets our own 503 instead of API Gateway's 500 or 504.

use std::time::Duration;

use axum::{
    extract::Request,
    middleware::Next,
    response::{IntoResponse, Response},
};
use lambda::clock;
use lambda_http::RequestExt;
use tokio::time::Instant;

use super::jsend::ApiResponse;

/// The function's timeout in template.yaml, one second less than API Gateway waits (API Gateway
/// Developer Guide, "Quotas for HTTP APIs": 30 s).
pub const TIMEOUT: Duration = Duration::from_secs(29);

/// Time that is kept for the response.
pub const RESERVED: Duration = Duration::from_secs(1);

/// When a request's time ends, in its extensions.
#[derive(Debug, Clone, Copy)]
pub(super) struct EndsAt(Instant);

impl EndsAt {
    /// The time that is left now.
    pub(super) fn left(self) -> Duration {
        self.0.saturating_duration_since(clock::instant())
    }
}

/// Middleware that gives the request its deadline, and responds when it is over.
pub(super) async fn respond_in_time(mut request: Request, next: Next) -> Response {
    let (now, started_at) = (clock::now(), clock::instant());
    let told = request.lambda_context_ref().map_or(0, |context| context.deadline);
    let left = Duration::try_from(lambda::deadline(told, now, TIMEOUT) - now).unwrap_or_default();
    let ends_at = started_at + left.min(TIMEOUT).saturating_sub(RESERVED);
    request.extensions_mut().insert(EndsAt(ends_at));
    let path = request.uri().path().to_owned();
    tokio::time::timeout_at(ends_at, next.run(request)).await.unwrap_or_else(|_| {
        tracing::error!(path, "a request was not done in time");
        ApiResponse::retry("a service that this depends on was slow; nothing is lost, retry")
            .into_response()
    })
}
