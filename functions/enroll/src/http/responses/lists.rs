//! Pages of lists.

use serde::Serialize;

use super::{course::CourseView, enrollment::EnrollmentView};

#[derive(Serialize)]
pub(in crate::http) struct EnrollmentsPage<'a> {
    pub(in crate::http) enrollments: Vec<EnrollmentView<'a>>,
    /// The parameter `after` of the next page; `null` on the last one.
    pub(in crate::http) next: Option<String>,
}

#[derive(Serialize)]
pub(in crate::http) struct CoursesPage<'a> {
    pub(in crate::http) courses: Vec<CourseView<'a>>,
    /// The parameter `after` of the next page; `null` on the last one.
    pub(in crate::http) next: Option<String>,
}
