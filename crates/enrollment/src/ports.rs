//! The ports of the enrollment rules: one small trait per capability, and [`Ports`], which the rules
//! take.
//!
//! `Err` of any method means that a dependency did not respond in time. Whether a write took place is
//! then unknown. Every call may be repeated.

use std::future::Future;

use email::{
    ledger::KnowsEmail,
    queue::{EnqueueEmail, EnqueueEmails},
};
use unavailable::Unavailable;

use crate::{
    course::{Course, CourseId},
    enrollment::Enrollment,
    payment::{Charge, Created, Intent, IntentId, PaymentError, Refund, RefundId},
    price_change::PriceChange,
    seats::SeatCount,
    student::StudentId,
};

/// The types of the adapters behind [`Ports`].
pub trait Adapters {
    type Courses: FindCourse + Send + Sync + 'static;
    type Enrollments: FindEnrollment
        + InsertEnrollment
        + SaveEnrollment
        + FinishEnrollment
        + CountSeats
        + Send
        + Sync
        + 'static;
    type Payments: PaymentProvider + Send + Sync + 'static;
    type EmailQueue: EnqueueEmail + EnqueueEmails + Send + Sync + 'static;
    /// The email side's delivery ledger, which is only read here.
    type Ledger: KnowsEmail + Send + Sync + 'static;
}

#[derive(Debug)]
pub struct Ports<A: Adapters> {
    pub courses: A::Courses,
    pub enrollments: A::Enrollments,
    /// `None` where payments are not configured.
    pub payments: Option<A::Payments>,
    pub email_queue: A::EmailQueue,
    pub ledger: A::Ledger,
}

pub trait FindCourse {
    fn find_course(
        &self,
        id: &CourseId,
    ) -> impl Future<Output = Result<Option<Course>, Unavailable>> + Send;

    /// Reads the course past any cache.
    fn find_course_now(
        &self,
        id: &CourseId,
    ) -> impl Future<Output = Result<Option<Course>, Unavailable>> + Send;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replaced {
    Done,
    /// Another change came first.
    Conflict,
}

pub trait PutCourse {
    /// Replaces this course, or creates one, and writes its number of seats and the entry of the history in the same step. If the table has
    /// this very course already, by a write whose response was lost, the result is [`Replaced::Done`].
    fn put_course(
        &self,
        current: Option<&Course>,
        next: &Course,
        change: Option<&PriceChange>,
    ) -> impl Future<Output = Result<Replaced, Unavailable>> + Send;
}

pub trait FindEnrollment {
    fn find_enrollment(
        &self,
        student_id: &StudentId,
        course_id: &CourseId,
    ) -> impl Future<Output = Result<Option<Enrollment>, Unavailable>> + Send;
}

#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "short-lived, and one at a time")]
pub enum Inserted {
    New,
    /// The student already has this enrollment in the course.
    Exists(Enrollment),
    /// It needs a seat, and none is free.
    Full,
}

pub trait InsertEnrollment {
    /// Inserts an enrollment if the student has none in the course. If it holds a seat, the seat is taken in the same
    /// step.
    fn insert_enrollment(
        &self,
        enrollment: &Enrollment,
    ) -> impl Future<Output = Result<Inserted, Unavailable>> + Send;
}

#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "short-lived, and one at a time")]
pub enum Saved {
    Done,
    /// Another change came first; this is the current enrollment.
    Conflict(Enrollment),
    /// It needs a seat, and none is free.
    Full,
}

pub trait SaveEnrollment {
    /// Replaces a version by the next one. A seat that only one of them holds is taken or released in the same step. If the table has this very version already, by a write
    /// whose response was lost, the result is [`Saved::Done`].
    fn save_enrollment(
        &self,
        before: &Enrollment,
        next: &Enrollment,
    ) -> impl Future<Output = Result<Saved, Unavailable>> + Send;
}

pub trait CountSeats {
    /// The seats of a course, with every write so far. `None` if it never had any.
    fn count_seats(
        &self,
        course_id: &CourseId,
    ) -> impl Future<Output = Result<Option<SeatCount>, Unavailable>> + Send;
}

pub trait FinishEnrollment {
    /// Takes an enrollment that is finished out of the index, if the table still has this very version.
    /// Returns whether it had; the version stays the same.
    fn finish_enrollment(
        &self,
        enrollment: &Enrollment,
    ) -> impl Future<Output = Result<bool, Unavailable>> + Send;
}

/// Charges students. Every call may be repeated; a repeated call has its effect once.
pub trait PaymentProvider {
    /// Creates the attempt's intent, unconfirmed. The key is [`Charge::create_key`].
    fn create(
        &self,
        charge: Charge<'_>,
    ) -> impl Future<Output = Result<Created, PaymentError>> + Send;

    /// Reads an intent, of any age.
    fn find(&self, intent: &IntentId) -> impl Future<Output = Result<Intent, PaymentError>> + Send;

    /// Confirms an intent, which charges. An intent that can no longer be confirmed is returned as it
    /// is. Takes at most [`MAX_CONFIRM_DURATION`](crate::payment::MAX_CONFIRM_DURATION).
    fn confirm(
        &self,
        charge: Charge<'_>,
        intent: &IntentId,
    ) -> impl Future<Output = Result<Intent, PaymentError>> + Send;

    /// Cancels an intent. One that can no longer be cancelled is returned as it is.
    fn cancel(
        &self,
        intent: &IntentId,
    ) -> impl Future<Output = Result<Intent, PaymentError>> + Send;

    /// Pays back the whole charge of a succeeded intent. The key is [`IntentId::refund_key`]. If the
    /// charge is refunded already, under any key, returns that refund.
    fn refund(
        &self,
        intent: &IntentId,
        refund_attempt: u32,
    ) -> impl Future<Output = Result<Refund, PaymentError>> + Send;

    fn find_refund(
        &self,
        refund: &RefundId,
    ) -> impl Future<Output = Result<Refund, PaymentError>> + Send;
}
