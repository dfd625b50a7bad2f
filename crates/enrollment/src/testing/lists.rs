//! The lists of the tables, in pages as small as the request says.

use unavailable::Unavailable;

use super::world::{Dependency, World};
use crate::{
    course::{Course, CourseId, CourseState},
    enrollment::Enrollment,
    listing::{ListCourses, ListEnrollments},
    page::{Page, PageRequest},
    student::StudentId,
};

/// As DynamoDB does, it says that there may be more whenever the page is full, even if it was the last (DynamoDB
/// Developer Guide, "Paginating table query results").
fn page<'a, T: Clone + 'a>(
    rows: impl Iterator<Item = (&'a CourseId, &'a T)>,
    request: &PageRequest,
) -> Page<T> {
    let size = usize::from(request.size.get());
    let after = rows.filter(|(id, _)| request.after.as_ref().is_none_or(|after| *id > after));
    let rows: Vec<_> = after.take(size).collect();
    let next = (rows.len() == size).then(|| rows.last().map(|(id, _)| (*id).clone())).flatten();
    Page { entries: rows.into_iter().map(|(_, row)| row.clone()).collect(), next }
}

impl ListEnrollments for World {
    async fn list_enrollments(
        &self,
        student_id: &StudentId,
        request: &PageRequest,
    ) -> Result<Page<Enrollment>, Unavailable> {
        self.call(Dependency::Tables, |state| {
            let rows = state.enrollments.iter().filter(|((of, _), _)| of == student_id);
            page(rows.map(|((_, course_id), row)| (course_id, row)), request)
        })
        .await
    }
}

impl ListCourses for World {
    async fn list_courses_in(
        &self,
        wanted: CourseState,
        request: &PageRequest,
    ) -> Result<Page<Course>, Unavailable> {
        self.call(Dependency::Tables, |state| {
            page(state.courses.iter().filter(|(_, course)| course.state == wanted), request)
        })
        .await
    }
}
