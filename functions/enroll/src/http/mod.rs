//! The HTTP API: its routes.

mod api;
mod caller;
mod courses;
mod deadline;
mod enrollments;
mod event_enrollment;
pub mod gateway;
mod jsend;
mod lists;
mod measure;
mod notices;
#[cfg(test)]
mod openapi;
mod operators;
pub mod partner_bus;
mod report;
mod request;
mod responses;
mod span;
mod students;
#[cfg(test)]
mod tests;
mod webhook;

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{Method, StatusCode, Uri},
    middleware::from_fn,
    routing::{get, post},
};
use enrollment::{Ports, outside::AccessAfterRefund};

use self::jsend::ApiResponse;
pub use self::{
    api::{ApiAdapters, PaymentReader, WebhookKeys},
    deadline::{RESERVED, TIMEOUT},
};

/// The routes. API Gateway checks who may call which, as template.yaml says.
pub fn router<A: ApiAdapters>(ports: Arc<Ports<A>>, access: AccessAfterRefund) -> Router {
    Router::new()
        .route("/enrollments", get(lists::enrollments::<A>).post(enrollments::enroll::<A>))
        .route("/add-user-to-course", post(enrollments::enroll::<A>))
        .route("/enrollments/{course_id}", get(enrollments::show::<A>))
        .route(
            "/operator/enrollments/{course_id}",
            get(lists::roster::<A>).post(operators::act::<A>),
        )
        .route("/courses", get(lists::courses::<A>))
        .route("/courses/{course_id}", get(courses::show::<A>).put(courses::put::<A>))
        .route_layer(from_fn(caller::refuse_tokens))
        .merge(students::routes())
        .route("/", get(health))
        .fallback(no_such_route)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(request::MAX_BYTES))
        .merge(webhook::route(access))
        .layer(from_fn(deadline::respond_in_time))
        .layer(from_fn(measure::log))
        .with_state(ports)
}

async fn health() -> ApiResponse {
    ApiResponse::message("Registrar is up")
}

async fn no_such_route(uri: Uri) -> ApiResponse {
    ApiResponse::fail(StatusCode::NOT_FOUND, "path", format!("there is no {}", uri.path()))
}

async fn method_not_allowed(method: Method) -> ApiResponse {
    let why = format!("{method} is not allowed for this path");
    ApiResponse::fail(StatusCode::METHOD_NOT_ALLOWED, "method", why)
}
