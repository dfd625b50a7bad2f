//! Finishing what a crash left half done.
//!
//! It is safe to run twice at once and beside the request itself: every change is a conditional
//! write, every call to the payment provider is idempotent, and every email job has its id.

use email::ledger::KnowsEmail;
use email::queue::EnqueueEmail;
use time::OffsetDateTime;
use unavailable::Unavailable;

use crate::{
    Enrollment,
    enrollment::{EnrollmentState, RESUME_AFTER},
    payment::{ACTION_TIMEOUT, Created, GIVE_UP_AFTER, Intent, IntentStatus},
    ports::{FindCourse, PaymentProvider, Payments, SaveEnrollment},
    settle::{self, Settled},
};

/// What became of an enrollment that was taken up again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resumed {
    /// It is finished, and no longer in the index.
    Finished,
    /// It waits: for the provider, for the student, or for another who has it in hand.
    Later,
    /// It cannot be settled and is kept as it is, out of the index: a person must look.
    GaveUp,
}

/// Takes an overdue enrollment as far as it goes.
///
/// `Err` means that a dependency is down; the enrollment stays overdue and is taken up again.
pub async fn resume<World>(
    world: &World,
    enrollment: Enrollment,
    now: OffsetDateTime,
) -> Result<Resumed, Unavailable>
where
    World: FindCourse + SaveEnrollment + Payments + KnowsEmail + EnqueueEmail + Sync,
{
    match enrollment.state {
        EnrollmentState::Active => confirm_by_email(world, &enrollment).await,
        EnrollmentState::PaymentPending => resume_payment(world, enrollment, now).await,
        EnrollmentState::Refunding => refund(world, &enrollment, now).await,
        EnrollmentState::PaymentFailed | EnrollmentState::Refunded => {
            finished(world, &enrollment, enrollment.state).await
        }
    }
}

/// Makes sure of the email job; the ledger first, since a job that a worker knows needs no second.
async fn confirm_by_email<World>(
    world: &World,
    enrollment: &Enrollment,
) -> Result<Resumed, Unavailable>
where
    World: SaveEnrollment + KnowsEmail + EnqueueEmail + Sync,
{
    if !world.knows_email(&enrollment.id.email_job_id()).await? {
        world.enqueue_email(&enrollment.confirmation()).await?;
    }
    finished(world, enrollment, EnrollmentState::Active).await
}

async fn resume_payment<World>(
    world: &World,
    pending: Enrollment,
    now: OffsetDateTime,
) -> Result<Resumed, Unavailable>
where
    World: FindCourse + SaveEnrollment + Payments + KnowsEmail + EnqueueEmail + Sync,
{
    let Some(charge) = pending.charge() else {
        return give_up(world, &pending, "a payment is pending, and there is no payment").await;
    };
    let age = now - charge.payment.started_at;
    if age > GIVE_UP_AFTER {
        return give_up(world, &pending, "the payment could not be settled in time").await;
    }
    let Some(provider) = world.payments() else { return postpone(world, &pending, now).await };
    let mut intent = match provider.create(charge).await? {
        Created::Intent(intent) => intent,
        Created::Refused(why) => {
            settle::fail(world, &pending, why).await?;
            return Ok(Resumed::Finished);
        }
    };
    let abandoned = match intent.status {
        // Nobody will confirm it any more, and the resumer never charges.
        IntentStatus::AwaitingConfirmation => true,
        IntentStatus::RequiresAction { .. } => age > ACTION_TIMEOUT,
        _ => false,
    };
    if abandoned {
        intent = provider.cancel(charge, &intent.id).await?;
    }
    if intent.status == IntentStatus::Succeeded
        && world.find_course(&pending.course_id).await?.is_none()
    {
        return start_refund(world, provider, &pending, &intent, now).await;
    }
    match settle::settle(world, provider, &pending, intent, now).await? {
        Settled::Granted(granted) => confirm_by_email(world, &granted).await,
        Settled::Failed(_) => Ok(Resumed::Finished),
        Settled::ActionRequired { .. } | Settled::NotYet => postpone(world, &pending, now).await,
    }
}

/// Writes down that the charge is to be paid back, and does it.
async fn start_refund<World>(
    world: &World,
    provider: &impl PaymentProvider,
    pending: &Enrollment,
    intent: &Intent,
    now: OffsetDateTime,
) -> Result<Resumed, Unavailable>
where
    World: SaveEnrollment + Payments + EnqueueEmail + Sync,
{
    let refunding =
        settle::change(world, pending, |current| current.refunding(intent.id.clone(), now)).await?;
    match refunding {
        Some(refunding) => pay_back(world, provider, &refunding).await,
        None => Ok(Resumed::Later),
    }
}

/// Goes on with a refund that was left half done. It is never given up.
async fn refund<World>(
    world: &World,
    refunding: &Enrollment,
    now: OffsetDateTime,
) -> Result<Resumed, Unavailable>
where
    World: SaveEnrollment + Payments + EnqueueEmail + Sync,
{
    match world.payments() {
        Some(provider) => pay_back(world, provider, refunding).await,
        None => postpone(world, refunding, now).await,
    }
}

async fn pay_back<World>(
    world: &World,
    provider: &impl PaymentProvider,
    refunding: &Enrollment,
) -> Result<Resumed, Unavailable>
where
    World: SaveEnrollment + EnqueueEmail + Sync,
{
    if let Some((charge, intent)) = refunding.refundable() {
        provider.refund(charge, intent).await?;
    }
    world.enqueue_email(&refunding.refund_notice()).await?;
    finished(world, refunding, EnrollmentState::Refunded).await
}

/// Takes it out of the index.
async fn finished<World: SaveEnrollment + Sync>(
    world: &World,
    enrollment: &Enrollment,
    state: EnrollmentState,
) -> Result<Resumed, Unavailable> {
    // Who changed it meanwhile has it in hand.
    world.save_enrollment(&enrollment.next(state, None)).await?;
    Ok(Resumed::Finished)
}

async fn postpone<World: SaveEnrollment + Sync>(
    world: &World,
    pending: &Enrollment,
    now: OffsetDateTime,
) -> Result<Resumed, Unavailable> {
    let later = pending.next(pending.state, Some(now + RESUME_AFTER));
    world.save_enrollment(&later).await?;
    Ok(Resumed::Later)
}

/// Keeps the enrollment as it is, out of the index, and says so loudly.
async fn give_up<World: SaveEnrollment + Sync>(
    world: &World,
    enrollment: &Enrollment,
    why: &str,
) -> Result<Resumed, Unavailable> {
    world.save_enrollment(&enrollment.next(enrollment.state, None)).await?;
    tracing::error!(
        event = "resumer_gave_up",
        enrollment_id = %enrollment.id,
        why,
        "an enrollment cannot be finished; a person must look",
    );
    Ok(Resumed::GaveUp)
}
