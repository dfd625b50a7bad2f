//! What the rules need of the world: one small trait for each capability.
//!
//! Every method's `Err` means that a dependency did not do its part in time; whether a write took
//! place is then unknown. The caller may ask again.

use std::{error::Error, future::Future};

use email::Job;

use crate::{Course, CourseId, Enrollment, StudentId};

/// A dependency is down, slow, or refuses to work. Worth trying again later.
#[derive(Debug, thiserror::Error)]
#[error("{operation} failed")]
pub struct Unavailable {
    /// What was asked of it, for the log.
    pub operation: &'static str,
    /// What went wrong, for the log. Never shown to a caller.
    pub source: Box<dyn Error + Send + Sync>,
}

/// Reads the catalogue.
pub trait FindCourse {
    /// The course of that id, if there is one.
    fn find_course(
        &self,
        id: &CourseId,
    ) -> impl Future<Output = Result<Option<Course>, Unavailable>> + Send;
}

/// Writes the catalogue.
pub trait PutCourse {
    /// Creates or replaces a course; says whether it was created.
    fn put_course(&self, course: &Course)
    -> impl Future<Output = Result<bool, Unavailable>> + Send;
}

/// Reads enrollments.
pub trait FindEnrollment {
    /// The student's enrollment in the course, if there is one.
    fn find_enrollment(
        &self,
        student_id: &StudentId,
        course_id: &CourseId,
    ) -> impl Future<Output = Result<Option<Enrollment>, Unavailable>> + Send;
}

/// What became of a new enrollment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inserted {
    /// It is in the table, with its `resume_at`.
    New,
    /// The student has an enrollment in the course already: this one.
    Exists(Enrollment),
}

/// Writes new enrollments.
pub trait InsertEnrollment {
    /// Inserts an enrollment if the student has none in the course.
    fn insert_enrollment(
        &self,
        enrollment: &Enrollment,
    ) -> impl Future<Output = Result<Inserted, Unavailable>> + Send;
}

/// Puts email jobs on the queue.
pub trait EnqueueEmail {
    /// Enqueues a job. Enqueuing one twice is harmless: its id is its idempotency key.
    fn enqueue_email(&self, job: &Job) -> impl Future<Output = Result<(), Unavailable>> + Send;
}
