//! Lists for callers. Each is read by a key, never by a scan.

use std::future::Future;

use unavailable::Unavailable;

use crate::{
    enrollment::Enrollment,
    page::{Page, PageRequest},
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
