//! What an intent's status means for its enrollment. The request, the webhook and the resumer all end
//! here, so they cannot disagree.

use email::queue::EnqueueEmail;
use time::OffsetDateTime;
use unavailable::Unavailable;

use crate::{
    Enrollment,
    enrollment::{EnrollmentState, RESUME_AFTER},
    payment::{Decline, Intent, IntentStatus},
    ports::{FindCourse, PaymentProvider, Payments, SaveEnrollment, Saved},
};

/// How often a change that loses a race is made again.
const TRIES: usize = 8;

/// What became of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "short-lived, and one at a time")]
pub enum Settled {
    /// Paid, and the student has access.
    Granted(Enrollment),
    /// Not paid, and it never will be by this attempt.
    Failed(Decline),
    /// The student has something to do first.
    ActionRequired {
        /// What the student's screen needs to go on.
        client_secret: String,
    },
    /// The provider does not know yet, or another has it in hand.
    NotYet,
}

/// Brings a pending enrollment to where its intent says.
pub(crate) async fn settle<World: SaveEnrollment + Sync>(
    world: &World,
    provider: &impl PaymentProvider,
    pending: &Enrollment,
    intent: Intent,
    now: OffsetDateTime,
) -> Result<Settled, Unavailable> {
    let Some(charge) = pending.charge() else { return Ok(Settled::NotYet) };
    match intent.status {
        IntentStatus::Succeeded => grant(world, pending, now).await,
        IntentStatus::RequiresAction { client_secret } => {
            Ok(Settled::ActionRequired { client_secret })
        }
        IntentStatus::Processing | IntentStatus::AwaitingConfirmation => Ok(Settled::NotYet),
        IntentStatus::Cancelled => fail(world, pending, Decline::abandoned()).await,
        // Called off before it is written down as failed: else the student's screen, which has the
        // intent's secret, could still pay it while the next attempt is under way.
        IntentStatus::Declined(why) => match provider.cancel(charge, &intent.id).await?.status {
            IntentStatus::Cancelled => fail(world, pending, why).await,
            IntentStatus::Succeeded => grant(world, pending, now).await,
            _ => Ok(Settled::NotYet),
        },
    }
}

/// Gives access.
async fn grant<World: SaveEnrollment + Sync>(
    world: &World,
    pending: &Enrollment,
    now: OffsetDateTime,
) -> Result<Settled, Unavailable> {
    let granted = change(world, pending, |current| {
        current.next(EnrollmentState::Active, Some(now + RESUME_AFTER))
    })
    .await?;
    Ok(granted.map_or(Settled::NotYet, Settled::Granted))
}

/// Writes down that this attempt will never be paid.
pub(crate) async fn fail<World: SaveEnrollment + Sync>(
    world: &World,
    pending: &Enrollment,
    why: Decline,
) -> Result<Settled, Unavailable> {
    let failed = change(world, pending, |current| current.failed(why.clone())).await?;
    Ok(failed.map_or(Settled::NotYet, |_| Settled::Failed(why)))
}

/// Changes an enrollment whose attempt is still pending, however often others change it meanwhile.
/// `None`: the attempt is over, in another way than this change would have it.
pub(crate) async fn change<World: SaveEnrollment + Sync>(
    world: &World,
    pending: &Enrollment,
    to: impl Fn(&Enrollment) -> Enrollment + Send,
) -> Result<Option<Enrollment>, Unavailable> {
    let mut current = pending.clone();
    for _ in 0..TRIES {
        let next = to(&current);
        match world.save_enrollment(&next).await? {
            Saved::Done => return Ok(Some(next)),
            Saved::Conflict(now) if same_end(&now, &next) => return Ok(Some(now)),
            Saved::Conflict(now) if same_attempt(&now, pending) => current = now,
            Saved::Conflict(_) => return Ok(None),
        }
    }
    Ok(None)
}

/// Somebody else came to the same end, or our own write did whose answer was lost.
fn same_end(now: &Enrollment, next: &Enrollment) -> bool {
    now.state == next.state
        && attempt(now) == attempt(next)
        && now.state != EnrollmentState::PaymentPending
}

fn same_attempt(now: &Enrollment, pending: &Enrollment) -> bool {
    now.state == pending.state && attempt(now) == attempt(pending)
}

fn attempt(enrollment: &Enrollment) -> Option<u32> {
    enrollment.payment.as_ref().map(|payment| payment.attempt)
}

/// Brings an enrollment to where a provider's event says its intent is; for the webhook.
///
/// An event of an attempt that is over, or of an enrollment that is not pending, changes nothing: a
/// replay is harmless.
pub async fn settle_intent<World>(
    world: &World,
    enrollment: &Enrollment,
    attempt_of_event: u32,
    intent: Intent,
    now: OffsetDateTime,
) -> Result<Settled, Unavailable>
where
    World: FindCourse + SaveEnrollment + Payments + EnqueueEmail + Sync,
{
    let pending = enrollment.state == EnrollmentState::PaymentPending
        && attempt(enrollment) == Some(attempt_of_event);
    let Some(provider) = world.payments().filter(|_| pending) else { return Ok(Settled::NotYet) };
    // Paid for a course that is no more: the resumer's.
    if world.find_course(&enrollment.course_id).await?.is_none() {
        return Ok(Settled::NotYet);
    }
    let settled = settle(world, provider, enrollment, intent, now).await?;
    if let Settled::Granted(granted) = &settled {
        // Where this fails, the resumer makes up for it.
        world.enqueue_email(&granted.confirmation()).await?;
    }
    Ok(settled)
}
