//! `JSend` bodies: `success` with data, `fail` with what the caller can mend, `error` with a message.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use enrollment::fields::FieldErrors;
use serde_json::{Value, json};
use unavailable::Unavailable;

/// When a caller should ask again after a 503, in seconds: a dependency that throttles or fails over
/// is usually back by then.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("5");

/// A status and a `JSend` body.
#[derive(Debug, PartialEq)]
pub(super) struct Answer {
    status: StatusCode,
    body: Value,
    retry: bool,
}

impl Answer {
    /// What was asked for was done.
    pub(super) fn success(status: StatusCode, data: Value) -> Self {
        Self::new(status, json!({"status": "success", "data": data}))
    }

    /// All is well, and there is no data.
    pub(super) fn message(text: &str) -> Self {
        Self::new(StatusCode::OK, json!({"status": "success", "message": text}))
    }

    /// One thing that the caller can mend.
    pub(super) fn fail(status: StatusCode, field: &'static str, why: impl Into<String>) -> Self {
        Self::fields(status, FieldErrors::from([(field.into(), why.into())]))
    }

    /// Several things that the caller can mend.
    pub(super) fn fields(status: StatusCode, fields: FieldErrors) -> Self {
        Self::new(status, json!({"status": "fail", "data": fields}))
    }

    /// Something that the caller cannot mend.
    pub(super) fn error(status: StatusCode, message: &str) -> Self {
        Self::new(status, json!({"status": "error", "message": message}))
    }

    /// Something that is worth asking for again, soon.
    pub(super) fn retry(message: &str) -> Self {
        Self { retry: true, ..Self::error(StatusCode::SERVICE_UNAVAILABLE, message) }
    }

    /// The payment is not made; why, and how to go on.
    pub(super) fn payment(data: Value) -> Self {
        Self::new(StatusCode::PAYMENT_REQUIRED, json!({"status": "fail", "data": data}))
    }

    fn new(status: StatusCode, body: Value) -> Self {
        Self { status, body, retry: false }
    }
}

impl From<Unavailable> for Answer {
    fn from(error: Unavailable) -> Self {
        tracing::error!(%error, "a dependency is unavailable");
        Self::retry("a service that this depends on is unavailable; nothing is lost, ask again")
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body)).into_response();
        if self.retry {
            response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
        response
    }
}
