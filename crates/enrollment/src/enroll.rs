//! The critical path: enroll a student in a course.
//!
//! For a free course: (1) a conditional write of the active enrollment, (2) the email job, (3) the
//! answer. For a priced one: (1) a conditional write of the pending payment, (2) the charge, (3) a
//! conditional write of the grant, (4) the email job, (5) the answer.
//!
//! Once the grant is written the answer is success; what fails after it, and what a crash leaves half
//! done before it, is finished later, because the enrollment carries its `resume_at` from the first
//! write.

use email::queue::EnqueueEmail;
use time::OffsetDateTime;
use unavailable::Unavailable;

use crate::{
    Course, CourseId, Enrollment,
    course::CourseState,
    enrollment::{EnrollRequest, EnrollmentState},
    fields::FieldErrors,
    payment::{Created, Decline, IntentStatus},
    ports::{
        FindCourse, FindEnrollment, InsertEnrollment, Inserted, PaymentProvider, Payments,
        SaveEnrollment, Saved,
    },
    settle::{self, Settled},
};

/// The student is enrolled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enrolled {
    /// By this request.
    New(Enrollment),
    /// By an earlier request that said the same.
    Already(Enrollment),
}

/// Why the student is not enrolled. Nothing has been granted, and asking again is always safe: it
/// never charges twice.
#[derive(Debug, thiserror::Error)]
pub enum EnrollError {
    /// There is no such course.
    #[error("there is no course {0}")]
    NoSuchCourse(CourseId),
    /// The course takes no new students.
    #[error("the course is closed")]
    CourseClosed,
    /// The student is enrolled, or is paying, by a request that said something else.
    #[error("there is a request with other details")]
    Differs(FieldErrors),
    /// The course costs something and no payment provider is configured.
    #[error("payments are not configured")]
    PaymentsNotConfigured,
    /// The course costs something and the request does not say what to pay with.
    #[error("the payment method is missing")]
    NoPaymentMethod,
    /// The payment was declined; nothing is charged.
    #[error("the payment was declined")]
    Declined(Decline),
    /// The student's bank wants to hear from the student, who goes on with this secret.
    #[error("the payment requires the student's action")]
    ActionRequired {
        /// What the student's screen needs to go on.
        client_secret: String,
    },
    /// The payment is under way; how it ends is not known yet.
    #[error("the payment is still being processed")]
    PaymentProcessing,
    /// The student was paid back for this course, which could not be granted.
    #[error("the student was refunded")]
    Refunded,
    /// A dependency is down.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// How often a request that loses a race looks again before it leaves the outcome to the other.
const LOOKS: usize = 4;

/// Enrolls the student, once however often it is asked.
pub async fn enroll<World>(
    world: &World,
    request: EnrollRequest,
    now: OffsetDateTime,
) -> Result<Enrolled, EnrollError>
where
    World: FindCourse
        + FindEnrollment
        + InsertEnrollment
        + SaveEnrollment
        + Payments
        + EnqueueEmail
        + Sync,
{
    let Some(course) = world.find_course(&request.course_id).await? else {
        return Err(EnrollError::NoSuchCourse(request.course_id));
    };
    if let Some(obstacle) = obstacle(world, &course, &request) {
        // Who is enrolled stays so, whatever became of the course.
        return match world.find_enrollment(&request.student.id, &request.course_id).await? {
            Some(existing) if existing.state == EnrollmentState::Active => {
                already(existing, &request)
            }
            _ => Err(obstacle),
        };
    }

    let method = request.payment_method.as_ref();
    let enrollment = Enrollment::new(request.student.clone(), &course, method, now);
    match world.insert_enrollment(&enrollment).await? {
        // A write that the client repeated because its answer was lost finds its own id.
        Inserted::Exists(existing) if existing.id != enrollment.id => {
            go_on(world, existing, &course, &request, now).await
        }
        Inserted::New | Inserted::Exists(_) => finish(world, enrollment, now).await,
    }
}

fn obstacle(
    world: &impl Payments,
    course: &Course,
    request: &EnrollRequest,
) -> Option<EnrollError> {
    if course.state == CourseState::Closed {
        Some(EnrollError::CourseClosed)
    } else if course.price.is_free() {
        None
    } else if world.payments().is_none() {
        Some(EnrollError::PaymentsNotConfigured)
    } else if request.payment_method.is_none() {
        Some(EnrollError::NoPaymentMethod)
    } else {
        None
    }
}

/// Goes on from the enrollment that is there.
async fn go_on<World>(
    world: &World,
    mut existing: Enrollment,
    course: &Course,
    request: &EnrollRequest,
    now: OffsetDateTime,
) -> Result<Enrolled, EnrollError>
where
    World: SaveEnrollment + Payments + EnqueueEmail + Sync,
{
    for _ in 0..LOOKS {
        let method = request.payment_method.as_ref();
        let differences = existing.differences(request);
        if !differences.is_empty() {
            return Err(EnrollError::Differs(differences));
        }
        match existing.state {
            EnrollmentState::Active => return Ok(Enrolled::Already(existing)),
            EnrollmentState::Refunding | EnrollmentState::Refunded => {
                return Err(EnrollError::Refunded);
            }
            EnrollmentState::PaymentPending => {
                let differences = existing.payment_differences(course, method);
                return if differences.is_empty() {
                    finish(world, existing, now).await
                } else {
                    Err(EnrollError::Differs(differences))
                };
            }
            EnrollmentState::PaymentFailed => {
                let again = existing.again(course, method, now);
                match world.save_enrollment(&again).await? {
                    Saved::Done => return finish(world, again, now).await,
                    Saved::Conflict(current) if current == again => {
                        return finish(world, again, now).await;
                    }
                    Saved::Conflict(current) => existing = current,
                }
            }
        }
    }
    Err(EnrollError::PaymentProcessing)
}

/// From the first write to the answer: the charge, if there is one; the grant; the email job.
async fn finish<World>(
    world: &World,
    enrollment: Enrollment,
    now: OffsetDateTime,
) -> Result<Enrolled, EnrollError>
where
    World: SaveEnrollment + Payments + EnqueueEmail + Sync,
{
    let granted = match enrollment.state {
        EnrollmentState::PaymentPending => pay(world, enrollment, now).await?,
        _ => enrollment,
    };
    if let Err(error) = world.enqueue_email(&granted.confirmation()).await {
        tracing::warn!(
            enrollment_id = %granted.id,
            %error,
            "the email job was not enqueued; the enrollment stands and its resume_at remains",
        );
    }
    Ok(Enrolled::New(granted))
}

async fn pay<World>(
    world: &World,
    pending: Enrollment,
    now: OffsetDateTime,
) -> Result<Enrollment, EnrollError>
where
    World: SaveEnrollment + Payments + Sync,
{
    let (Some(provider), Some(charge)) = (world.payments(), pending.charge()) else {
        return Err(EnrollError::PaymentsNotConfigured);
    };
    let settled = match provider.create(charge).await? {
        Created::Refused(why) => settle::fail(world, &pending, why).await?,
        Created::Intent(mut intent) => {
            if intent.status == IntentStatus::AwaitingConfirmation {
                intent = provider.confirm(charge, &intent.id).await?;
            }
            settle::settle(world, provider, &pending, intent, now).await?
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
    let differences = existing.differences(request);
    if differences.is_empty() {
        Ok(Enrolled::Already(existing))
    } else {
        Err(EnrollError::Differs(differences))
    }
}
