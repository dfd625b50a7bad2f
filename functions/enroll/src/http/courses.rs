//! The catalogue's routes, for operators.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use enrollment::{
    Course, Ports,
    ports::{FindCourse, PutCourse},
};
use serde_json::json;

use super::{
    api::ApiAdapters,
    jsend::ApiResponse,
    request::{CourseInPath, JsonObject},
};

/// `GET /courses/{course_id}`
pub(super) async fn show<A: ApiAdapters>(
    State(ports): State<Arc<Ports<A>>>,
    CourseInPath(id): CourseInPath,
) -> Result<ApiResponse, ApiResponse> {
    match ports.courses.find_course(&id).await? {
        Some(course) => Ok(ApiResponse::success(StatusCode::OK, json!({"course": course}))),
        None => Ok(ApiResponse::no_such_course(&id)),
    }
}

/// `PUT /courses/{course_id}`
pub(super) async fn put<A: ApiAdapters>(
    State(ports): State<Arc<Ports<A>>>,
    CourseInPath(id): CourseInPath,
    JsonObject(object): JsonObject,
) -> Result<ApiResponse, ApiResponse> {
    let course = Course::from_fields(id, &object)
        .map_err(|fields| ApiResponse::fields(StatusCode::UNPROCESSABLE_ENTITY, fields))?;
    let created = ports.courses.put_course(&course).await?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok(ApiResponse::success(status, json!({"course": course})))
}
