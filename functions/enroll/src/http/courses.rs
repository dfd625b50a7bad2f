//! The catalogue's routes, for operators.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use enrollment::Course;
use serde_json::json;

use super::{
    Api,
    jsend::Answer,
    request::{CourseInPath, JsonObject},
};

/// `GET /courses/{course_id}`
pub(super) async fn show<W: Api>(
    State(world): State<Arc<W>>,
    CourseInPath(id): CourseInPath,
) -> Result<Answer, Answer> {
    match world.find_course(&id).await? {
        Some(course) => Ok(Answer::success(StatusCode::OK, json!({"course": course}))),
        None => Ok(super::no_such_course(&id)),
    }
}

/// `PUT /courses/{course_id}`
pub(super) async fn put<W: Api>(
    State(world): State<Arc<W>>,
    CourseInPath(id): CourseInPath,
    JsonObject(object): JsonObject,
) -> Result<Answer, Answer> {
    let course = Course::from_fields(id, &object)
        .map_err(|fields| Answer::fields(StatusCode::UNPROCESSABLE_ENTITY, fields))?;
    let created = world.put_course(&course).await?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok(Answer::success(status, json!({"course": course})))
}
