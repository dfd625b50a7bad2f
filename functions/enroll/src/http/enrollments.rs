//! The enrollments' routes, for trusted callers.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use email::ledger::Entry;
use enrollment::{EnrollError, Enrolled, enrollment::EnrollRequest};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{
    Api,
    jsend::Answer,
    request::{CourseInPath, JsonObject, StudentInQuery},
};

/// What the original answered, and so do we.
const ENROLLED: &str = "Enrolled Success";

/// `POST /enrollments`, and the original's `POST /add-user-to-course`
pub(super) async fn enroll<W: Api>(
    State(world): State<Arc<W>>,
    JsonObject(object): JsonObject,
) -> Result<Answer, Answer> {
    let request = EnrollRequest::from_fields(&object)
        .map_err(|fields| Answer::fields(StatusCode::UNPROCESSABLE_ENTITY, fields))?;
    let (status, enrollment) =
        match enrollment::enroll(world.as_ref(), request, OffsetDateTime::now_utc()).await? {
            Enrolled::New(enrollment) => (StatusCode::CREATED, enrollment),
            Enrolled::Already(enrollment) => (StatusCode::OK, enrollment),
        };
    Ok(Answer::success(status, json!({"message": ENROLLED, "enrollment": enrollment})))
}

/// `GET /enrollments/{course_id}?student_id=`
pub(super) async fn show<W: Api>(
    State(world): State<Arc<W>>,
    CourseInPath(course_id): CourseInPath,
    StudentInQuery(student_id): StudentInQuery,
) -> Result<Answer, Answer> {
    let Some(enrollment) = world.find_enrollment(&student_id, &course_id).await? else {
        let why = "this student has no enrollment in this course";
        return Ok(Answer::fail(StatusCode::NOT_FOUND, "course_id", why));
    };
    let email = timeline(world.find(&enrollment.id.email_job_id()).await?);
    Ok(Answer::success(StatusCode::OK, json!({"enrollment": enrollment, "email": email})))
}

/// The ledger's entry as it is; `queued` while no worker has taken the job.
fn timeline(entry: Option<Entry>) -> Value {
    entry.map_or_else(|| json!({"state": "queued"}), |entry| json!(entry))
}

impl From<EnrollError> for Answer {
    fn from(error: EnrollError) -> Self {
        match error {
            EnrollError::NoSuchCourse(id) => super::no_such_course(&id),
            EnrollError::CourseClosed => {
                Self::fail(StatusCode::CONFLICT, "course_id", "this course takes no new students")
            }
            EnrollError::Differs(fields) => Self::fields(StatusCode::CONFLICT, fields),
            EnrollError::PaymentsNotConfigured => Self::error(
                StatusCode::SERVICE_UNAVAILABLE,
                "this course has a price, and payments are not configured",
            ),
            EnrollError::Unavailable(error) => error.into(),
        }
    }
}
