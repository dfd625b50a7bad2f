//! `JSend` responses: `success` with data, `fail` with errors that the caller can fix, `error` with a
//! message.

use axum::{
    Json,
    http::{
        HeaderValue, StatusCode,
        header::{ETAG, RETRY_AFTER},
    },
    response::{IntoResponse, Response},
};
use enrollment::{
    CourseId,
    fields::FieldErrors,
    payment::{PaymentError, ProviderRefusal},
};
use serde_json::{Value, json};
use unavailable::Unavailable;

use super::{measure::Outcome, report};

/// Seconds until a caller should retry after a 503: a dependency that throttles or fails over is usually
/// back by then.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("5");

/// A status and a `JSend` body.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ApiResponse {
    status: StatusCode,
    body: Value,
    retry: bool,
    outcome: Option<Outcome>,
    /// The version of the course that the response is about.
    version: Option<u32>,
}

impl ApiResponse {
    pub(super) fn success(status: StatusCode, data: Value) -> Self {
        Self::new(status, json!({"status": "success", "data": data}))
    }

    /// A success without data.
    pub(super) fn message(text: &str) -> Self {
        Self::new(StatusCode::OK, json!({"status": "success", "message": text}))
    }

    /// One error that the caller can fix.
    pub(super) fn fail(status: StatusCode, field: &'static str, why: impl Into<String>) -> Self {
        Self::fields(status, FieldErrors::from([(field.into(), why.into())]))
    }

    /// Errors that the caller can fix.
    pub(super) fn fields(status: StatusCode, fields: FieldErrors) -> Self {
        Self::new(status, json!({"status": "fail", "data": fields}))
    }

    /// An error that the caller cannot fix.
    pub(super) fn error(status: StatusCode, message: &str) -> Self {
        Self::new(status, json!({"status": "error", "message": message}))
    }

    /// An error that a retry may resolve.
    pub(super) fn retry(message: &str) -> Self {
        Self { retry: true, ..Self::error(StatusCode::SERVICE_UNAVAILABLE, message) }
    }

    /// The payment is not made; `data` has the reason or the next step.
    pub(super) fn payment(data: Value) -> Self {
        Self::new(StatusCode::PAYMENT_REQUIRED, json!({"status": "fail", "data": data}))
    }

    pub(super) fn no_caller() -> Self {
        let why = "the request has no AWS principal, so the history could not say who acted";
        Self::fail(StatusCode::FORBIDDEN, "authorization", why)
    }

    pub(super) fn no_such_course(id: &CourseId) -> Self {
        Self::fail(StatusCode::NOT_FOUND, "course_id", format!("there is no course {id}"))
    }

    /// The same response, with the version of the course that it is about as its entity tag.
    pub(super) fn tagged(self, version: u32) -> Self {
        Self { version: Some(version), ..self }
    }

    /// The same response, with what the request came to.
    pub(super) fn of(self, outcome: Outcome) -> Self {
        Self { outcome: Some(outcome), ..self }
    }

    fn new(status: StatusCode, body: Value) -> Self {
        Self { status, body, retry: false, outcome: None, version: None }
    }
}

impl From<Unavailable> for ApiResponse {
    fn from(error: Unavailable) -> Self {
        tracing::error!(%error, "a dependency is unavailable");
        Self::retry("a service that this depends on is unavailable; nothing is lost, retry")
    }
}

/// A retry would be refused too, until an operator has acted: no `Retry-After`.
impl From<ProviderRefusal> for ApiResponse {
    fn from(refusal: ProviderRefusal) -> Self {
        report::provider_refused(&refusal);
        let message = "the payment provider does not accept this service's request; an operator must look at it";
        Self::error(StatusCode::SERVICE_UNAVAILABLE, message)
    }
}

impl From<PaymentError> for ApiResponse {
    fn from(error: PaymentError) -> Self {
        match error {
            PaymentError::Unavailable(error) => error.into(),
            PaymentError::Refused(refusal) => refusal.into(),
            spent @ PaymentError::KeyIsSpent => Unavailable::new("a payment", spent).into(),
        }
    }
}

impl IntoResponse for ApiResponse {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body)).into_response();
        if self.retry {
            response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
        if let Some(version) = self.version
            && let Ok(tag) = HeaderValue::from_str(&format!("\"{version}\""))
        {
            response.headers_mut().insert(ETAG, tag);
        }
        if let Some(outcome) = self.outcome {
            response.extensions_mut().insert(outcome);
        }
        response
    }
}
