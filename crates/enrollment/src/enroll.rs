//! The critical path: enroll a student in a course.
//!
//! For a free course: (1) a conditional write of the active enrollment, (2) the email job, (3) the
//! response. For a priced one: (1) a conditional write of the pending payment, (2) the charge, (3) a
//! conditional write of the grant, (4) the email job, (5) the response.
//!
//! Once the grant is written, the response is success. Whatever fails after it, and whatever a crash
//! leaves unfinished before it, is finished later: the enrollment carries its `resume_at` from the
//! first write.

use email::queue::EnqueueEmail;
use time::OffsetDateTime;
use unavailable::Unavailable;

use crate::{
    course::{Course, CourseId, CourseState},
    enrollment::{Enrollment, EnrollmentState},
    fields::FieldErrors,
    payment::{Created, Decline, IntentStatus},
    ports::{
        Adapters, FindCourse, FindEnrollment, InsertEnrollment, Inserted, PaymentProvider, Ports,
        SaveEnrollment, Saved,
    },
    request::EnrollRequest,
    settle::{self, Settled},
};

/// The student is enrolled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enrolled {
    /// By this request.
    New(Enrollment),
    /// By an earlier request with the same details.
    Already(Enrollment),
}

/// The student is not enrolled. Nothing has been granted, and a retry is always safe: it never charges
/// twice.
#[derive(Debug, thiserror::Error)]
pub enum EnrollError {
    #[error("there is no course {0}")]
    NoSuchCourse(CourseId),
    #[error("the course is closed")]
    CourseClosed,
    /// The student is enrolled, or is paying, by an earlier request with other details.
    #[error("there is a request with other details")]
    Differs(FieldErrors),
    #[error("payments are not configured")]
    PaymentsNotConfigured,
    #[error("the payment method is missing")]
    NoPaymentMethod,
    /// Nothing is charged.
    #[error("the payment was declined")]
    Declined(Decline),
    /// The student's bank asks for the student's confirmation.
    #[error("the payment requires the student's action")]
    ActionRequired {
        /// The student's screen continues with it.
        client_secret: String,
    },
    /// The payment is in progress; its result is not known yet.
    #[error("the payment is still being processed")]
    PaymentProcessing,
    /// The student was paid back for this course, which could not be granted.
    #[error("the student was refunded")]
    Refunded,
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Attempts to write a retried payment, each after a lost race, before the request leaves the result to
/// the winner.
const MAX_RETRY_WRITES: usize = 4;

/// Enrolls the student, once however often it is called.
pub async fn enroll<A: Adapters>(
    ports: &Ports<A>,
    request: EnrollRequest,
    now: OffsetDateTime,
) -> Result<Enrolled, EnrollError> {
    let Some(course) = ports.courses.find_course(&request.course_id).await? else {
        return Err(EnrollError::NoSuchCourse(request.course_id));
    };
    if let Some(obstacle) = obstacle(ports, &course, &request) {
        // An existing enrollment stays, whatever has become of the course.
        let (student_id, course_id) = (&request.student.id, &request.course_id);
        return match ports.enrollments.find_enrollment(student_id, course_id).await? {
            Some(existing) if existing.state == EnrollmentState::Active => {
                already(existing, &request)
            }
            _ => Err(obstacle),
        };
    }

    let method = request.payment_method.as_ref();
    let enrollment = Enrollment::new(request.student.clone(), &course, method, now);
    match ports.enrollments.insert_enrollment(&enrollment).await? {
        // If the client repeats a write whose response was lost, the write finds its own id.
        Inserted::Exists(existing) if existing.id != enrollment.id => {
            continue_with(ports, existing, &course, &request, now).await
        }
        Inserted::New | Inserted::Exists(_) => finish(ports, enrollment, now).await,
    }
}

fn obstacle<A: Adapters>(
    ports: &Ports<A>,
    course: &Course,
    request: &EnrollRequest,
) -> Option<EnrollError> {
    if course.state == CourseState::Closed {
        Some(EnrollError::CourseClosed)
    } else if course.price.is_free() {
        None
    } else if ports.payments.is_none() {
        Some(EnrollError::PaymentsNotConfigured)
    } else if request.payment_method.is_none() {
        Some(EnrollError::NoPaymentMethod)
    } else {
        None
    }
}

/// Continues with an enrollment that exists already.
async fn continue_with<A: Adapters>(
    ports: &Ports<A>,
    mut existing: Enrollment,
    course: &Course,
    request: &EnrollRequest,
    now: OffsetDateTime,
) -> Result<Enrolled, EnrollError> {
    for _ in 0..MAX_RETRY_WRITES {
        let differences = request.differences(&existing);
        if !differences.is_empty() {
            return Err(EnrollError::Differs(differences));
        }
        match existing.state {
            EnrollmentState::Active => return Ok(Enrolled::Already(existing)),
            EnrollmentState::Refunding | EnrollmentState::Refunded => {
                return Err(EnrollError::Refunded);
            }
            EnrollmentState::PaymentPending => {
                let differences = request.payment_differences(&existing, course);
                return if differences.is_empty() {
                    finish(ports, existing, now).await
                } else {
                    Err(EnrollError::Differs(differences))
                };
            }
            EnrollmentState::PaymentFailed => {
                let retried = existing.retried(course, request.payment_method.as_ref(), now);
                match ports.enrollments.save_enrollment(&retried).await? {
                    Saved::Done => return finish(ports, retried, now).await,
                    Saved::Conflict(current) if current == retried => {
                        return finish(ports, retried, now).await;
                    }
                    Saved::Conflict(current) => existing = current,
                }
            }
        }
    }
    Err(EnrollError::PaymentProcessing)
}

/// From the first write to the response: the charge, if there is one; the grant; the email job.
async fn finish<A: Adapters>(
    ports: &Ports<A>,
    enrollment: Enrollment,
    now: OffsetDateTime,
) -> Result<Enrolled, EnrollError> {
    let granted = match enrollment.state {
        EnrollmentState::PaymentPending => pay(ports, enrollment, now).await?,
        _ => enrollment,
    };
    if let Err(error) = ports.email_queue.enqueue_email(&granted.confirmation()).await {
        tracing::warn!(
            enrollment_id = %granted.id,
            %error,
            "the email job was not enqueued; the enrollment stands and its resume_at remains",
        );
    }
    Ok(Enrolled::New(granted))
}

async fn pay<A: Adapters>(
    ports: &Ports<A>,
    pending: Enrollment,
    now: OffsetDateTime,
) -> Result<Enrollment, EnrollError> {
    let (Some(provider), Some(charge)) = (&ports.payments, pending.charge()) else {
        return Err(EnrollError::PaymentsNotConfigured);
    };
    let enrollments = &ports.enrollments;
    let settled = match provider.create(charge).await? {
        Created::Refused(why) => settle::fail(enrollments, &pending, why).await?,
        Created::Intent(mut intent) => {
            if intent.status == IntentStatus::AwaitingConfirmation {
                intent = provider.confirm(charge, &intent.id).await?;
            }
            settle::settle(enrollments, provider, &pending, intent, now).await?
        }
    };
    match settled {
        Settled::Granted(enrollment) => Ok(enrollment),
        Settled::Failed(why) => Err(EnrollError::Declined(why)),
        Settled::ActionRequired { client_secret } => {
            Err(EnrollError::ActionRequired { client_secret })
        }
        Settled::NotYet => Err(EnrollError::PaymentProcessing),
    }
}

fn already(existing: Enrollment, request: &EnrollRequest) -> Result<Enrolled, EnrollError> {
    let differences = request.differences(&existing);
    if differences.is_empty() {
        Ok(Enrolled::Already(existing))
    } else {
        Err(EnrollError::Differs(differences))
    }
}
