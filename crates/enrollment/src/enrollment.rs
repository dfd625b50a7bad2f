//! Enrollments: one student's place in one course.

use std::{fmt, time::Duration};

use email::{
    Job, JobId, Locale,
    job::{Content, Headers},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;

use crate::{
    course::{Course, CourseId, Title},
    enrollment_id::EnrollmentId,
    history::Entry,
    payment::{Charge, IntentId, Payment, PaymentMethod},
    resolution::Resolution,
    student::Student,
};

/// Time after its last step until an unfinished enrollment is overdue: longer than any request can
/// still work on it (the function's timeout is 29 s).
pub const RESUME_AFTER: Duration = Duration::from_mins(1);

/// Time between two reports of a stuck enrollment.
pub const REPORT_STUCK_EVERY: Duration = Duration::from_hours(1);

/// The template of the confirmation email.
pub const CONFIRMATION_TEMPLATE: &str = "enrollment-confirmation";

/// The template of the refund notice.
pub const REFUND_TEMPLATE: &str = "enrollment-refund";

/// ```text
///  (none) --free--> Active
///  (none) --priced--> PaymentPending --paid--------------> Active
///                      |   ^  ^   +----paid, no course---> Refunding --> Refunded
///             declined v   |  |                                             |
///                   PaymentFailed          next attempt --------------------+
///
///  PaymentPending, Refunding --cannot be settled--> Stuck
///
///  by an operator:
///  (none), PaymentFailed, Refunded, Unenrolled --grant--> Active
///  Active --unenroll--> Unenrolled, or Refunding with a refund;  Unenrolled --refund--> Refunding
///  Active --refund--> Active, with a refund in progress
///  Stuck --resolve--> Active, Refunding, or PaymentFailed once it is known that nothing is charged
///
///  by what happened at the provider, if the access ends with it:
///  Active --refunded in full--> Refunding;  Active, Refunding --dispute lost--> Unenrolled
///
///  Refunded, Unenrolled --the student's next attempt--> PaymentPending or Active
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnrollmentState {
    /// The student has access.
    Active,
    PaymentPending,
    /// The last payment attempt failed and nothing is charged; the student may retry.
    PaymentFailed,
    /// The student has no access, and is being paid back: the course no longer exists, or an operator said so.
    Refunding,
    /// Paid back; the student may buy again.
    Refunded,
    /// Nothing is granted, and only an operator can decide what is right.
    Stuck,
    /// An operator ended the access and paid nothing back, or a dispute was lost; the student may enroll again.
    Unenrolled,
}

impl EnrollmentState {
    pub const ALL: [Self; 7] = [
        Self::Active,
        Self::PaymentPending,
        Self::PaymentFailed,
        Self::Refunding,
        Self::Refunded,
        Self::Stuck,
        Self::Unenrolled,
    ];

    /// Whether a seat that was taken stays taken. One that is stuck may have been paid for.
    pub fn keeps_seat(self) -> bool {
        match self {
            Self::Active | Self::PaymentPending | Self::Stuck => true,
            Self::PaymentFailed | Self::Refunding | Self::Refunded | Self::Unenrolled => false,
        }
    }

    /// As stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::PaymentPending => "payment_pending",
            Self::PaymentFailed => "payment_failed",
            Self::Refunding => "refunding",
            Self::Refunded => "refunded",
            Self::Stuck => "stuck",
            Self::Unenrolled => "unenrolled",
        }
    }
}

impl fmt::Display for EnrollmentState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why an enrollment is [`EnrollmentState::Stuck`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StuckReason {
    /// The intent is for another amount than the attempt.
    AmountDiffers,
    /// The intent is in another currency than the attempt.
    CurrencyDiffers,
    /// The intent is of the provider's test mode and was not when it was created, or the reverse.
    LivemodeDiffers,
    /// The state needs a payment, and there is none.
    PaymentMissing,
}

impl StuckReason {
    /// As stored and logged.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AmountDiffers => "amount_differs",
            Self::CurrencyDiffers => "currency_differs",
            Self::LivemodeDiffers => "livemode_differs",
            Self::PaymentMissing => "payment_missing",
        }
    }
}

impl fmt::Display for StuckReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
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
    /// The last payment attempt; `None` if the course was free, or if an operator granted access.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment: Option<Payment>,
    /// The intents of earlier attempts that were paid back: an event about them is not news.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refunded_intents: Vec<IntentId>,
    /// The intents of earlier attempts whose charge an operator kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept_intents: Vec<IntentId>,
    /// The number of the last attempt before the current one, if `payment` no longer has it: numbers are used
    /// once, because the provider's idempotency keys are made of them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub earlier_attempts: u32,
    /// The number of confirmation emails before the current one: of earlier grants, and before one is resent.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub earlier_confirmations: u32,
    /// Whether it holds a seat of the course. One that began when the course had no seats does not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub seat: bool,
    /// What an operator decided about a stuck payment, until the resumer has carried it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<Resolution>,
    /// What operators did and the payment provider reported, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Entry>,
    /// Why an operator must look, if the state is [`EnrollmentState::Stuck`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stuck_reason: Option<StuckReason>,
    /// When the resumer takes it up; `None` once it is known to be finished.
    #[serde(
        default,
        with = "time::serde::timestamp::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub resume_at: Option<OffsetDateTime>,
    /// The trace header of the request that began the last attempt, so that the emails that follow from it belong
    /// to its trace, whoever enqueues them. It may be any text: nothing depends on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// The student's language, for the emails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<Locale>,
    /// The number of changes so far: the token of every conditional write.
    pub version: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
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
            refunded_intents: Vec::new(),
            kept_intents: Vec::new(),
            earlier_attempts: 0,
            earlier_confirmations: 0,
            seat: course.has_seats(),
            resolution: None,
            history: Vec::new(),
            stuck_reason: None,
            resume_at: Some(now + RESUME_AFTER),
            trace: None,
            locale: None,
            version: 0,
        };
        enrollment.start_payment(course, method, now);
        enrollment
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

    /// The number of the last payment attempt.
    pub fn attempt(&self) -> Option<u32> {
        self.payment.as_ref().map(|payment| payment.attempt)
    }

    /// The intent of the last payment attempt, if it is known.
    pub fn intent(&self) -> Option<&IntentId> {
        self.payment.as_ref()?.intent.as_ref()
    }

    /// The job id of the refund notice of the last payment attempt.
    pub fn refund_job_id(&self) -> JobId {
        self.id.refund_job_id(self.attempt().unwrap_or(1))
    }

    /// The job ids of all confirmation emails so far, the current one last.
    pub fn confirmation_job_ids(&self) -> impl Iterator<Item = JobId> {
        let id = self.id;
        (0..=self.earlier_confirmations).map(move |earlier| id.confirmation_job_id(earlier + 1))
    }

    /// The job ids of all emails that it may have sent.
    pub fn job_ids(&self) -> impl Iterator<Item = JobId> {
        let attempts = self.attempt().unwrap_or(self.earlier_attempts);
        let id = self.id;
        // An enrollment without a payment that is paid back has the notice of a first attempt.
        let notices = (1..=attempts.max(1)).map(move |attempt| id.refund_job_id(attempt));
        self.confirmation_job_ids().chain(notices)
    }

    /// The job id of the current confirmation email.
    pub fn confirmation_job_id(&self) -> JobId {
        self.id.confirmation_job_id(self.earlier_confirmations + 1)
    }

    /// The job of the current confirmation email.
    pub fn confirmation(&self) -> Job {
        self.email(self.confirmation_job_id(), CONFIRMATION_TEMPLATE)
    }

    /// The job of the one refund notice of the last payment attempt.
    pub fn refund_notice(&self) -> Job {
        self.email(self.refund_job_id(), REFUND_TEMPLATE)
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
                locale: self.locale.clone(),
            },
            headers: Headers::default(),
            deadline: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    fn enrollment() -> Enrollment {
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
        Enrollment::new(student, &course, Some(&method), OffsetDateTime::UNIX_EPOCH)
    }

    /// Workers of the last release receive these jobs during a deployment. After a change of a field, deploy a worker
    /// that reads both forms first, and add a file for the new release.
    #[test]
    fn jobs_have_the_fields_that_the_last_release_reads() {
        let released = include_str!("../../../functions/email-worker/jobs/0.1.0.jsonl");
        let released: Vec<Value> =
            released.lines().map(|body| serde_json::from_str(body).unwrap()).collect();
        let names = |value: &Value| -> BTreeSet<String> {
            value.as_object().unwrap().keys().cloned().collect()
        };
        let fields = |job: &Value| (names(job), names(&job["data"]));
        for job in [enrollment().confirmation(), enrollment().refund_notice()] {
            let job: Value = serde_json::from_str(&job.to_body()).unwrap();
            let mut released = released.iter().filter(|old| old["template"] == job["template"]);
            assert_eq!(fields(&job), fields(released.next().unwrap()));
        }
    }

    #[test]
    fn names_are_those_of_the_stored_form() {
        for state in EnrollmentState::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
            assert_eq!(state.to_string(), state.as_str());
        }
        for reason in [
            StuckReason::AmountDiffers,
            StuckReason::CurrencyDiffers,
            StuckReason::LivemodeDiffers,
            StuckReason::PaymentMissing,
        ] {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
            assert_eq!(reason.to_string(), reason.as_str());
        }
    }

    #[test]
    fn job_ids_are_all_that_it_may_have_used() {
        let once = enrollment();
        let id = once.id;
        assert_eq!(once.confirmation_job_ids().collect::<Vec<_>>(), [once.confirmation_job_id()]);
        let ids = [id.confirmation_job_id(1), id.refund_job_id(1)];
        assert_eq!(once.job_ids().collect::<Vec<_>>(), ids);

        let mut again = once.with_new_confirmation().with_new_confirmation();
        again.payment.as_mut().unwrap().attempt = 2;
        let confirmations = [1, 2, 3].map(|number| id.confirmation_job_id(number));
        assert_eq!(again.confirmation_job_ids().collect::<Vec<_>>(), confirmations);
        assert_eq!(again.confirmation_job_id(), confirmations[2]);
        let notices = [1, 2].map(|attempt| id.refund_job_id(attempt));
        assert_eq!(again.job_ids().collect::<Vec<_>>(), [&confirmations[..], &notices].concat());
    }

    #[test]
    fn numbers_that_were_used_are_stored() {
        let mut enrollment = enrollment().with_new_confirmation();
        enrollment.drop_payment();
        let stored = serde_json::to_value(&enrollment).unwrap();
        assert_eq!(stored["earlier_confirmations"], 1);
        assert_eq!(stored["earlier_attempts"], 1);
        assert_eq!(serde_json::from_value::<Enrollment>(stored).unwrap(), enrollment);
    }

    #[test]
    fn stored_form_is_flat() {
        let enrollment = enrollment();
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
