//! The critical path: enroll a student in a course.
//!
//! For a free course: (1) a conditional write of the active enrollment, (2) the email job, (3) a
//! conditional write that takes the enrollment out of the resumer's index, (4) the response. For a priced
//! one: (1) a conditional write of the pending payment, (2) the creation of the intent, (3) a conditional
//! write of its id, (4) its confirmation, which charges, (5) a conditional write of the grant, (6) the
//! email job, (7) the write that takes it out of the index, (8) the response.
//!
//! Once the grant is written, the response is success. Whatever fails after it, and whatever a crash
//! leaves unfinished before it, is finished later: the enrollment carries its `resume_at` from the
//! first write.

use std::{fmt, time::Duration};

use email::queue::EnqueueEmail;
use time::OffsetDateTime;
use unavailable::Unavailable;

use crate::{
    course::{Course, CourseId, NotOpen},
    enrollment::{Enrollment, EnrollmentState, StuckReason},
    fields::FieldErrors,
    payment::{
        ABANDONED_AFTER, Created, Decline, Intent, IntentId, IntentStatus, MAX_CONFIRM_DURATION,
        PaymentError, ProviderRefusal,
    },
    ports::{
        Adapters, CountSeats, FindCourse, FindEnrollment, InsertEnrollment, Inserted,
        PaymentProvider, Ports, SaveEnrollment, Saved,
    },
    request::EnrollRequest,
    settle::{self, Orphan, Settled},
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
    #[error(transparent)]
    NotOpen(#[from] NotOpen),
    #[error("no seat of this course is free")]
    Full,
    /// The student is enrolled by an earlier request with other details, or the price that the request
    /// names is not the course's.
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
    /// The student is being paid back for this course, which could not be granted, and may buy it
    /// again afterwards.
    #[error("a refund is in progress")]
    Refunding,
    /// An operator must look. Log it as `enrollment_stuck`.
    #[error("the payment cannot be settled: {0}")]
    Stuck(StuckReason),
    /// The payment provider refuses us. The attempt is kept. Log it as `payment_provider_refused`.
    #[error(transparent)]
    ProviderRefused(ProviderRefusal),
    /// Log it as `payment_orphaned`.
    #[error("there is a charge of an attempt that was over")]
    Orphaned(Orphan),
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl From<PaymentError> for EnrollError {
    fn from(error: PaymentError) -> Self {
        match error {
            PaymentError::Unavailable(error) => Self::Unavailable(error),
            PaymentError::Refused(refusal) => Self::ProviderRefused(refusal),
            spent @ PaymentError::KeyIsSpent => {
                Self::Unavailable(Unavailable::new("a payment", spent))
            }
        }
    }
}

/// The time that is left for a request, by the caller's clock.
#[derive(Clone, Copy)]
pub struct Deadline<'a>(&'a (dyn Fn() -> Duration + Sync));

impl fmt::Debug for Deadline<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Deadline in {:?}", self.left())
    }
}

impl<'a> Deadline<'a> {
    /// `left` returns the time that is left now.
    pub fn new(left: &'a (dyn Fn() -> Duration + Sync)) -> Self {
        Self(left)
    }

    pub fn left(&self) -> Duration {
        (self.0)()
    }
}

/// Time for one write of an enrollment: the limit of all attempts of a call to DynamoDB.
const MAX_WRITE_DURATION: Duration = Duration::from_secs(3);

/// Nothing is confirmed with less time left: the confirmation, and the write of its result.
pub const CONFIRM_RESERVE: Duration = MAX_CONFIRM_DURATION.saturating_add(MAX_WRITE_DURATION);

/// Rounds of one request, each after a lost race or a new attempt, before it leaves the result to the
/// winner.
const MAX_ROUNDS: usize = 6;

/// Enrolls the student, once however often it is called. `now` is the request's start.
pub async fn enroll<A: Adapters>(
    ports: &Ports<A>,
    request: EnrollRequest,
    now: OffsetDateTime,
    deadline: Deadline<'_>,
) -> Result<Enrolled, EnrollError> {
    let id = &request.course_id;
    let course = match request.agreed_price {
        // The price that a student agreed to is compared with the catalogue as it is now.
        Some(_) => ports.courses.find_course_now(id).await?,
        None => ports.courses.find_course(id).await?,
    };
    let Some(course) = course else {
        return Err(EnrollError::NoSuchCourse(request.course_id));
    };
    let round = Round { ports, course: &course, request: &request, now, deadline };
    let obstacle = match obstacle(ports, &course, &request, now) {
        // Once all seats are taken, a request is refused by a read, and does not burden the count by a write.
        None if course.has_seats() => {
            let count = ports.enrollments.count_seats(id).await?;
            count.filter(|count| !count.has_free()).map(|_| EnrollError::Full)
        }
        other => other,
    };
    if let Some(obstacle) = obstacle {
        // An existing enrollment stays, whatever has become of the course.
        let (student_id, course_id) = (&request.student.id, &request.course_id);
        return match ports.enrollments.find_enrollment(student_id, course_id).await? {
            Some(existing) if existing.state == EnrollmentState::Active => {
                already(existing, &request)
            }
            // The payment in progress has the price that was agreed, though the course has another now.
            Some(existing) if matches!(obstacle, EnrollError::Differs(_)) => {
                Box::pin(round.continue_with(existing)).await
            }
            // It began while the course took new students, and has its seat.
            Some(existing)
                if matches!(obstacle, EnrollError::NotOpen(_) | EnrollError::Full)
                    && existing.state == EnrollmentState::PaymentPending =>
            {
                Box::pin(round.continue_with(existing)).await
            }
            _ => Err(obstacle),
        };
    }

    let method = request.payment_method.as_ref();
    let enrollment = Enrollment::new(request.student.clone(), &course, method, now)
        .traced(request.trace.clone())
        .read_in(request.locale.clone());
    match ports.enrollments.insert_enrollment(&enrollment).await? {
        // If the client repeats a write whose response was lost, the write finds its own id.
        Inserted::Exists(existing) if existing.id != enrollment.id => {
            Box::pin(round.continue_with(existing)).await
        }
        Inserted::New | Inserted::Exists(_) => Box::pin(round.first(enrollment)).await,
        Inserted::Full => Err(EnrollError::Full),
    }
}

fn obstacle<A: Adapters>(
    ports: &Ports<A>,
    course: &Course,
    request: &EnrollRequest,
    now: OffsetDateTime,
) -> Option<EnrollError> {
    let differences = request.price_differences(course);
    if let Err(why) = course.check_open(now) {
        Some(why.into())
    } else if !course.price.is_free() && ports.payments.is_none() {
        Some(EnrollError::PaymentsNotConfigured)
    } else if !course.price.is_free() && request.payment_method.is_none() {
        Some(EnrollError::NoPaymentMethod)
    } else if !differences.is_empty() {
        Some(EnrollError::Differs(differences))
    } else {
        None
    }
}

/// The end of one step, or the enrollment to go on with.
enum Step {
    Done(Enrolled),
    Next(Enrollment),
}

/// One request.
struct Round<'a, A: Adapters> {
    ports: &'a Ports<A>,
    course: &'a Course,
    request: &'a EnrollRequest,
    now: OffsetDateTime,
    deadline: Deadline<'a>,
}

impl<A: Adapters> Round<'_, A> {
    fn provider(&self) -> Result<&A::Payments, EnrollError> {
        self.ports.payments.as_ref().ok_or(EnrollError::PaymentsNotConfigured)
    }

    /// With the enrollment that this request has just inserted.
    async fn first(&self, inserted: Enrollment) -> Result<Enrolled, EnrollError> {
        match self.run(inserted).await? {
            Step::Done(enrolled) => Ok(enrolled),
            Step::Next(current) => self.continue_with(current).await,
        }
    }

    /// With an enrollment that exists already.
    async fn continue_with(&self, mut existing: Enrollment) -> Result<Enrolled, EnrollError> {
        for _ in 0..MAX_ROUNDS {
            // Boxed because it is large, and most requests have nothing to continue with.
            match Box::pin(self.step(existing)).await? {
                Step::Done(enrolled) => return Ok(enrolled),
                Step::Next(current) => existing = current,
            }
        }
        Err(EnrollError::PaymentProcessing)
    }

    async fn step(&self, existing: Enrollment) -> Result<Step, EnrollError> {
        match existing.state {
            EnrollmentState::Active => already(existing, self.request).map(Step::Done),
            EnrollmentState::Refunding => Err(EnrollError::Refunding),
            EnrollmentState::Stuck => Err(EnrollError::Stuck(
                existing.stuck_reason.unwrap_or(StuckReason::PaymentMissing),
            )),
            EnrollmentState::PaymentFailed
            | EnrollmentState::Refunded
            | EnrollmentState::Unenrolled => self.next_attempt(existing).await,
            EnrollmentState::PaymentPending => match &existing.payment {
                None => Err(EnrollError::Stuck(StuckReason::PaymentMissing)),
                Some(payment) => match payment.intent.clone() {
                    Some(intent) => self.look_up(existing, &intent).await,
                    // It was never confirmed, and never will be once the next attempt is written.
                    None if self.now - payment.started_at >= ABANDONED_AFTER => {
                        self.next_attempt(existing).await
                    }
                    None => Err(EnrollError::PaymentProcessing),
                },
            },
        }
    }

    /// Begins the next attempt, on top of one that is over.
    async fn next_attempt(&self, existing: Enrollment) -> Result<Step, EnrollError> {
        self.course.check_open(self.now)?;
        let differences = self.request.price_differences(self.course);
        if !differences.is_empty() {
            return Err(EnrollError::Differs(differences));
        }
        let (student, method) = (&self.request.student, self.request.payment_method.as_ref());
        let next = existing
            .next_attempt(student.clone(), self.course, method, self.now)
            .traced(self.request.trace.clone())
            .read_in(self.request.locale.clone());
        match self.ports.enrollments.save_enrollment(&existing, &next).await? {
            Saved::Done => self.run(next).await,
            Saved::Conflict(current) => Ok(Step::Next(current)),
            Saved::Full => Err(EnrollError::Full),
        }
    }

    /// From the first write of an attempt to its end.
    async fn run(&self, enrollment: Enrollment) -> Result<Step, EnrollError> {
        if enrollment.state == EnrollmentState::PaymentPending {
            self.pay(enrollment).await
        } else {
            Ok(Step::Done(self.granted(enrollment).await))
        }
    }

    async fn granted(&self, granted: Enrollment) -> Enrolled {
        if !granted.awaits_confirmation() {
            return Enrolled::New(granted);
        }
        match self.ports.email_queue.enqueue_email(&granted.confirmation()).await {
            Ok(()) if self.deadline.left() >= MAX_WRITE_DURATION => {
                settle::finish(&self.ports.enrollments, &granted).await;
            }
            Ok(()) => {}
            Err(error) => tracing::warn!(
                enrollment_id = %granted.id,
                %error,
                "the email job was not enqueued; the enrollment stands and its resume_at remains",
            ),
        }
        Enrolled::New(granted)
    }

    /// Creates the intent of an attempt that this request has just written, and goes on with it.
    async fn pay(&self, pending: Enrollment) -> Result<Step, EnrollError> {
        let provider = self.provider()?;
        let Some(charge) = pending.charge() else {
            return Err(EnrollError::Stuck(StuckReason::PaymentMissing));
        };
        let enrollments = &self.ports.enrollments;
        match provider.create(charge).await {
            Ok(Created::Intent(intent)) => {
                let with_intent = |current: &Enrollment| current.with_intent(&intent);
                match settle::change(enrollments, &pending, with_intent).await? {
                    Some(pending) => self.confirm(pending, intent).await,
                    None => Err(EnrollError::PaymentProcessing),
                }
            }
            Ok(Created::Declined(why)) => {
                settle::fail(enrollments, &pending, why.clone()).await?;
                Err(EnrollError::Declined(why))
            }
            // It has no id, so nothing was charged: the next attempt begins at once.
            Err(PaymentError::KeyIsSpent) => {
                let failed = |current: &Enrollment| current.failed(Decline::not_started());
                match settle::change(enrollments, &pending, failed).await? {
                    Some(failed) => Ok(Step::Next(failed)),
                    None => Err(EnrollError::PaymentProcessing),
                }
            }
            Err(PaymentError::Unavailable(error)) => {
                // So that the student's next click need not wait. If this fails too, it waits.
                let _ = settle::fail(enrollments, &pending, Decline::not_started()).await;
                Err(EnrollError::Unavailable(error))
            }
            Err(refused @ PaymentError::Refused(_)) => Err(refused.into()),
        }
    }

    /// Goes on with an attempt whose intent is known.
    async fn look_up(&self, existing: Enrollment, id: &IntentId) -> Result<Step, EnrollError> {
        let provider = self.provider()?;
        let intent = provider.find(id).await?;
        let asked_for = existing
            .payment
            .as_ref()
            .is_some_and(|payment| self.request.is_for(payment, self.course));
        let superseded = match intent.status {
            IntentStatus::Cancelled => return self.next_attempt(existing).await,
            IntentStatus::AwaitingConfirmation
            | IntentStatus::RequiresAction { .. }
            | IntentStatus::Declined(_) => !asked_for,
            IntentStatus::Processing | IntentStatus::Succeeded => false,
        };
        if superseded {
            // Otherwise the student would lose this attempt and could not begin another one.
            self.course.check_open(self.now)?;
            // The provider decides the race with the student's other screen.
            let intent = provider.cancel(id).await?;
            return if intent.status == IntentStatus::Cancelled {
                self.next_attempt(existing).await
            } else {
                self.settle(&existing, intent).await
            };
        }
        // Nothing is granted yet, so details that were wrong may be corrected.
        let student = &self.request.student;
        if existing.student != *student {
            let corrected = existing.with_student(student.clone());
            return match self.ports.enrollments.save_enrollment(&existing, &corrected).await? {
                Saved::Done => self.confirm(corrected, intent).await,
                Saved::Conflict(current) => Ok(Step::Next(current)),
                Saved::Full => Err(EnrollError::Full),
            };
        }
        self.confirm(existing, intent).await
    }

    /// Confirms the intent of this attempt if it waits for that, and settles the attempt.
    async fn confirm(&self, pending: Enrollment, mut intent: Intent) -> Result<Step, EnrollError> {
        let (provider, enrollments) = (self.provider()?, &self.ports.enrollments);
        let Some(charge) = pending.charge() else {
            return Err(EnrollError::Stuck(StuckReason::PaymentMissing));
        };
        if let Some(reason) = settle::mismatch(charge.payment, &intent) {
            // Nothing that was not agreed is ever confirmed.
            let stuck = settle::stick(enrollments, &pending, reason, self.now).await?;
            return self.end(stuck).await;
        }
        if intent.status == IntentStatus::AwaitingConfirmation {
            if self.deadline.left() < CONFIRM_RESERVE {
                let why = "not enough time is left to write down the result";
                return Err(Unavailable::new("confirming a payment", why).into());
            }
            intent = provider.confirm(charge, &intent.id).await?;
            if intent.status == IntentStatus::Cancelled {
                // Somebody else cancelled it meanwhile; the attempt is over.
                return Ok(Step::Next(pending));
            }
        }
        self.settle(&pending, intent).await
    }

    async fn settle(&self, pending: &Enrollment, intent: Intent) -> Result<Step, EnrollError> {
        let enrollments = &self.ports.enrollments;
        let settled =
            settle::settle(enrollments, self.provider()?, pending, intent, self.now).await?;
        self.end(settled).await
    }

    async fn end(&self, settled: Settled) -> Result<Step, EnrollError> {
        match settled {
            Settled::Granted(enrollment) => Ok(Step::Done(self.granted(enrollment).await)),
            Settled::Failed(why) => Err(EnrollError::Declined(why)),
            Settled::ActionRequired { client_secret } => {
                Err(EnrollError::ActionRequired { client_secret })
            }
            Settled::NotYet => Err(EnrollError::PaymentProcessing),
            Settled::Stuck(reason) => Err(EnrollError::Stuck(reason)),
            Settled::Orphaned(orphan) => Err(EnrollError::Orphaned(orphan)),
        }
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
