//! The routes of lists, for trusted callers; a roster is for operators.

use std::{fmt::Display, sync::Arc};

use axum::{extract::State, http::StatusCode};
use enrollment::{
    Ports, StudentId,
    course::CourseState,
    fields::{FieldErrors, Fields},
    listing::{ListEnrollments, list_courses},
    page::{List, Page, PageRequest},
    roster::list_roster,
};
use serde_json::{Value, json};

use super::{
    api::ApiAdapters,
    enrollments::enrollment_json,
    jsend::ApiResponse,
    request::{CourseInPath, QueryParameters},
    span,
};

/// `GET /enrollments?student_id=`
pub(super) async fn enrollments<A: ApiAdapters>(
    State(ports): State<Arc<Ports<A>>>,
    query: QueryParameters,
) -> Result<ApiResponse, ApiResponse> {
    let mut fields = query.fields(["student_id", "limit", "after"]);
    let student_id: Option<StudentId> = fields.text("student_id");
    let page = PageRequest::from_fields(&mut fields, student_id.as_ref().map(List::EnrollmentsOf));
    let student_id = finish(fields, student_id)?;
    let found = ports.enrollments.list_enrollments(&student_id, &page).await?;
    Ok(list_response(List::EnrollmentsOf(&student_id), "enrollments", found, enrollment_json))
}

/// `GET /courses`
pub(super) async fn courses<A: ApiAdapters>(
    State(ports): State<Arc<Ports<A>>>,
    query: QueryParameters,
) -> Result<ApiResponse, ApiResponse> {
    let mut fields = query.fields(["state", "limit", "after"]);
    let state: Option<CourseState> = fields.optional_text("state");
    let list = (!fields.has_error("state")).then_some(List::Courses(state));
    let page = PageRequest::from_fields(&mut fields, list);
    let page = finish(fields, Some(page))?;
    let found = list_courses(&ports.courses, state, &page).await?;
    Ok(list_response(List::Courses(state), "courses", found, |course| json!(course)))
}

/// `GET /operator/enrollments/{course_id}`
pub(super) async fn roster<A: ApiAdapters>(
    State(ports): State<Arc<Ports<A>>>,
    CourseInPath(course_id): CourseInPath,
    query: QueryParameters,
) -> Result<ApiResponse, ApiResponse> {
    span::record_course(&course_id);
    let list = List::RosterOf(&course_id);
    let mut fields = query.fields(["limit", "after"]);
    let page = PageRequest::from_fields(&mut fields, Some(list));
    let page = finish(fields, Some(page))?;
    let found = list_roster(&ports.enrollments, &course_id, &page).await?;
    Ok(list_response(list, "enrollments", found, enrollment_json))
}

fn finish<T>(fields: Fields<'_>, value: Option<T>) -> Result<T, ApiResponse> {
    let refused =
        |fields: FieldErrors| ApiResponse::fields(StatusCode::UNPROCESSABLE_ENTITY, fields);
    fields.finish(value).map_err(refused)
}

fn list_response<T, P: Display>(
    list: List<'_>,
    name: &str,
    page: Page<T, P>,
    entry: impl Fn(&T) -> Value,
) -> ApiResponse {
    let entries: Vec<_> = page.entries.iter().map(entry).collect();
    let next = page.next.map(|after| list.cursor(&after));
    ApiResponse::success(StatusCode::OK, json!({name: entries, "next": next}))
}
