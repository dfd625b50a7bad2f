//! The HTTP API: routes, and what each answers.

mod courses;
mod enrollments;
mod jsend;
mod request;
#[cfg(test)]
mod tests;
mod webhook;

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{Method, StatusCode, Uri},
    routing::{get, post},
};
use email::ledger::Timeline;
use email::queue::EnqueueEmail;
use enrollment::{
    CourseId,
    ports::{FindCourse, FindEnrollment, InsertEnrollment, Payments, PutCourse, SaveEnrollment},
};
use stripe::Secrets;
use unavailable::Unavailable;

use self::jsend::Answer;

/// Knows what Stripe signs its webhooks with.
pub trait WebhookKeys {
    /// The keys to Stripe; `None` where payments are not configured.
    fn webhook_keys(&self) -> impl Future<Output = Result<Option<&Secrets>, Unavailable>> + Send;
}

impl<C: Sync> WebhookKeys for adapters::World<C> {
    async fn webhook_keys(&self) -> Result<Option<&Secrets>, Unavailable> {
        self.stripe_secrets().await
    }
}

/// Everything that the API asks of the world.
pub trait Api:
    FindCourse
    + PutCourse
    + FindEnrollment
    + InsertEnrollment
    + SaveEnrollment
    + Payments
    + WebhookKeys
    + EnqueueEmail
    + Timeline
    + Send
    + Sync
    + 'static
{
}

impl<T> Api for T where
    T: FindCourse
        + PutCourse
        + FindEnrollment
        + InsertEnrollment
        + SaveEnrollment
        + Payments
        + WebhookKeys
        + EnqueueEmail
        + Timeline
        + Send
        + Sync
        + 'static
{
}

/// The routes. Who may call which is API Gateway's to check, by template.yaml.
pub fn router<W: Api>(world: Arc<W>) -> Router {
    Router::new()
        .route("/", get(health))
        .route("/enrollments", post(enrollments::enroll::<W>))
        .route("/add-user-to-course", post(enrollments::enroll::<W>))
        .route("/enrollments/{course_id}", get(enrollments::show::<W>))
        .route("/courses/{course_id}", get(courses::show::<W>).put(courses::put::<W>))
        .fallback(no_such_route)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(request::MAX_BYTES))
        .merge(webhook::route())
        .with_state(world)
}

async fn health() -> Answer {
    Answer::message("Registrar is up")
}

async fn no_such_route(uri: Uri) -> Answer {
    Answer::fail(StatusCode::NOT_FOUND, "path", format!("there is no {}", uri.path()))
}

async fn method_not_allowed(method: Method) -> Answer {
    let why = format!("{method} is not for this path");
    Answer::fail(StatusCode::METHOD_NOT_ALLOWED, "method", why)
}

fn no_such_course(id: &CourseId) -> Answer {
    Answer::fail(StatusCode::NOT_FOUND, "course_id", format!("there is no course {id}"))
}
