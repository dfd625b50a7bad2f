//! The routes of students themselves, from a browser. Who the student is comes only from the token.

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::State,
    http::StatusCode,
    middleware::{Next, from_fn},
    response::Response,
    routing::get,
};
use enrollment::{EnrollRequest, Ports};

use super::{
    api::ApiAdapters,
    caller::{StudentOfToken, own_id},
    courses,
    deadline::EndsAt,
    enrollments::{enroll_as, show_to},
    jsend::ApiResponse,
    lists,
    request::{CourseInPath, JsonObject},
};

pub(super) fn routes<A: ApiAdapters>() -> Router<Arc<Ports<A>>> {
    Router::new()
        .route("/student/enrollments", get(lists::own_enrollments::<A>).post(enroll::<A>))
        .route("/student/enrollments/{course_id}", get(show::<A>))
        .route("/student/courses", get(lists::courses::<A>))
        .route("/student/courses/{course_id}", get(courses::show::<A>))
        .route_layer(from_fn(require_token))
}

/// Middleware, so that a route added later is not open by mistake.
async fn require_token(_: StudentOfToken, request: axum::extract::Request, next: Next) -> Response {
    next.run(request).await
}

/// `POST /student/enrollments`
async fn enroll<A: ApiAdapters>(
    State(ports): State<Arc<Ports<A>>>,
    Extension(ends_at): Extension<EndsAt>,
    StudentOfToken(claims): StudentOfToken,
    JsonObject(object): JsonObject,
) -> Result<ApiResponse, ApiResponse> {
    let request = EnrollRequest::from_claims(&claims, &object)
        .map_err(|fields| ApiResponse::fields(StatusCode::UNPROCESSABLE_ENTITY, fields))?;
    enroll_as(&ports, ends_at, request).await
}

/// `GET /student/enrollments/{course_id}`
async fn show<A: ApiAdapters>(
    State(ports): State<Arc<Ports<A>>>,
    StudentOfToken(claims): StudentOfToken,
    CourseInPath(course_id): CourseInPath,
) -> Result<ApiResponse, ApiResponse> {
    show_to(&ports, &own_id(&claims)?, &course_id).await
}
