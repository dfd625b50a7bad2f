//! The enrollments' routes, for trusted callers.

use std::sync::Arc;

use axum::{Extension, extract::State, http::StatusCode};
use email::{
    JobId,
    ledger::{Entry, LEDGER_RETENTION, Timeline},
};
use enrollment::{
    Deadline, EnrollError, EnrollRequest, Enrolled, Enrollment, Ports, course::NotOpen,
    enrollment::EnrollmentState, payment::Payment, ports::FindEnrollment,
};
use invocation::trace;
use lambda::clock;
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    api::ApiAdapters,
    deadline::EndsAt,
    jsend::ApiResponse,
    measure::Outcome,
    report,
    request::{CourseInPath, JsonObject, StudentInQuery},
    span,
};

/// The message of the Express prototype that Registrar replaces; callers may compare it.
const ENROLLED: &str = "Enrolled Success";

/// `POST /enrollments`, and `POST /add-user-to-course`, the route name of that prototype
pub(super) async fn enroll<A: ApiAdapters>(
    State(ports): State<Arc<Ports<A>>>,
    Extension(ends_at): Extension<EndsAt>,
    JsonObject(object): JsonObject,
) -> Result<ApiResponse, ApiResponse> {
    let mut request = EnrollRequest::from_fields(&object)
        .map_err(|fields| ApiResponse::fields(StatusCode::UNPROCESSABLE_ENTITY, fields))?;
    request.trace = trace::current().map(|trace| trace.as_str().to_owned());
    span::record_course(&request.course_id);
    let left = || ends_at.left();
    let deadline = Deadline::new(&left);
    let enrolled = enrollment::enroll(&ports, request, clock::now(), deadline).await;
    let (status, enrollment, outcome) = match enrolled {
        Ok(Enrolled::New(enrollment)) => (StatusCode::CREATED, enrollment, "enrolled"),
        Ok(Enrolled::Already(enrollment)) => (StatusCode::OK, enrollment, "already_enrolled"),
        Err(error) => {
            let outcome = Outcome::Enrollment(outcome(&error));
            return Err(ApiResponse::from(error).of(outcome));
        }
    };
    span::record_enrollment(enrollment.id);
    let data = json!({"message": ENROLLED, "enrollment": enrollment_json(&enrollment)});
    Ok(ApiResponse::success(status, data).of(Outcome::Enrollment(outcome)))
}

fn outcome(error: &EnrollError) -> &'static str {
    match error {
        EnrollError::Declined(_) => "declined",
        EnrollError::ActionRequired { .. } => "action_required",
        EnrollError::PaymentProcessing | EnrollError::Orphaned(_) => "processing",
        EnrollError::Unavailable(_) => "unavailable",
        // An operator must act.
        EnrollError::PaymentsNotConfigured
        | EnrollError::Stuck(_)
        | EnrollError::ProviderRefused(_) => "blocked",
        // The caller must change the request, or wait for a refund.
        EnrollError::NoSuchCourse(_)
        | EnrollError::NotOpen(_)
        | EnrollError::Full
        | EnrollError::Differs(_)
        | EnrollError::NoPaymentMethod
        | EnrollError::Refunding => "refused",
    }
}

/// `GET /enrollments/{course_id}?student_id=`
pub(super) async fn show<A: ApiAdapters>(
    State(ports): State<Arc<Ports<A>>>,
    CourseInPath(course_id): CourseInPath,
    StudentInQuery(student_id): StudentInQuery,
) -> Result<ApiResponse, ApiResponse> {
    span::record_course(&course_id);
    let Some(enrollment) = ports.enrollments.find_enrollment(&student_id, &course_id).await? else {
        let why = "this student has no enrollment in this course";
        return Ok(ApiResponse::fail(StatusCode::NOT_FOUND, "course_id", why));
    };
    let mut data = json!({"enrollment": enrollment_json(&enrollment)});
    if let Some(payment) = &enrollment.payment {
        data["payment"] = payment_json(payment);
    }
    if let Some(job_id) = current_email(&enrollment) {
        let entry = ports.ledger.find(&job_id).await?;
        data["email"] = timeline(entry, &enrollment, clock::now());
    }
    Ok(ApiResponse::success(StatusCode::OK, data))
}

pub(super) fn enrollment_json(enrollment: &Enrollment) -> Value {
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

/// Without the payment method.
fn payment_json(payment: &Payment) -> Value {
    json!({
        "attempt": payment.attempt,
        "price": payment.price.amount,
        "currency": payment.price.currency,
        "started_at": rfc3339(payment.started_at),
        "failure": payment.failure,
    })
}

fn rfc3339(at: OffsetDateTime) -> String {
    // Fails only beyond the year 9999.
    at.format(&Rfc3339).unwrap_or_default()
}

/// The email of the enrollment's state.
fn current_email(enrollment: &Enrollment) -> Option<JobId> {
    match enrollment.state {
        EnrollmentState::Active => Some(enrollment.confirmation_job_id()),
        EnrollmentState::Refunding | EnrollmentState::Refunded => Some(enrollment.refund_job_id()),
        EnrollmentState::PaymentPending
        | EnrollmentState::PaymentFailed
        | EnrollmentState::Stuck
        | EnrollmentState::Unenrolled => None,
    }
}

/// The ledger's entry; without one, `queued` until a worker takes the job, or `expired` if the enrollment is
/// older than the ledger's memory.
fn timeline(entry: Option<Entry>, enrollment: &Enrollment, now: OffsetDateTime) -> Value {
    let paid_at = enrollment.payment.as_ref().map(|payment| payment.started_at);
    // An operator may have begun another email; what the payment provider reported begins none but a refund's.
    let refunded = enrollment.state == EnrollmentState::Refunded;
    let mut changes = enrollment.history.iter().rev();
    let changed_at = changes.find(|entry| refunded || entry.object.is_none()).map(|entry| entry.at);
    let since = [paid_at, changed_at].into_iter().flatten().fold(enrollment.created_at, Ord::max);
    match entry {
        Some(entry) => json!(entry),
        // The notice of a refund is queued after the refund.
        None if enrollment.state == EnrollmentState::Refunding => json!({"state": "queued"}),
        None if now - since > LEDGER_RETENTION => json!({"state": "expired"}),
        None => json!({"state": "queued"}),
    }
}

impl From<EnrollError> for ApiResponse {
    fn from(error: EnrollError) -> Self {
        match error {
            EnrollError::NoSuchCourse(id) => Self::no_such_course(&id),
            EnrollError::NotOpen(why) => {
                let field = match why {
                    NotOpen::Closed => "course_id",
                    NotOpen::Until(_) => "opens_at",
                    NotOpen::Since(_) => "closes_at",
                };
                Self::fail(StatusCode::CONFLICT, field, why.to_string())
            }
            EnrollError::Full => {
                Self::fail(StatusCode::CONFLICT, "seats", "no seat of this course is free")
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
                Self::retry("the payment is in progress and its result is not known yet; retry")
            }
            EnrollError::Refunding => {
                let why = "the student is being refunded for this course, and may buy it again afterwards";
                Self::fail(StatusCode::CONFLICT, "course_id", why)
            }
            EnrollError::Stuck(reason) => {
                report::stuck(reason);
                let message =
                    "this payment cannot be settled automatically; an operator must look at it";
                Self::error(StatusCode::SERVICE_UNAVAILABLE, message)
            }
            EnrollError::ProviderRefused(refusal) => refusal.into(),
            EnrollError::Orphaned(orphan) => {
                report::orphaned(&orphan);
                Self::retry(if orphan.refund_requested {
                    "a charge of an earlier attempt is being refunded; retry"
                } else {
                    "a charge of an earlier attempt could not be refunded, which an operator sees; retry"
                })
            }
            EnrollError::Unavailable(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn enrollment_older_than_the_ledgers_memory_does_not_say_queued() {
        let day = Duration::from_hours(24);
        let created_at = OffsetDateTime::UNIX_EPOCH;
        let course =
            json!({"course_id": "c", "title": "T", "price": 0, "currency": "USD", "state": "open"});
        let student = json!({"student_id": "s", "email": "ada@example.com", "name": "Ada"});
        let enrollment = Enrollment::new(
            serde_json::from_value(student).unwrap(),
            &serde_json::from_value(course).unwrap(),
            None,
            created_at,
        );
        let state = |state, days: u32| {
            let enrollment = Enrollment { state, ..enrollment.clone() };
            timeline(None, &enrollment, created_at + day * days)["state"].clone()
        };
        assert_eq!(state(EnrollmentState::Active, 0), "queued");
        assert_eq!(state(EnrollmentState::Active, 90), "queued");
        assert_eq!(state(EnrollmentState::Active, 91), "expired");
        assert_eq!(state(EnrollmentState::Refunded, 91), "expired");
        assert_eq!(state(EnrollmentState::Refunding, 91), "queued");
        let entry = json!({
            "at": "1970-03-01T00:00:00Z", "by": "arn:aws:iam::1:user/ada", "what": "email_resent",
        });
        let resent = Enrollment {
            history: vec![serde_json::from_value(entry).unwrap()],
            ..enrollment.clone()
        };
        assert_eq!(timeline(None, &resent, created_at + day * 91)["state"], "queued");
    }
}
