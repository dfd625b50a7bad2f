//! The routes of lists, for trusted callers, and for students themselves.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use enrollment::{
    Ports, StudentId,
    course::CourseState,
    fields::{FieldErrors, Fields},
    listing::{ListEnrollments, list_courses},
    page::{List, Page, PageRequest},
};
use serde_json::{Value, json};

use super::{
    api::ApiAdapters,
    caller::{StudentOfToken, own_id},
    enrollments::enrollment_json,
    jsend::ApiResponse,
    request::QueryParameters,
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
    list_of(&ports, &student_id, &page).await
}

/// `GET /student/enrollments`
pub(super) async fn own_enrollments<A: ApiAdapters>(
    State(ports): State<Arc<Ports<A>>>,
    StudentOfToken(claims): StudentOfToken,
    query: QueryParameters,
) -> Result<ApiResponse, ApiResponse> {
    let student_id = own_id(&claims)?;
    let mut fields = query.fields(["student_id", "limit", "after"]);
    if query.has("student_id") {
        fields.add_error("student_id", "is not accepted here: it comes from the token");
    }
    let page = PageRequest::from_fields(&mut fields, Some(List::EnrollmentsOf(&student_id)));
    let page = finish(fields, Some(page))?;
    list_of(&ports, &student_id, &page).await
}

async fn list_of<A: ApiAdapters>(
    ports: &Ports<A>,
    student_id: &StudentId,
    page: &PageRequest,
) -> Result<ApiResponse, ApiResponse> {
    let found = ports.enrollments.list_enrollments(student_id, page).await?;
    Ok(list_response(List::EnrollmentsOf(student_id), "enrollments", found, enrollment_json))
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

fn finish<T>(fields: Fields<'_>, value: Option<T>) -> Result<T, ApiResponse> {
    let refused =
        |fields: FieldErrors| ApiResponse::fields(StatusCode::UNPROCESSABLE_ENTITY, fields);
    fields.finish(value).map_err(refused)
}

fn list_response<T>(
    list: List<'_>,
    name: &str,
    page: Page<T>,
    entry: impl Fn(&T) -> Value,
) -> ApiResponse {
    let entries: Vec<_> = page.entries.iter().map(entry).collect();
    let next = page.next.map(|after| list.cursor(&after));
    ApiResponse::success(StatusCode::OK, json!({name: entries, "next": next}))
}
