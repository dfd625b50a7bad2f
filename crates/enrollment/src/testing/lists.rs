//! The lists of the tables, in pages as small as the request says.

use std::ops::Range;

use unavailable::Unavailable;

use super::world::{Dependency, World};
use crate::{
    course::{Course, CourseId, CourseState},
    enrollment::Enrollment,
    listing::{ListCourses, ListEnrollments},
    page::{Page, PageRequest},
    roster::{ListRoster, RosterPlace},
    student::StudentId,
};

/// As DynamoDB does, it says that there may be more whenever the page is full, even if it was the last (DynamoDB
/// Developer Guide, "Paginating table query results").
fn page<'a, T: Clone + 'a, P: Clone + Ord + 'a>(
    rows: impl Iterator<Item = (&'a P, &'a T)>,
    request: &PageRequest<P>,
) -> Page<T, P> {
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

impl ListRoster for World {
    const SHARDS: Range<u8> = 0..4;

    async fn list_places(
        &self,
        course_id: &CourseId,
        shard: u8,
        request: &PageRequest<RosterPlace>,
    ) -> Result<Page<RosterPlace, RosterPlace>, Unavailable> {
        self.call(Dependency::Tables, |state| {
            let is_here = |row: &&Enrollment| {
                let [.., last] = row.id.as_bytes();
                row.course_id == *course_id && last % Self::SHARDS.end == shard
            };
            let rows = state.enrollments.values().filter(is_here);
            let mut places: Vec<_> = rows.map(RosterPlace::from).collect();
            places.sort();
            page(places.iter().map(|place| (place, place)), request)
        })
        .await
    }
}
