//! The operators' route: one action on one enrollment.

use std::sync::Arc;

use axum::{Extension, extract::State, http::StatusCode};
use enrollment::{
    Ports,
    history::Actor,
    operator::{self, OperateError, Operated, OperatorRequest, Place, RequestedDeed, Signature},
};
use lambda::clock;
use serde_json::json;

use super::{
    api::ApiAdapters,
    enrollments::enrollment_json,
    jsend::ApiResponse,
    request::{CourseInPath, JsonObject},
    span,
};

/// The IAM principal that API Gateway authorised. `None` if the event has none.
#[derive(Debug, Clone, Default)]
pub(super) struct Caller(pub(super) Option<Actor>);

/// `POST /operator/enrollments/{course_id}`
pub(super) async fn act<A: ApiAdapters>(
    State(ports): State<Arc<Ports<A>>>,
    caller: Option<Extension<Caller>>,
    CourseInPath(course_id): CourseInPath,
    JsonObject(object): JsonObject,
) -> Result<ApiResponse, ApiResponse> {
    span::record_course(&course_id);
    let Some(Extension(Caller(Some(by)))) = caller else { return Err(ApiResponse::no_caller()) };
    let request = OperatorRequest::from_fields(&object)
        .map_err(|fields| ApiResponse::fields(StatusCode::UNPROCESSABLE_ENTITY, fields))?;
    let OperatorRequest { student_id, reason, deed } = request;
    let signature = Signature { by, reason, at: clock::now() };
    let place = Place { student_id, course_id };
    let (courses, enrollments) = (&ports.courses, &ports.enrollments);
    let operated = match deed {
        RequestedDeed::Grant(details) => {
            operator::grant(courses, enrollments, &place, details, &signature).await
        }
        RequestedDeed::Other(action) => {
            operator::operate(enrollments, &place, &action, &signature).await
        }
    };
    let (changed, enrollment) = match operated? {
        Operated::Changed(enrollment) => (true, enrollment),
        Operated::Unchanged(enrollment) => (false, enrollment),
    };
    span::record_enrollment(enrollment.id);
    let data = json!({"changed": changed, "enrollment": enrollment_json(&enrollment)});
    Ok(ApiResponse::success(StatusCode::OK, data))
}

impl From<OperateError> for ApiResponse {
    fn from(error: OperateError) -> Self {
        let why = error.to_string();
        match error {
            OperateError::NotEnrolled => Self::fail(StatusCode::NOT_FOUND, "course_id", why),
            OperateError::NoSuchCourse(id) => Self::no_such_course(&id),
            OperateError::DetailsNeeded => {
                let fields = [("name".into(), why.clone()), ("email".into(), why)];
                Self::fields(StatusCode::UNPROCESSABLE_ENTITY, fields.into())
            }
            OperateError::Refused(_) => Self::fail(StatusCode::CONFLICT, "action", why),
            OperateError::Full => Self::fail(StatusCode::CONFLICT, "seats", why),
            OperateError::Busy => Self::retry("others change this enrollment; retry"),
            OperateError::Unavailable(error) => error.into(),
        }
    }
}
