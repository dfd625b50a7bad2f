//! Enrollments: one student's place in one course.

use std::{fmt, time::Duration};

use email::{Job, JobId, job::Content};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Course, CourseId, Student, StudentId,
    course::Title,
    fields::{FieldErrors, Fields},
    payment::{Charge, Decline, IntentId, Payment, PaymentMethod},
};

/// How long after its last step an enrollment counts as left half done: longer than any request can
/// still be at work on it (the function's timeout is 29 s).
pub const RESUME_AFTER: Duration = Duration::from_mins(1);

/// The template of the email that confirms an enrollment.
pub const CONFIRMATION_TEMPLATE: &str = "enrollment-confirmation";

/// The template of the email that tells of a refund.
pub const REFUND_TEMPLATE: &str = "enrollment-refund";

/// An enrollment's id, and the idempotency key of all that is done for it.
///
/// A UUID of version 7, new for every request: a conditional write whose answer was lost finds its own
/// id in the table and so knows that it was the one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EnrollmentId(Uuid);

impl EnrollmentId {
    /// A new id.
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }

    /// The id's bytes. The last ones are random.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// The id of the enrollment's one confirmation email.
    ///
    /// # Panics
    ///
    /// Never: a UUID in text is made of characters that a job id may have.
    pub fn email_job_id(&self) -> JobId {
        self.to_string().parse().expect("hexadecimal digits and hyphens")
    }

    /// The id of the one email that tells of a refund.
    ///
    /// # Panics
    ///
    /// Never, as [`EnrollmentId::email_job_id`].
    pub fn refund_job_id(&self) -> JobId {
        format!("{self}-refund").parse().expect("hexadecimal digits, letters and hyphens")
    }
}

impl fmt::Display for EnrollmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How far an enrollment has come.
///
/// ```text
///  (none) --free--> Active
///  (none) --priced--> PaymentPending --paid--------------> Active
///                      |   ^      +----paid, no course---> Refunding --> Refunded
///             declined v   | again
///                     PaymentFailed
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnrollmentState {
    /// The student has access.
    Active,
    /// The student is paying.
    PaymentPending,
    /// The last attempt to pay failed and nothing is charged; the student may try again.
    PaymentFailed,
    /// The student has paid for what can never be granted, and is to be paid back.
    Refunding,
    /// The student was paid back.
    Refunded,
}

/// One student's place in one course.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrollment {
    /// Its id.
    pub id: EnrollmentId,
    /// Whose it is.
    #[serde(flatten)]
    pub student: Student,
    /// Which course it is for.
    pub course_id: CourseId,
    /// What the course was called then; the student's emails say so.
    pub course_title: Title,
    /// How far it has come.
    pub state: EnrollmentState,
    /// When it was asked for.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// The last attempt to pay, if something is to be paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment: Option<Payment>,
    /// When it counts as left half done; `None` once it is known to be finished.
    #[serde(
        default,
        with = "time::serde::timestamp::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub resume_at: Option<OffsetDateTime>,
    /// How often it has been changed: what a conditional write compares.
    pub version: u32,
}

impl Enrollment {
    /// A new enrollment: active at once where nothing is to be paid, else with its first payment
    /// pending.
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

    /// The next version of an enrollment whose last payment failed: tried again as the course is now.
    pub(crate) fn again(
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
            currency: course.currency,
            method: method.clone(),
            started_at: now,
            failure: None,
            intent: None,
        });
    }

    /// The next version, in that state.
    pub(crate) fn next(&self, state: EnrollmentState, resume_at: Option<OffsetDateTime>) -> Self {
        Self { state, resume_at, version: self.version + 1, ..self.clone() }
    }

    /// The next version, its payment failed for that reason.
    pub(crate) fn failed(&self, why: Decline) -> Self {
        let mut next = self.next(EnrollmentState::PaymentFailed, None);
        if let Some(payment) = &mut next.payment {
            payment.failure = Some(why);
        }
        next
    }

    /// The next version, its charge to be paid back.
    pub(crate) fn refunding(&self, intent: IntentId, now: OffsetDateTime) -> Self {
        let mut next = self.next(EnrollmentState::Refunding, Some(now));
        if let Some(payment) = &mut next.payment {
            payment.intent = Some(intent);
        }
        next
    }

    /// What is to be paid back.
    pub(crate) fn refundable(&self) -> Option<(Charge<'_>, &IntentId)> {
        let charge = self.charge()?;
        Some((charge, charge.payment.intent.as_ref()?))
    }

    /// The last attempt to pay, as the provider is told of it.
    pub fn charge(&self) -> Option<Charge<'_>> {
        Some(Charge {
            enrollment_id: self.id,
            student_id: &self.student.id,
            course_id: &self.course_id,
            payment: self.payment.as_ref()?,
        })
    }

    /// The job of the one email that confirms this enrollment.
    pub fn confirmation(&self) -> Job {
        self.email(self.id.email_job_id(), CONFIRMATION_TEMPLATE)
    }

    /// The job of the one email that tells of the refund.
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

    /// The fields in which a request differs from the one that this enrollment was made with.
    pub(crate) fn differences(&self, request: &EnrollRequest) -> FieldErrors {
        const WHY: &str = "is not the one that this student was enrolled with";
        named([
            ("email", self.student.email == request.student.email, WHY),
            ("name", self.student.name == request.student.name, WHY),
        ])
    }

    /// The fields in which a request differs from the payment under way.
    pub(crate) fn payment_differences(
        &self,
        course: &Course,
        method: Option<&PaymentMethod>,
    ) -> FieldErrors {
        let payment = self.payment.as_ref();
        let price = payment.map(|payment| (payment.price, payment.currency));
        named([
            (
                "payment_method",
                payment.map(|payment| &payment.method) == method,
                "is not the one of the payment that is under way",
            ),
            (
                "course_id",
                price == Some((course.price, course.currency)),
                "this course had another price when the payment that is under way began",
            ),
        ])
    }
}

/// The fields that are not the same, with the reason.
fn named<const N: usize>(fields: [(&'static str, bool, &str); N]) -> FieldErrors {
    let differing = fields.into_iter().filter(|(_, same, _)| !same);
    differing.map(|(field, _, why)| (field.into(), why.to_owned())).collect()
}

/// What a caller asks for: that this student be enrolled in that course.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrollRequest {
    /// Who is to be enrolled.
    pub student: Student,
    /// In which course.
    pub course_id: CourseId,
    /// What with, if something is to be paid.
    pub payment_method: Option<PaymentMethod>,
}

impl EnrollRequest {
    /// Reads a request from the fields of its body.
    ///
    /// # Errors
    ///
    /// Every field that is wrong, with the reason.
    pub fn from_fields(object: &Map<String, Value>) -> Result<Self, FieldErrors> {
        let mut fields = Fields::new(object);
        let id: Option<StudentId> = fields.text("student_id");
        let course_id = fields.text("course_id");
        let email = fields.text("email");
        let name = fields.text("name");
        let payment_method = fields.optional_text("payment_method");
        let request = (|| {
            let student = Student { id: id?, email: email?, name: name? };
            Some(Self { student, course_id: course_id?, payment_method })
        })();
        fields.finish(request)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_request_names_every_wrong_field() {
        let Value::Object(object) = json!({"student_id": 7, "email": "ada", "name": "Ada"}) else {
            unreachable!("the literal is an object")
        };
        let errors = EnrollRequest::from_fields(&object).unwrap_err();
        assert_eq!(
            serde_json::to_value(errors).unwrap(),
            json!({
                "course_id": "is missing",
                "email": "is not an email address",
                "student_id": "is not a string",
            })
        );
    }

    #[test]
    fn its_form_is_flat() {
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
        let form = serde_json::to_value(&enrollment).unwrap();
        assert_eq!(
            form,
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
        assert_eq!(serde_json::from_value::<Enrollment>(form).unwrap(), enrollment);
    }
}
