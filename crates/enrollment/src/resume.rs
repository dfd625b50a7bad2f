//! Finishes enrollments that a crash or an outage left unfinished.
//!
//! It is safe to run twice at once and beside the request itself: every change is a conditional
//! write, every call to the payment provider is idempotent, and every email job has its id.

use std::time::Duration;

use email::queue::EnqueueEmail;
use time::OffsetDateTime;
use unavailable::Unavailable;

use crate::{
    confirm::confirm_all,
    enrollment::{Enrollment, EnrollmentState, REPORT_STUCK_EVERY, RESUME_AFTER, StuckReason},
    payment::{
        ABANDONED_AFTER, ACTION_TIMEOUT, Decline, IntentStatus, PaymentError, ProviderRefusal,
        RefundProgress, RefundStatus,
    },
    ports::{Adapters, FindCourse, PaymentProvider, Ports, SaveEnrollment, Saved},
    resolution::Resolution,
    resolve,
    settle::{self, Orphan, Settled},
};

/// Maximum time between two looks at the same unfinished enrollment.
pub const MAX_RESUME_AFTER: Duration = Duration::from_hours(1);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resumed {
    /// Finished, and out of the index.
    Finished,
    /// It waits for the provider, for the student, or for another caller.
    Later,
    /// The payment provider refuses us; the enrollment is kept. Log it as `payment_provider_refused`.
    Refused(ProviderRefusal),
    /// Log it as `payment_orphaned`.
    Orphaned(Orphan),
    /// An operator must look. Log it as `enrollment_stuck`.
    Stuck(StuckReason),
}

/// Takes an overdue enrollment as far as possible. If it returns `Err`, the enrollment stays overdue.
pub async fn resume<A: Adapters>(
    ports: &Ports<A>,
    enrollment: Enrollment,
    now: OffsetDateTime,
) -> Result<Resumed, Unavailable> {
    let resumed = match enrollment.state {
        EnrollmentState::Active if enrollment.owes_refund() => {
            resume_refund(ports, &enrollment, now).await
        }
        EnrollmentState::Active => Ok(confirm_by_email(ports, &enrollment).await?),
        EnrollmentState::PaymentPending => resume_payment(ports, &enrollment, now).await,
        EnrollmentState::Refunding => resume_refund(ports, &enrollment, now).await,
        EnrollmentState::PaymentFailed
        | EnrollmentState::Refunded
        | EnrollmentState::Unenrolled => Ok(finish(ports, &enrollment, enrollment.state).await?),
        EnrollmentState::Stuck => match enrollment.resolution {
            Some(resolution) => resolve(ports, &enrollment, resolution, now).await,
            None => Ok(report_stuck(ports, &enrollment, now).await?),
        },
    };
    match resumed {
        Ok(resumed) => Ok(resumed),
        Err(PaymentError::Unavailable(error)) => Err(error),
        Err(PaymentError::Refused(refusal)) => {
            postpone(ports, &enrollment, now).await?;
            Ok(Resumed::Refused(refusal))
        }
        Err(PaymentError::KeyIsSpent) => postpone(ports, &enrollment, now).await,
    }
}

/// Enqueues the email job, unless the ledger has it.
async fn confirm_by_email<A: Adapters>(
    ports: &Ports<A>,
    active: &Enrollment,
) -> Result<Resumed, Unavailable> {
    for confirmed in confirm_all(ports, std::slice::from_ref(active)).await {
        confirmed?;
    }
    Ok(Resumed::Finished)
}

async fn resume_payment<A: Adapters>(
    ports: &Ports<A>,
    pending: &Enrollment,
    now: OffsetDateTime,
) -> Result<Resumed, PaymentError> {
    let Some(payment) = &pending.payment else {
        return stick(ports, pending, StuckReason::PaymentMissing, now).await;
    };
    let age = now - payment.started_at;
    let Some(id) = &payment.intent else {
        if age < ABANDONED_AFTER {
            return Ok(postpone(ports, pending, now).await?);
        }
        // Without an id it was never confirmed, and never will be once this is written.
        return Ok(match settle::fail(&ports.enrollments, pending, Decline::abandoned()).await? {
            Settled::Failed(_) => Resumed::Finished,
            _ => Resumed::Later,
        });
    };
    let Some(provider) = &ports.payments else {
        return Ok(postpone(ports, pending, now).await?);
    };
    let mut intent = provider.find(id).await?;
    let abandoned = match intent.status {
        // No request will confirm it, and the resumer never charges.
        IntentStatus::AwaitingConfirmation => age >= ABANDONED_AFTER,
        IntentStatus::RequiresAction { .. } => age > ACTION_TIMEOUT,
        _ => false,
    };
    if abandoned {
        intent = provider.cancel(id).await?;
    }
    if intent.status == IntentStatus::Succeeded
        && ports.courses.find_course(&pending.course_id).await?.is_none()
    {
        return start_refund(ports, pending, now).await;
    }
    match settle::settle(&ports.enrollments, provider, pending, intent, now).await? {
        Settled::Granted(granted) if granted.awaits_confirmation() => {
            Ok(confirm_by_email(ports, &granted).await?)
        }
        Settled::Granted(_) | Settled::Failed(_) => Ok(Resumed::Finished),
        Settled::ActionRequired { .. } | Settled::NotYet => {
            Ok(postpone(ports, pending, now).await?)
        }
        Settled::Stuck(reason) => Ok(Resumed::Stuck(reason)),
        Settled::Orphaned(orphan) => Ok(Resumed::Orphaned(orphan)),
    }
}

async fn stick<A: Adapters>(
    ports: &Ports<A>,
    pending: &Enrollment,
    reason: StuckReason,
    now: OffsetDateTime,
) -> Result<Resumed, PaymentError> {
    Ok(match settle::stick(&ports.enrollments, pending, reason, now).await? {
        Settled::Stuck(reason) => Resumed::Stuck(reason),
        _ => Resumed::Later,
    })
}

/// The report is repeated until an operator has resolved it.
async fn report_stuck<A: Adapters>(
    ports: &Ports<A>,
    stuck: &Enrollment,
    now: OffsetDateTime,
) -> Result<Resumed, Unavailable> {
    let reason = stuck.stuck_reason.unwrap_or(StuckReason::PaymentMissing);
    let again = stuck.next(EnrollmentState::Stuck, Some(now + REPORT_STUCK_EVERY));
    ports.enrollments.save_enrollment(stuck, &again).await?;
    Ok(Resumed::Stuck(reason))
}

/// Carries out what an operator decided about a stuck payment.
async fn resolve<A: Adapters>(
    ports: &Ports<A>,
    stuck: &Enrollment,
    resolution: Resolution,
    now: OffsetDateTime,
) -> Result<Resumed, PaymentError> {
    let Some(next) = resolve::outcome(ports.payments.as_ref(), stuck, resolution, now).await?
    else {
        return Ok(postpone(ports, stuck, now).await?);
    };
    if ports.enrollments.save_enrollment(stuck, &next).await? != Saved::Done {
        return Ok(Resumed::Later);
    }
    match next.state {
        EnrollmentState::Active => Ok(confirm_by_email(ports, &next).await?),
        EnrollmentState::Refunding => resume_refund(ports, &next, now).await,
        EnrollmentState::Stuck => Ok(report_stuck(ports, &next, now).await?),
        _ => Ok(Resumed::Finished),
    }
}

/// Records that the charge must be paid back, and begins to.
async fn start_refund<A: Adapters>(
    ports: &Ports<A>,
    pending: &Enrollment,
    now: OffsetDateTime,
) -> Result<Resumed, PaymentError> {
    match settle::change(&ports.enrollments, pending, |current| current.refunding(now)).await? {
        Some(refunding) => resume_refund(ports, &refunding, now).await,
        None => Ok(Resumed::Later),
    }
}

/// Continues an unfinished refund: makes it, or reads it, or makes the next one. It is never given up,
/// and is only finished by a refund that succeeded.
async fn resume_refund<A: Adapters>(
    ports: &Ports<A>,
    refunding: &Enrollment,
    now: OffsetDateTime,
) -> Result<Resumed, PaymentError> {
    let Some((intent, due)) = refunding.refund_due() else {
        return stick(ports, refunding, StuckReason::PaymentMissing, now).await;
    };
    let Some(provider) = &ports.payments else {
        return Ok(postpone(ports, refunding, now).await?);
    };
    let refund = match &due.last {
        Some(refund) => provider.find_refund(&refund.id).await.map(Some),
        None => provider.refund(intent, due.attempt).await.map(Some),
    };
    let refund = match refund {
        Err(PaymentError::KeyIsSpent) => None,
        other => other?,
    };
    let next = match refund {
        Some(refund) if refund.status == RefundStatus::Succeeded => {
            // Before the state: an email that is enqueued twice is sent once.
            if !refunding.is_forgotten() {
                ports.email_queue.enqueue_email(&refunding.refund_notice()).await?;
            }
            let progress = RefundProgress { last: Some(refund), ..due };
            let refunded = refunding.refund_at(progress, now);
            let state = match refunding.state {
                // An operator's refund that keeps the access.
                EnrollmentState::Active => EnrollmentState::Active,
                _ => EnrollmentState::Refunded,
            };
            let refunded = Enrollment { state, resume_at: None, ..refunded };
            // On a conflict there is nothing to do: another run has written the same.
            ports.enrollments.save_enrollment(refunding, &refunded).await?;
            return Ok(Resumed::Finished);
        }
        Some(refund) if refund.status == RefundStatus::Pending => {
            RefundProgress { last: Some(refund), ..due }
        }
        // Failed, or its key is spent: the next run makes another one.
        _ => RefundProgress { attempt: due.attempt + 1, last: None, ..due },
    };
    let resume_at = now + pause(now - next.started_at);
    ports.enrollments.save_enrollment(refunding, &refunding.refund_at(next, resume_at)).await?;
    Ok(Resumed::Later)
}

/// Takes the enrollment out of the index.
async fn finish<A: Adapters>(
    ports: &Ports<A>,
    enrollment: &Enrollment,
    state: EnrollmentState,
) -> Result<Resumed, Unavailable> {
    // On a conflict there is nothing to do: the caller that changed it meanwhile finishes it.
    ports.enrollments.save_enrollment(enrollment, &enrollment.next(state, None)).await?;
    Ok(Resumed::Finished)
}

/// Puts the enrollment off, for longer the older its payment is.
async fn postpone<A: Adapters>(
    ports: &Ports<A>,
    unfinished: &Enrollment,
    now: OffsetDateTime,
) -> Result<Resumed, Unavailable> {
    let payment = unfinished.payment.as_ref();
    let since = payment.map_or(unfinished.created_at, |payment| {
        payment.refund.as_ref().map_or(payment.started_at, |refund| refund.started_at)
    });
    let later = unfinished.next(unfinished.state, Some(now + pause(now - since)));
    ports.enrollments.save_enrollment(unfinished, &later).await?;
    Ok(Resumed::Later)
}

fn pause(age: time::Duration) -> Duration {
    let share = Duration::try_from(age / 16).unwrap_or_default();
    share.clamp(RESUME_AFTER, MAX_RESUME_AFTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pause_is_a_sixteenth_of_the_age_from_a_minute_to_an_hour() {
        for (age, minutes) in [(0, 1), (16, 1), (32, 2), (16 * 60, 60), (10_000, 60), (-5, 1)] {
            assert_eq!(pause(time::Duration::minutes(age)), Duration::from_mins(minutes), "{age}");
        }
    }
}
