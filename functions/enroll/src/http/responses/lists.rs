//! Pages of lists.

use serde::Serialize;

use super::{course::CourseView, enrollment::EnrollmentView};
#[cfg(test)]
use crate::http::openapi::schema;

#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub(in crate::http) struct EnrollmentsPage<'a> {
    pub(in crate::http) enrollments: Vec<EnrollmentView<'a>>,
    /// The parameter `after` of the next page; `null` on the last one.
    #[cfg_attr(test, schema(required = true, value_type = Option<schema::Cursor>))]
    pub(in crate::http) next: Option<String>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub(in crate::http) struct CoursesPage<'a> {
    pub(in crate::http) courses: Vec<CourseView<'a>>,
    /// The parameter `after` of the next page; `null` on the last one.
    #[cfg_attr(test, schema(required = true, value_type = Option<schema::Cursor>))]
    pub(in crate::http) next: Option<String>,
}
