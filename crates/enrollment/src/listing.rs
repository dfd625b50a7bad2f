//! Lists for callers. Each is read by a key, never by a scan.

use std::{collections::BTreeMap, future::Future};

use futures_util::future::try_join;
use unavailable::Unavailable;

use crate::{
    course::{Course, CourseId, CourseState},
    enrollment::Enrollment,
    page::{Page, PageRequest, PageSize},
    student::StudentId,
};

pub trait ListEnrollments {
    /// A page of a student's enrollments in any state, with every write so far.
    fn list_enrollments(
        &self,
        student_id: &StudentId,
        page: &PageRequest,
    ) -> impl Future<Output = Result<Page<Enrollment>, Unavailable>> + Send;
}

pub trait ListCourses {
    /// A page of the courses in a state. Eventually consistent: a course whose state just changed may be in the
    /// list of the old state, of the new one, of both, or of neither.
    fn list_courses_in(
        &self,
        state: CourseState,
        page: &PageRequest,
    ) -> impl Future<Output = Result<Page<Course>, Unavailable>> + Send;
}

/// A page of the courses in one state, or in any.
pub async fn list_courses(
    courses: &(impl ListCourses + Sync),
    state: Option<CourseState>,
    page: &PageRequest,
) -> Result<Page<Course>, Unavailable> {
    if let Some(state) = state {
        return courses.list_courses_in(state, page).await;
    }
    let [one, other] = CourseState::ALL.map(|state| courses.list_courses_in(state, page));
    let (one, other) = try_join(one, other).await?;
    Ok(merge(one, other, page.size))
}

/// One page of two. If one of them is not the last of its list, then what lies beyond its end is not known, and
/// entries of the other from there on belong to a later page.
fn merge(one: Page<Course>, other: Page<Course>, size: PageSize) -> Page<Course> {
    let known_until = [&one.next, &other.next].into_iter().flatten().min().cloned();
    let entries = one.entries.into_iter().chain(other.entries);
    // By id, so that a course that is in both lists is returned once.
    let mut merged: BTreeMap<CourseId, Course> = BTreeMap::new();
    for course in entries {
        if known_until.as_ref().is_none_or(|end| course.id <= *end) {
            merged.entry(course.id.clone()).or_insert(course);
        }
    }
    let size = usize::from(size.get());
    let has_more = merged.len() > size;
    let entries: Vec<_> = merged.into_values().take(size).collect();
    let next = if has_more { entries.last().map(|last| last.id.clone()) } else { known_until };
    Page { entries, next }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn page(ids: &[&str], next: Option<&str>) -> Page<Course> {
        let course = |id: &&str| {
            let course = json!({
                "course_id": id, "title": "T", "price": 0, "currency": "USD", "state": "open",
            });
            serde_json::from_value(course).unwrap()
        };
        let next = next.map(|id| id.parse().unwrap());
        Page { entries: ids.iter().map(course).collect(), next }
    }

    fn merged(one: Page<Course>, other: Page<Course>, size: &str) -> Page<Course> {
        let swapped = merge(other.clone(), one.clone(), size.parse().unwrap());
        let merged = merge(one, other, size.parse().unwrap());
        assert_eq!(merged, swapped);
        merged
    }

    #[test]
    fn last_pages_merge_into_one_page_or_into_one_that_is_not_the_last() {
        let (one, other) = (page(&["a", "d"], None), page(&["b", "c"], None));
        let all = page(&["a", "b", "c", "d"], None);
        assert_eq!(merged(one.clone(), other.clone(), "9"), all);
        assert_eq!(merged(one.clone(), other.clone(), "4"), all);
        assert_eq!(merged(one, other, "3"), page(&["a", "b", "c"], Some("c")));
        assert_eq!(merged(page(&[], None), page(&[], None), "3"), page(&[], None));
    }

    #[test]
    fn entry_beyond_the_end_of_a_page_waits_for_a_later_page() {
        let other = page(&["b", "d"], None);
        assert_eq!(merged(page(&["a"], Some("a")), other.clone(), "9"), page(&["a"], Some("a")));
        assert_eq!(merged(page(&[], Some("c")), other, "9"), page(&["b"], Some("c")));
        let (one, other) = (page(&["a", "c"], Some("c")), page(&["b", "d"], Some("d")));
        assert_eq!(merged(one.clone(), other.clone(), "2"), page(&["a", "b"], Some("b")));
        assert_eq!(merged(one, other, "3"), page(&["a", "b", "c"], Some("c")));
    }

    #[test]
    fn course_that_is_in_both_lists_is_returned_once() {
        let both = merged(page(&["a", "b"], None), page(&["b", "c"], None), "9");
        assert_eq!(both, page(&["a", "b", "c"], None));
    }
}
