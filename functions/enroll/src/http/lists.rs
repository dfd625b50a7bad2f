//! The routes of lists, for trusted callers, and for students themselves; a roster is for operators.

use std::{fmt::Display, sync::Arc};

use axum::{extract::State, http::StatusCode};
use enrollment::{
    Enrollment, Ports, StudentId,
    course::CourseState,
    fields::{FieldErrors, Fields},
    listing::{ListEnrollments, list_courses},
    page::{List, Page, PageRequest},
    roster::list_roster,
};

use super::{
    api::ApiAdapters,
    caller::{StudentOfToken, own_id},
    jsend::ApiResponse,
    request::{CourseInPath, QueryParameters},
    responses::{CourseView, CoursesPage, EnrollmentView, EnrollmentsPage},
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
    Ok(enrollments_page(List::EnrollmentsOf(student_id), &found))
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
    let next = next(List::Courses(state), &found);
    let courses = found.entries.iter().map(CourseView::from).collect();
    Ok(ApiResponse::success(StatusCode::OK, CoursesPage { courses, next }))
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
    Ok(enrollments_page(list, &found))
}

fn finish<T>(fields: Fields<'_>, value: Option<T>) -> Result<T, ApiResponse> {
    let refused =
        |fields: FieldErrors| ApiResponse::fields(StatusCode::UNPROCESSABLE_ENTITY, fields);
    fields.finish(value).map_err(refused)
}

fn enrollments_page<P: Display>(list: List<'_>, page: &Page<Enrollment, P>) -> ApiResponse {
    let enrollments = page.entries.iter().map(EnrollmentView::from).collect();
    ApiResponse::success(StatusCode::OK, EnrollmentsPage { enrollments, next: next(list, page) })
}

fn next<T, P: Display>(list: List<'_>, page: &Page<T, P>) -> Option<String> {
    page.next.as_ref().map(|after| list.cursor(after))
}
