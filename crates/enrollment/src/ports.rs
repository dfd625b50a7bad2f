//! What the rules need of the world: one small trait for each capability.
//!
//! Every method's `Err` means that a dependency did not do its part in time; whether a write took
//! place is then unknown. The caller may ask again.

use std::future::Future;

use unavailable::Unavailable;

use crate::{
    Course, CourseId, Enrollment, StudentId,
    payment::{Charge, Created, Intent, IntentId},
};

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
#[expect(clippy::large_enum_variant, reason = "short-lived, and one at a time")]
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

/// What became of a change of an enrollment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "short-lived, and one at a time")]
pub enum Saved {
    /// It is in the table.
    Done,
    /// Somebody else changed it first: this is what is there now.
    Conflict(Enrollment),
}

/// Changes enrollments.
pub trait SaveEnrollment {
    /// Replaces the enrollment whose version is one less than this one's, and no other.
    fn save_enrollment(
        &self,
        enrollment: &Enrollment,
    ) -> impl Future<Output = Result<Saved, Unavailable>> + Send;
}

/// Charges students. Every call may be repeated: it has the same effect once.
pub trait PaymentProvider {
    /// Creates the attempt's intent, unconfirmed; or finds it as it is now, if it was created before.
    fn create(
        &self,
        charge: Charge<'_>,
    ) -> impl Future<Output = Result<Created, Unavailable>> + Send;

    /// Confirms an intent: this charges. An intent that cannot be confirmed any more is answered as
    /// it is.
    fn confirm(
        &self,
        charge: Charge<'_>,
        intent: &IntentId,
    ) -> impl Future<Output = Result<Intent, Unavailable>> + Send;

    /// Calls an intent off, unless it is past that; answers how it is then.
    fn cancel(
        &self,
        charge: Charge<'_>,
        intent: &IntentId,
    ) -> impl Future<Output = Result<Intent, Unavailable>> + Send;

    /// Pays back what a succeeded intent charged.
    fn refund(
        &self,
        charge: Charge<'_>,
        intent: &IntentId,
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;
}

/// Whether and how students can be charged.
pub trait Payments {
    /// The payment provider's type.
    type Provider: PaymentProvider + Sync;

    /// The payment provider; `None` where none is configured.
    fn payments(&self) -> Option<&Self::Provider>;
}
