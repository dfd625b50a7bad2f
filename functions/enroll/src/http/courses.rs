//! The catalogue's routes, for operators.

use std::sync::Arc;

use axum::{Extension, extract::State, http::StatusCode};
use enrollment::{
    Course, Ports,
    catalogue::{Author, Precondition, Put, PutError, put_course},
    ports::{CountSeats, FindCourse},
};
use lambda::clock;
use serde_json::json;

use super::{
    api::ApiAdapters,
    jsend::ApiResponse,
    operators::Caller,
    request::{CourseInPath, JsonObject, Required},
};

/// `GET /courses/{course_id}`. Past the cache: who changes a course needs its current version.
pub(super) async fn show<A: ApiAdapters>(
    State(ports): State<Arc<Ports<A>>>,
    CourseInPath(id): CourseInPath,
) -> Result<ApiResponse, ApiResponse> {
    match ports.courses.find_course_now(&id).await? {
        Some(course) if course.has_seats() => {
            let count = ports.enrollments.count_seats(&id).await?;
            let taken = count.map_or(0, |count| count.taken);
            let data = json!({"course": course, "seats_taken": taken});
            Ok(ApiResponse::success(StatusCode::OK, data).tagged(course.version))
        }
        Some(course) => Ok(course_response(StatusCode::OK, &course)),
        None => Ok(ApiResponse::no_such_course(&id)),
    }
}

/// `PUT /courses/{course_id}`
pub(super) async fn put<A: ApiAdapters>(
    State(ports): State<Arc<Ports<A>>>,
    caller: Option<Extension<Caller>>,
    CourseInPath(id): CourseInPath,
    Required(precondition): Required,
    JsonObject(object): JsonObject,
) -> Result<ApiResponse, ApiResponse> {
    let Some(Extension(Caller(Some(by)))) = caller else { return Err(ApiResponse::no_caller()) };
    let wanted = Course::from_fields(id, &object)
        .map_err(|fields| ApiResponse::fields(StatusCode::UNPROCESSABLE_ENTITY, fields))?;
    let author = Author { by, at: clock::now() };
    match put_course(&ports.courses, wanted, &precondition, &author).await {
        Ok(Put::Created(course)) => Ok(course_response(StatusCode::CREATED, &course)),
        Ok(Put::Replaced(course) | Put::Unchanged(course)) => {
            Ok(course_response(StatusCode::OK, &course))
        }
        Err(PutError::PreconditionFailed { current }) => Err(refused(&precondition, current)),
        Err(PutError::Busy) => Err(ApiResponse::retry("others write this course; retry")),
        Err(PutError::Unavailable(error)) => Err(error.into()),
    }
}

fn course_response(status: StatusCode, course: &Course) -> ApiResponse {
    ApiResponse::success(status, json!({"course": course})).tagged(course.version)
}

fn refused(precondition: &Precondition, current: Option<Course>) -> ApiResponse {
    let why = match precondition {
        Precondition::Absent => "there is this course already, and If-None-Match is *",
        _ if current.is_none() => "there is no such course, and If-Match requires one",
        _ => "the course has another version than If-Match: its ETag is in this response",
    };
    let response = ApiResponse::fail(StatusCode::PRECONDITION_FAILED, "headers", why);
    match current {
        Some(course) => response.tagged(course.version),
        None => response,
    }
}
