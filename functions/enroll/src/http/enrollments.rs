//! The enrollments' routes, for trusted callers.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use email::{JobId, ledger::Entry};
use enrollment::{
    EnrollError, Enrolled, Enrollment,
    enrollment::{EnrollRequest, EnrollmentState},
    payment::Payment,
};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    Api,
    jsend::Answer,
    request::{CourseInPath, JsonObject, StudentInQuery},
};

/// What the original answered, and so do we.
const ENROLLED: &str = "Enrolled Success";

/// `POST /enrollments`, and the original's `POST /add-user-to-course`
pub(super) async fn enroll<W: Api>(
    State(world): State<Arc<W>>,
    JsonObject(object): JsonObject,
) -> Result<Answer, Answer> {
    let request = EnrollRequest::from_fields(&object)
        .map_err(|fields| Answer::fields(StatusCode::UNPROCESSABLE_ENTITY, fields))?;
    let (status, enrollment) =
        match enrollment::enroll(world.as_ref(), request, OffsetDateTime::now_utc()).await? {
            Enrolled::New(enrollment) => (StatusCode::CREATED, enrollment),
            Enrolled::Already(enrollment) => (StatusCode::OK, enrollment),
        };
    let data = json!({"message": ENROLLED, "enrollment": shown(&enrollment)});
    Ok(Answer::success(status, data))
}

/// `GET /enrollments/{course_id}?student_id=`
pub(super) async fn show<W: Api>(
    State(world): State<Arc<W>>,
    CourseInPath(course_id): CourseInPath,
    StudentInQuery(student_id): StudentInQuery,
) -> Result<Answer, Answer> {
    let Some(enrollment) = world.find_enrollment(&student_id, &course_id).await? else {
        let why = "this student has no enrollment in this course";
        return Ok(Answer::fail(StatusCode::NOT_FOUND, "course_id", why));
    };
    let mut data = json!({"enrollment": shown(&enrollment)});
    if let Some(payment) = &enrollment.payment {
        data["payment"] = paid(payment);
    }
    if let Some(job_id) = email_of(&enrollment) {
        data["email"] = timeline(world.find(&job_id).await?);
    }
    Ok(Answer::success(StatusCode::OK, data))
}

/// An enrollment as callers see it.
fn shown(enrollment: &Enrollment) -> Value {
    json!({
        "id": enrollment.id,
        "student_id": enrollment.student.id,
        "course_id": enrollment.course_id,
        "course_title": enrollment.course_title,
        "email": enrollment.student.email,
        "name": enrollment.student.name,
        "state": enrollment.state,
        "created_at": rfc3339(enrollment.created_at),
    })
}

/// A payment as callers see it: not with what it was paid.
fn paid(payment: &Payment) -> Value {
    json!({
        "attempt": payment.attempt,
        "price": payment.price,
        "currency": payment.currency,
        "started_at": rfc3339(payment.started_at),
        "failure": payment.failure,
    })
}

fn rfc3339(at: OffsetDateTime) -> String {
    // Only years beyond 9999 cannot be written so.
    at.format(&Rfc3339).unwrap_or_default()
}

/// The email that the enrollment's state asks for.
fn email_of(enrollment: &Enrollment) -> Option<JobId> {
    match enrollment.state {
        EnrollmentState::Active => Some(enrollment.id.email_job_id()),
        EnrollmentState::Refunding | EnrollmentState::Refunded => {
            Some(enrollment.id.refund_job_id())
        }
        EnrollmentState::PaymentPending | EnrollmentState::PaymentFailed => None,
    }
}

/// The ledger's entry as it is; `queued` while no worker has taken the job.
fn timeline(entry: Option<Entry>) -> Value {
    entry.map_or_else(|| json!({"state": "queued"}), |entry| json!(entry))
}

impl From<EnrollError> for Answer {
    fn from(error: EnrollError) -> Self {
        match error {
            EnrollError::NoSuchCourse(id) => super::no_such_course(&id),
            EnrollError::CourseClosed => {
                Self::fail(StatusCode::CONFLICT, "course_id", "this course takes no new students")
            }
            EnrollError::Differs(fields) => Self::fields(StatusCode::CONFLICT, fields),
            EnrollError::PaymentsNotConfigured => Self::error(
                StatusCode::SERVICE_UNAVAILABLE,
                "this course has a price, and payments are not configured",
            ),
            EnrollError::NoPaymentMethod => Self::fail(
                StatusCode::UNPROCESSABLE_ENTITY,
                "payment_method",
                "is missing, and this course has a price",
            ),
            EnrollError::Declined(why) => Self::payment(json!({
                "payment": "declined", "code": why.code, "message": why.message,
            })),
            EnrollError::ActionRequired { client_secret } => Self::payment(json!({
                "payment": "requires_action", "client_secret": client_secret,
                "message": "The student's bank asks for the student's confirmation.",
            })),
            EnrollError::PaymentProcessing => {
                Self::retry("the payment is under way and how it ends is not known yet; ask again")
            }
            EnrollError::Refunded => {
                let why = "the student was refunded for this course, which could not be granted";
                Self::fail(StatusCode::CONFLICT, "course_id", why)
            }
            EnrollError::Unavailable(error) => error.into(),
        }
    }
}
