//! Finishes enrollments that a crash or an outage left unfinished.
//!
//! It is safe to run twice at once and beside the request itself: every change is a conditional
//! write, every call to the payment provider is idempotent, and every email job has its id.

use email::{ledger::KnowsEmail, queue::EnqueueEmail};
use time::OffsetDateTime;
use unavailable::Unavailable;

use crate::{
    enrollment::{Enrollment, EnrollmentState, RESUME_AFTER},
    payment::{ACTION_TIMEOUT, Created, GIVE_UP_AFTER, Intent, IntentStatus},
    ports::{Adapters, FindCourse, PaymentProvider, Ports, SaveEnrollment},
    settle::{self, Settled},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resumed {
    /// Finished, and out of the index.
    Finished,
    /// It waits for the provider, for the student, or for another caller.
    Later,
    /// It cannot be settled and is kept as it is, out of the index: an operator must look.
    GaveUp,
}

/// Takes an overdue enrollment as far as possible. If it returns `Err`, the enrollment stays overdue.
pub async fn resume<A: Adapters>(
    ports: &Ports<A>,
    enrollment: Enrollment,
    now: OffsetDateTime,
) -> Result<Resumed, Unavailable> {
    match enrollment.state {
        EnrollmentState::Active => confirm_by_email(ports, &enrollment).await,
        EnrollmentState::PaymentPending => resume_payment(ports, enrollment, now).await,
        EnrollmentState::Refunding => resume_refund(ports, &enrollment, now).await,
        EnrollmentState::PaymentFailed | EnrollmentState::Refunded => {
            finish(ports, &enrollment, enrollment.state).await
        }
    }
}

/// Enqueues the email job, unless the ledger has it: then a worker has already received it.
async fn confirm_by_email<A: Adapters>(
    ports: &Ports<A>,
    enrollment: &Enrollment,
) -> Result<Resumed, Unavailable> {
    if !ports.ledger.knows_email(&enrollment.id.email_job_id()).await? {
        ports.email_queue.enqueue_email(&enrollment.confirmation()).await?;
    }
    finish(ports, enrollment, EnrollmentState::Active).await
}

async fn resume_payment<A: Adapters>(
    ports: &Ports<A>,
    pending: Enrollment,
    now: OffsetDateTime,
) -> Result<Resumed, Unavailable> {
    let Some(charge) = pending.charge() else {
        return give_up(ports, &pending, "a payment is pending, and there is no payment").await;
    };
    let age = now - charge.payment.started_at;
    if age > GIVE_UP_AFTER {
        return give_up(ports, &pending, "the payment could not be settled in time").await;
    }
    let Some(provider) = &ports.payments else { return postpone(ports, &pending, now).await };
    let mut intent = match provider.create(charge).await? {
        Created::Intent(intent) => intent,
        Created::Refused(why) => {
            settle::fail(&ports.enrollments, &pending, why).await?;
            return Ok(Resumed::Finished);
        }
    };
    let abandoned = match intent.status {
        // No request will confirm it, and the resumer never charges.
        IntentStatus::AwaitingConfirmation => true,
        IntentStatus::RequiresAction { .. } => age > ACTION_TIMEOUT,
        _ => false,
    };
    if abandoned {
        intent = provider.cancel(charge, &intent.id).await?;
    }
    if intent.status == IntentStatus::Succeeded
        && ports.courses.find_course(&pending.course_id).await?.is_none()
    {
        return start_refund(ports, provider, &pending, &intent, now).await;
    }
    match settle::settle(&ports.enrollments, provider, &pending, intent, now).await? {
        Settled::Granted(granted) => confirm_by_email(ports, &granted).await,
        Settled::Failed(_) => Ok(Resumed::Finished),
        Settled::ActionRequired { .. } | Settled::NotYet => postpone(ports, &pending, now).await,
    }
}

/// Records that the charge must be paid back, and pays it back.
async fn start_refund<A: Adapters>(
    ports: &Ports<A>,
    provider: &A::Payments,
    pending: &Enrollment,
    intent: &Intent,
    now: OffsetDateTime,
) -> Result<Resumed, Unavailable> {
    let to_refunding = |current: &Enrollment| current.refunding(intent.id.clone(), now);
    match settle::change(&ports.enrollments, pending, to_refunding).await? {
        Some(refunding) => pay_back(ports, provider, &refunding).await,
        None => Ok(Resumed::Later),
    }
}

/// Continues an unfinished refund. It is never given up.
async fn resume_refund<A: Adapters>(
    ports: &Ports<A>,
    refunding: &Enrollment,
    now: OffsetDateTime,
) -> Result<Resumed, Unavailable> {
    match &ports.payments {
        Some(provider) => pay_back(ports, provider, refunding).await,
        None => postpone(ports, refunding, now).await,
    }
}

async fn pay_back<A: Adapters>(
    ports: &Ports<A>,
    provider: &A::Payments,
    refunding: &Enrollment,
) -> Result<Resumed, Unavailable> {
    if let Some((charge, intent)) = refunding.refundable() {
        provider.refund(charge, intent).await?;
    }
    ports.email_queue.enqueue_email(&refunding.refund_notice()).await?;
    finish(ports, refunding, EnrollmentState::Refunded).await
}

/// Takes the enrollment out of the index.
async fn finish<A: Adapters>(
    ports: &Ports<A>,
    enrollment: &Enrollment,
    state: EnrollmentState,
) -> Result<Resumed, Unavailable> {
    // On a conflict there is nothing to do: the caller that changed it meanwhile finishes it.
    ports.enrollments.save_enrollment(&enrollment.next(state, None)).await?;
    Ok(Resumed::Finished)
}

async fn postpone<A: Adapters>(
    ports: &Ports<A>,
    pending: &Enrollment,
    now: OffsetDateTime,
) -> Result<Resumed, Unavailable> {
    let later = pending.next(pending.state, Some(now + RESUME_AFTER));
    ports.enrollments.save_enrollment(&later).await?;
    Ok(Resumed::Later)
}

/// Keeps the enrollment as it is, out of the index, and logs an error that an alarm counts.
async fn give_up<A: Adapters>(
    ports: &Ports<A>,
    enrollment: &Enrollment,
    why: &str,
) -> Result<Resumed, Unavailable> {
    ports.enrollments.save_enrollment(&enrollment.next(enrollment.state, None)).await?;
    tracing::error!(
        event = "resumer_gave_up",
        enrollment_id = %enrollment.id,
        why,
        "an enrollment cannot be finished; an operator must look",
    );
    Ok(Resumed::GaveUp)
}
