//! What the rules need of the world: one small trait for each capability.
//!
//! Every method's `Err` means that a dependency did not do its part in time; whether a write took
//! place is then unknown. The caller may ask again.

use std::{error::Error, fmt, future::Future};

use email::Job;

use crate::{Course, CourseId, Enrollment, StudentId};

/// A dependency is down, slow, or refuses to work. Worth trying again later.
///
/// Its text is for the log, with every cause in a row; it is never shown to a caller.
#[derive(Debug)]
pub struct Unavailable {
    operation: &'static str,
    source: Box<dyn Error + Send + Sync>,
}

impl Unavailable {
    /// That operation failed, for that cause.
    pub fn new(operation: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { operation, source: source.into() }
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed", self.operation)?;
        let mut cause: Option<&dyn Error> = Some(self.source.as_ref());
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

// No `source`: the text has it all, and a logger that follows sources would repeat it.
impl Error for Unavailable {}

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
