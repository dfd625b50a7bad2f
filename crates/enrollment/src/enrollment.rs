//! Enrollments: one student's place in one course.

use std::time::Duration;

use email::{Job, JobId, job::Content};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;

use crate::{
    course::{Course, CourseId, Title},
    enrollment_id::EnrollmentId,
    payment::{Charge, Decline, IntentId, Payment, PaymentMethod},
    student::Student,
};

/// Time after its last step until an unfinished enrollment is overdue: longer than any request can
/// still work on it (the function's timeout is 29 s).
pub const RESUME_AFTER: Duration = Duration::from_mins(1);

/// The template of the confirmation email.
pub const CONFIRMATION_TEMPLATE: &str = "enrollment-confirmation";

/// The template of the refund notice.
pub const REFUND_TEMPLATE: &str = "enrollment-refund";

/// ```text
///  (none) --free--> Active
///  (none) --priced--> PaymentPending --paid--------------> Active
///                      |   ^      +----paid, no course---> Refunding --> Refunded
///             declined v   | retried
///                     PaymentFailed
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnrollmentState {
    /// The student has access.
    Active,
    PaymentPending,
    /// The last payment attempt failed and nothing is charged; the student may retry.
    PaymentFailed,
    /// The student has paid for a course that no longer exists, and must be paid back.
    Refunding,
    Refunded,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrollment {
    pub id: EnrollmentId,
    #[serde(flatten)]
    pub student: Student,
    pub course_id: CourseId,
    /// The course's title at the time of the request; the student's emails use it.
    pub course_title: Title,
    pub state: EnrollmentState,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// The last payment attempt; `None` if the course was free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment: Option<Payment>,
    /// When the resumer takes it up; `None` once it is known to be finished.
    #[serde(
        default,
        with = "time::serde::timestamp::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub resume_at: Option<OffsetDateTime>,
    /// The number of changes so far: the token of every conditional write.
    pub version: u32,
}

impl Enrollment {
    /// A new enrollment: active if the course is free, otherwise with its first payment pending.
    pub fn new(
        student: Student,
        course: &Course,
        method: Option<&PaymentMethod>,
        now: OffsetDateTime,
    ) -> Self {
        let mut enrollment = Self {
            id: EnrollmentId::generate(),
            student,
            course_id: course.id.clone(),
            course_title: course.title.clone(),
            state: EnrollmentState::Active,
            created_at: now,
            payment: None,
            resume_at: Some(now + RESUME_AFTER),
            version: 0,
        };
        enrollment.start_payment(course, method, now);
        enrollment
    }

    /// The next version after a failed payment: a new attempt, at the course's price of now.
    pub(crate) fn retried(
        &self,
        course: &Course,
        method: Option<&PaymentMethod>,
        now: OffsetDateTime,
    ) -> Self {
        let mut next = self.next(EnrollmentState::Active, Some(now + RESUME_AFTER));
        next.start_payment(course, method, now);
        next
    }

    fn start_payment(
        &mut self,
        course: &Course,
        method: Option<&PaymentMethod>,
        now: OffsetDateTime,
    ) {
        let Some(method) = method.filter(|_| !course.price.is_free()) else {
            self.payment = None;
            return;
        };
        self.state = EnrollmentState::PaymentPending;
        self.payment = Some(Payment {
            attempt: self.payment.as_ref().map_or(1, |last| last.attempt + 1),
            price: course.price,
            method: method.clone(),
            started_at: now,
            failure: None,
            intent: None,
        });
    }

    pub(crate) fn next(&self, state: EnrollmentState, resume_at: Option<OffsetDateTime>) -> Self {
        Self { state, resume_at, version: self.version + 1, ..self.clone() }
    }

    pub(crate) fn failed(&self, why: Decline) -> Self {
        let mut next = self.next(EnrollmentState::PaymentFailed, None);
        if let Some(payment) = &mut next.payment {
            payment.failure = Some(why);
        }
        next
    }

    pub(crate) fn refunding(&self, intent: IntentId, now: OffsetDateTime) -> Self {
        let mut next = self.next(EnrollmentState::Refunding, Some(now));
        if let Some(payment) = &mut next.payment {
            payment.intent = Some(intent);
        }
        next
    }

    /// The charge to pay back.
    pub(crate) fn refundable(&self) -> Option<(Charge<'_>, &IntentId)> {
        let charge = self.charge()?;
        Some((charge, charge.payment.intent.as_ref()?))
    }

    /// The last payment attempt, for the payment provider.
    pub fn charge(&self) -> Option<Charge<'_>> {
        Some(Charge {
            enrollment_id: self.id,
            student_id: &self.student.id,
            course_id: &self.course_id,
            payment: self.payment.as_ref()?,
        })
    }

    pub(crate) fn attempt(&self) -> Option<u32> {
        self.payment.as_ref().map(|payment| payment.attempt)
    }

    /// The job of the one confirmation email.
    pub fn confirmation(&self) -> Job {
        self.email(self.id.email_job_id(), CONFIRMATION_TEMPLATE)
    }

    /// The job of the one refund notice.
    pub fn refund_notice(&self) -> Job {
        self.email(self.id.refund_job_id(), REFUND_TEMPLATE)
    }

    fn email(&self, id: JobId, template: &str) -> Job {
        let text = |text: &str| Value::from(text);
        Job {
            id,
            to: self.student.email.clone(),
            content: Content::Template {
                name: template.to_owned(),
                data: Map::from_iter([
                    ("student_name".to_owned(), text(self.student.name.as_str())),
                    ("course_id".to_owned(), text(self.course_id.as_str())),
                    ("course_title".to_owned(), text(self.course_title.as_str())),
                ]),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn stored_form_is_flat() {
        let student = Student {
            id: "s-1".parse().unwrap(),
            email: "ada@example.com".parse().unwrap(),
            name: "Ada".parse().unwrap(),
        };
        let course = serde_json::from_value(json!({
            "course_id": "rust-101", "title": "Rust 101", "price": 4900, "currency": "USD", "state": "open",
        }))
        .unwrap();
        let method = "pm_1".parse().unwrap();
        let enrollment =
            Enrollment::new(student, &course, Some(&method), OffsetDateTime::UNIX_EPOCH);
        let stored = serde_json::to_value(&enrollment).unwrap();
        assert_eq!(
            stored,
            json!({
                "id": enrollment.id.to_string(),
                "student_id": "s-1",
                "email": "ada@example.com",
                "name": "Ada",
                "course_id": "rust-101",
                "course_title": "Rust 101",
                "state": "payment_pending",
                "created_at": "1970-01-01T00:00:00Z",
                "payment": {
                    "attempt": 1, "price": 4900, "currency": "USD", "method": "pm_1",
                    "started_at": "1970-01-01T00:00:00Z",
                },
                "resume_at": 60,
                "version": 0,
            })
        );
        assert_eq!(serde_json::from_value::<Enrollment>(stored).unwrap(), enrollment);
    }
}
