//! What an intent's status means for its enrollment. The request, the webhook and the resumer all end
//! here, so they cannot disagree.

use email::queue::EnqueueEmail;
use time::OffsetDateTime;
use unavailable::Unavailable;

use crate::{
    enrollment::{Enrollment, EnrollmentState, RESUME_AFTER},
    payment::{Decline, Intent, IntentStatus},
    ports::{Adapters, FindCourse, PaymentProvider, Ports, SaveEnrollment, Saved},
};

/// Saves of one change, each on top of the version that won the race before.
const MAX_SAVE_ATTEMPTS: usize = 8;

#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "short-lived, and one at a time")]
pub enum Settled {
    /// Paid, and the student has access.
    Granted(Enrollment),
    /// This attempt is not paid and never will be.
    Failed(Decline),
    ActionRequired {
        /// The student's screen continues with it.
        client_secret: String,
    },
    /// The provider does not know yet, or another caller settles it.
    NotYet,
}

/// Brings a pending enrollment to the state that its intent implies.
pub(crate) async fn settle(
    enrollments: &(impl SaveEnrollment + Sync),
    provider: &(impl PaymentProvider + Sync),
    pending: &Enrollment,
    intent: Intent,
    now: OffsetDateTime,
) -> Result<Settled, Unavailable> {
    let Some(charge) = pending.charge() else { return Ok(Settled::NotYet) };
    match intent.status {
        IntentStatus::Succeeded => grant(enrollments, pending, now).await,
        IntentStatus::RequiresAction { client_secret } => {
            Ok(Settled::ActionRequired { client_secret })
        }
        IntentStatus::Processing | IntentStatus::AwaitingConfirmation => Ok(Settled::NotYet),
        IntentStatus::Cancelled => fail(enrollments, pending, Decline::abandoned()).await,
        // Cancelled before the failure is written: otherwise the student's screen, which has the
        // intent's secret, could still pay it while the next attempt is in progress.
        IntentStatus::Declined(why) => match provider.cancel(charge, &intent.id).await?.status {
            IntentStatus::Cancelled => fail(enrollments, pending, why).await,
            IntentStatus::Succeeded => grant(enrollments, pending, now).await,
            _ => Ok(Settled::NotYet),
        },
    }
}

/// Gives access.
async fn grant(
    enrollments: &(impl SaveEnrollment + Sync),
    pending: &Enrollment,
    now: OffsetDateTime,
) -> Result<Settled, Unavailable> {
    let granted = change(enrollments, pending, |current| {
        current.next(EnrollmentState::Active, Some(now + RESUME_AFTER))
    })
    .await?;
    Ok(granted.map_or(Settled::NotYet, Settled::Granted))
}

/// Records that this attempt will never be paid.
pub(crate) async fn fail(
    enrollments: &(impl SaveEnrollment + Sync),
    pending: &Enrollment,
    why: Decline,
) -> Result<Settled, Unavailable> {
    let failed = change(enrollments, pending, |current| current.failed(why.clone())).await?;
    Ok(failed.map_or(Settled::NotYet, |_| Settled::Failed(why)))
}

/// Changes an enrollment whose attempt is still pending, on top of any other changes meanwhile.
/// `None`: the attempt has ended in another way.
pub(crate) async fn change(
    enrollments: &(impl SaveEnrollment + Sync),
    pending: &Enrollment,
    to: impl Fn(&Enrollment) -> Enrollment + Send,
) -> Result<Option<Enrollment>, Unavailable> {
    let mut current = pending.clone();
    for _ in 0..MAX_SAVE_ATTEMPTS {
        let next = to(&current);
        match enrollments.save_enrollment(&next).await? {
            Saved::Done => return Ok(Some(next)),
            Saved::Conflict(found) if same_end(&found, &next) => return Ok(Some(found)),
            Saved::Conflict(found) if same_attempt(&found, pending) => current = found,
            Saved::Conflict(_) => return Ok(None),
        }
    }
    Ok(None)
}

/// Another caller came to the same end, or our own write did and its response was lost.
fn same_end(found: &Enrollment, next: &Enrollment) -> bool {
    found.state == next.state
        && found.attempt() == next.attempt()
        && found.state != EnrollmentState::PaymentPending
}

fn same_attempt(found: &Enrollment, pending: &Enrollment) -> bool {
    found.state == pending.state && found.attempt() == pending.attempt()
}

/// Brings an enrollment to the state that a webhook's event implies.
///
/// An event of an earlier attempt, or of an enrollment that is not pending, changes nothing: a replay
/// is harmless.
pub async fn settle_intent<A: Adapters>(
    ports: &Ports<A>,
    enrollment: &Enrollment,
    attempt_of_event: u32,
    intent: Intent,
    now: OffsetDateTime,
) -> Result<Settled, Unavailable> {
    let pending = enrollment.state == EnrollmentState::PaymentPending
        && enrollment.attempt() == Some(attempt_of_event);
    let Some(provider) = ports.payments.as_ref().filter(|_| pending) else {
        return Ok(Settled::NotYet);
    };
    // If the course no longer exists, the resumer refunds.
    if ports.courses.find_course(&enrollment.course_id).await?.is_none() {
        return Ok(Settled::NotYet);
    }
    let settled = settle(&ports.enrollments, provider, enrollment, intent, now).await?;
    if let Settled::Granted(granted) = &settled {
        // If this fails, the resumer enqueues the job.
        ports.email_queue.enqueue_email(&granted.confirmation()).await?;
    }
    Ok(settled)
}
