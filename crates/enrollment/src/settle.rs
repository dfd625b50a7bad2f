//! What an intent's status means for its enrollment. The request, the webhook and the resumer all end
//! here, so they cannot disagree.

use email::queue::EnqueueEmail;
use time::OffsetDateTime;
use unavailable::Unavailable;

use crate::{
    enrollment::{Enrollment, EnrollmentState, StuckReason},
    payment::{
        Decline, Intent, IntentId, IntentStatus, Payment, PaymentError, Refund, RefundStatus,
    },
    ports::{
        Adapters, FindCourse, FinishEnrollment, PaymentProvider, Ports, SaveEnrollment, Saved,
    },
};

/// Saves of one change, each on top of the version that won the race before.
const MAX_SAVE_ATTEMPTS: usize = 8;

/// Attempts to pay back the charge of an attempt that is over.
const MAX_ORPHAN_REFUNDS: u32 = 3;

#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "short-lived, and one at a time")]
pub enum Settled {
    /// Paid, and the student has access. If another caller granted it, the enrollment may have changed since.
    Granted(Enrollment),
    /// This attempt is not paid and never will be.
    Failed(Decline),
    ActionRequired {
        /// The student's screen continues with it.
        client_secret: String,
    },
    /// The provider does not know yet, or another caller settles it.
    NotYet,
    /// An operator must look. Log it as `enrollment_stuck`.
    Stuck(StuckReason),
    /// Log it as `payment_orphaned`.
    Orphaned(Orphan),
}

/// A charge that belongs to an attempt that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    pub intent: IntentId,
    /// `false` if every request failed. It is not repeated: an operator must pay the charge back.
    pub refund_requested: bool,
}

/// Brings a pending enrollment to the state that its intent implies.
pub(crate) async fn settle(
    enrollments: &(impl SaveEnrollment + Sync),
    provider: &(impl PaymentProvider + Sync),
    pending: &Enrollment,
    intent: Intent,
    now: OffsetDateTime,
) -> Result<Settled, PaymentError> {
    match intent.status {
        IntentStatus::Succeeded => grant(enrollments, provider, pending, &intent, now).await,
        IntentStatus::RequiresAction { client_secret } => {
            Ok(Settled::ActionRequired { client_secret })
        }
        IntentStatus::Processing | IntentStatus::AwaitingConfirmation => Ok(Settled::NotYet),
        IntentStatus::Cancelled => Ok(fail(enrollments, pending, Decline::abandoned()).await?),
        // Cancelled before the failure is written: otherwise the student's screen, which has the
        // intent's secret, could still pay it while the next attempt is in progress.
        IntentStatus::Declined(why) => {
            let cancelled = provider.cancel(&intent.id).await?;
            match cancelled.status {
                IntentStatus::Cancelled => Ok(fail(enrollments, pending, why).await?),
                IntentStatus::Succeeded => {
                    grant(enrollments, provider, pending, &cancelled, now).await
                }
                _ => Ok(Settled::NotYet),
            }
        }
    }
}

/// Gives access for a succeeded intent.
async fn grant(
    enrollments: &(impl SaveEnrollment + Sync),
    provider: &(impl PaymentProvider + Sync),
    pending: &Enrollment,
    intent: &Intent,
    now: OffsetDateTime,
) -> Result<Settled, PaymentError> {
    let Some(payment) = &pending.payment else {
        return Ok(stick(enrollments, pending, StuckReason::PaymentMissing, now).await?);
    };
    if let Some(reason) = mismatch(payment, intent) {
        return Ok(stick(enrollments, pending, reason, now).await?);
    }
    match try_change(enrollments, pending, |current| current.granted(now)).await? {
        Changed::Done(granted) => Ok(Settled::Granted(granted)),
        Changed::Busy => Ok(Settled::NotYet),
        Changed::Over(found) if accounts_for(&found, &intent.id) => Ok(Settled::NotYet),
        Changed::Over(_) => refund_orphan(provider, &intent.id).await,
    }
}

/// In what an intent is not the one that this attempt created.
pub(crate) fn mismatch(payment: &Payment, intent: &Intent) -> Option<StuckReason> {
    if payment.price.amount != intent.money.amount {
        Some(StuckReason::AmountDiffers)
    } else if payment.price.currency != intent.money.currency {
        Some(StuckReason::CurrencyDiffers)
    } else if payment.livemode.is_some_and(|livemode| livemode != intent.livemode) {
        Some(StuckReason::LivemodeDiffers)
    } else {
        None
    }
}

/// Leaves the enrollment to an operator.
pub(crate) async fn stick(
    enrollments: &(impl SaveEnrollment + Sync),
    pending: &Enrollment,
    reason: StuckReason,
    now: OffsetDateTime,
) -> Result<Settled, Unavailable> {
    let stuck = change(enrollments, pending, |current| current.stuck(reason, now)).await?;
    Ok(stuck.map_or(Settled::NotYet, |_| Settled::Stuck(reason)))
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

/// Changes an enrollment whose attempt is still as it was read, on top of any other changes meanwhile.
/// `None`: the attempt has ended in another way.
pub(crate) async fn change(
    enrollments: &(impl SaveEnrollment + Sync),
    pending: &Enrollment,
    to: impl Fn(&Enrollment) -> Enrollment + Send,
) -> Result<Option<Enrollment>, Unavailable> {
    Ok(match try_change(enrollments, pending, to).await? {
        Changed::Done(changed) => Some(changed),
        Changed::Over(_) | Changed::Busy => None,
    })
}

enum Changed {
    Done(Enrollment),
    /// The attempt has ended in another way; this is the current enrollment.
    Over(Enrollment),
    /// Every write lost a race.
    Busy,
}

async fn try_change(
    enrollments: &(impl SaveEnrollment + Sync),
    pending: &Enrollment,
    to: impl Fn(&Enrollment) -> Enrollment + Send,
) -> Result<Changed, Unavailable> {
    let mut current = pending.clone();
    for _ in 0..MAX_SAVE_ATTEMPTS {
        let next = to(&current);
        match enrollments.save_enrollment(&current, &next).await? {
            Saved::Done => return Ok(Changed::Done(next)),
            Saved::Conflict(found) if same_end(&found, &next) => return Ok(Changed::Done(found)),
            Saved::Conflict(found) if same_attempt(&found, pending) => current = found,
            Saved::Conflict(found) => return Ok(Changed::Over(found)),
            // What is in progress takes no seat.
            Saved::Full => return Ok(Changed::Busy),
        }
    }
    Ok(Changed::Busy)
}

/// Another caller came to the same end, or our own write did and its response was lost.
fn same_end(found: &Enrollment, next: &Enrollment) -> bool {
    same_attempt(found, next) && found.state != EnrollmentState::PaymentPending
}

/// The intent counts: an attempt without an id may be failed without asking, one with an id may not.
fn same_attempt(found: &Enrollment, other: &Enrollment) -> bool {
    found.state == other.state
        && found.attempt() == other.attempt()
        && found.intent() == other.intent()
}

/// Whether this charge is granted, is being paid back, was paid back, was kept by an operator, or waits for one.
fn accounts_for(enrollment: &Enrollment, intent: &IntentId) -> bool {
    match enrollment.state {
        EnrollmentState::Active
        | EnrollmentState::Refunding
        | EnrollmentState::Refunded
        | EnrollmentState::Stuck
        | EnrollmentState::Unenrolled
            if enrollment.intent() == Some(intent) =>
        {
            true
        }
        _ => {
            enrollment.refunded_intents.contains(intent) || enrollment.kept_intents.contains(intent)
        }
    }
}

/// Pays back the charge of an attempt that is over. `Err`: not now.
async fn refund_orphan(
    provider: &(impl PaymentProvider + Sync),
    intent: &IntentId,
) -> Result<Settled, PaymentError> {
    for attempt in 1..=MAX_ORPHAN_REFUNDS {
        match provider.refund(intent, attempt).await {
            Ok(Refund { status: RefundStatus::Failed, .. }) | Err(PaymentError::KeyIsSpent) => {}
            Ok(_) => return Ok(orphaned(intent, true)),
            Err(error) => return Err(error),
        }
    }
    Ok(orphaned(intent, false))
}

fn orphaned(intent: &IntentId, refund_requested: bool) -> Settled {
    Settled::Orphaned(Orphan { intent: intent.clone(), refund_requested })
}

/// Brings an enrollment to the state that a webhook's event implies. `Err`: not now; the provider must
/// send the event again.
///
/// A charge that belongs to an attempt that is over is paid back. Any other event of such an attempt
/// changes nothing: a replay is harmless.
pub async fn settle_intent<A: Adapters>(
    ports: &Ports<A>,
    enrollment: &Enrollment,
    attempt_of_event: u32,
    intent: Intent,
    now: OffsetDateTime,
) -> Result<Settled, PaymentError> {
    let Some(provider) = &ports.payments else { return Ok(Settled::NotYet) };
    let current = enrollment.attempt() == Some(attempt_of_event);
    let pending = enrollment.state == EnrollmentState::PaymentPending && current;
    let charged = intent.status == IntentStatus::Succeeded;
    let (enrollment, intent) = match enrollment.intent() {
        Some(id) if pending && *id == intent.id => (enrollment.clone(), intent),
        // Confirmed though its id was never written. This is not meant to happen, but the student has
        // paid for just this attempt; and no other one has begun.
        None if charged && current && may_adopt(enrollment) => {
            let found = provider.find(&intent.id).await?;
            let course = ports.courses.find_course(&enrollment.course_id).await?;
            let adopted = enrollment.adopting(&found, course.as_ref(), now);
            match ports.enrollments.save_enrollment(enrollment, &adopted).await? {
                Saved::Done => (adopted, found),
                // The failed attempt had released its seat, and somebody else has it.
                Saved::Full => return refund_orphan(provider, &intent.id).await,
                Saved::Conflict(_) => {
                    return Err(Unavailable::new("adopting a payment", "lost a race").into());
                }
            }
        }
        _ if charged && !accounts_for(enrollment, &intent.id) => {
            return refund_orphan(provider, &intent.id).await;
        }
        _ => return Ok(Settled::NotYet),
    };
    // If the course no longer exists, the resumer refunds.
    if ports.courses.find_course(&enrollment.course_id).await?.is_none() {
        return Ok(Settled::NotYet);
    }
    let settled = settle(&ports.enrollments, provider, &enrollment, intent, now).await?;
    if let Settled::Granted(granted) = &settled
        && granted.awaits_confirmation()
    {
        // If this fails, the resumer enqueues the job.
        ports.email_queue.enqueue_email(&granted.confirmation()).await?;
        finish(&ports.enrollments, granted).await;
    }
    Ok(settled)
}

/// Takes a granted enrollment whose email job is enqueued out of the resumer's index, so that it leaves
/// nothing behind. If that fails, the resumer does it.
pub(crate) async fn finish(enrollments: &(impl FinishEnrollment + Sync), granted: &Enrollment) {
    let enrollment_id = granted.id;
    match enrollments.finish_enrollment(granted).await {
        Ok(true) => {}
        Ok(false) => {
            tracing::debug!(%enrollment_id, "another caller has changed it; the resumer finishes it");
        }
        Err(error) => {
            tracing::debug!(%enrollment_id, %error, "the resumer takes it out of the index");
        }
    }
}

fn may_adopt(enrollment: &Enrollment) -> bool {
    matches!(enrollment.state, EnrollmentState::PaymentPending | EnrollmentState::PaymentFailed)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        Deadline, EnrollRequest, enroll,
        operator::{Action, Details, Place, Signature, operate},
        payment::PaymentMethod,
        testing::{Bank, World},
    };

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    /// A payment that waits for the student, and its intent.
    async fn waiting() -> (World, Enrollment, Intent) {
        let course = json!({
            "course_id": "rust-101", "title": "Rust 101", "price": 4900, "currency": "USD", "state": "open",
        });
        let world = World::new([serde_json::from_value(course).unwrap()], Bank::AsksTheStudent);
        let body = json!({
            "student_id": "s-1", "course_id": "rust-101", "email": "ada@example.com", "name": "Ada",
            "payment_method": "pm_1",
        });
        let request = EnrollRequest::from_fields(body.as_object().unwrap()).unwrap();
        let left = || std::time::Duration::from_secs(29);
        assert!(enroll(&world.ports(), request, NOW, Deadline::new(&left)).await.is_err());
        let pending = world.enrollments().remove(0);
        let intent = world.find(pending.intent().unwrap()).await.unwrap();
        (world, pending, intent)
    }

    fn decline(code: &str) -> Decline {
        Decline { code: code.to_owned(), message: String::new() }
    }

    /// The student's next attempt, which another caller writes after the end of the pending one.
    async fn next_attempt(world: &World, pending: &Enrollment) -> Enrollment {
        fail(world, pending, decline("expired_card")).await.unwrap();
        let failed = world.enrollments().remove(0);
        let course = world.find_course(&failed.course_id).await.unwrap().unwrap();
        let method: PaymentMethod = "pm_2".parse().unwrap();
        let next = failed.next_attempt(failed.student.clone(), &course, Some(&method), NOW);
        assert_eq!(world.save_enrollment(&failed, &next).await.unwrap(), Saved::Done);
        next
    }

    #[tokio::test]
    async fn another_caller_with_the_same_end_has_done_it() {
        let (world, pending, _) = waiting().await;
        let first = fail(&world, &pending, decline("expired_card")).await.unwrap();
        assert_eq!(first, Settled::Failed(decline("expired_card")));
        let failed = world.enrollments();
        let second = fail(&world, &pending, decline("lost_card")).await.unwrap();
        assert!(matches!(second, Settled::Failed(_)), "{second:?}");
        assert_eq!(world.enrollments(), failed, "written once");
    }

    #[tokio::test]
    async fn change_is_made_on_top_of_another_one_to_the_same_attempt() {
        let (world, pending, _) = waiting().await;
        let student =
            crate::Student { name: "Ada King".parse().unwrap(), ..pending.student.clone() };
        let corrected = pending.with_student(student.clone());
        assert_eq!(world.save_enrollment(&pending, &corrected).await.unwrap(), Saved::Done);
        let settled = fail(&world, &pending, decline("expired_card")).await.unwrap();
        assert!(matches!(settled, Settled::Failed(_)), "{settled:?}");
        let failed = world.enrollments().remove(0);
        assert_eq!((failed.state, failed.student), (EnrollmentState::PaymentFailed, student));
    }

    #[tokio::test]
    async fn end_of_an_attempt_does_not_end_the_next_one() {
        let (world, pending, _) = waiting().await;
        let next = next_attempt(&world, &pending).await;
        let settled = fail(&world, &pending, decline("lost_card")).await.unwrap();
        assert_eq!(settled, Settled::NotYet);
        assert_eq!(world.enrollments(), [next]);
    }

    #[tokio::test]
    async fn charge_is_paid_back_unless_another_caller_accounts_for_it() {
        for accounted_for in [true, false] {
            let (world, pending, _) = waiting().await;
            if accounted_for {
                let refunding = pending.refunding(NOW);
                assert_eq!(world.save_enrollment(&pending, &refunding).await.unwrap(), Saved::Done);
            } else {
                next_attempt(&world, &pending).await;
            }
            world.student_acts();
            let intent = world.find(pending.intent().unwrap()).await.unwrap();
            let settled = settle(&world, &world, &pending, intent.clone(), NOW).await.unwrap();
            if accounted_for {
                assert_eq!(settled, Settled::NotYet);
            } else {
                assert_eq!(settled, orphaned(&intent.id, true));
            }
            assert_eq!(world.is_refunded(&intent.id), !accounted_for);
        }
    }

    /// An attempt whose intent was never written, in this state, and a charge that an event says is of attempt `of`.
    async fn charge_without_intent(
        state: EnrollmentState,
        status: Option<IntentStatus>,
        of: u32,
    ) -> (World, Enrollment, Result<Settled, PaymentError>) {
        let (world, pending, _) = waiting().await;
        let mut found = Enrollment { state, ..pending.next(state, None) };
        found.payment.as_mut().unwrap().intent = None;
        assert_eq!(world.save_enrollment(&pending, &found).await.unwrap(), Saved::Done);
        let intent = world.charge_outside(1, pending.payment.unwrap().price);
        let status = status.unwrap_or_else(|| intent.status.clone());
        let event = Intent { status, ..intent };
        let settled = settle_intent(&world.ports(), &found, of, event, NOW).await;
        (world, found, settled)
    }

    #[tokio::test]
    async fn only_a_charge_of_the_current_attempt_is_adopted_and_only_while_it_may_be() {
        use EnrollmentState::{Active, PaymentFailed, PaymentPending};
        for state in [PaymentPending, PaymentFailed] {
            let (_, _, settled) = charge_without_intent(state, None, 1).await;
            assert!(matches!(settled, Ok(Settled::Granted(_))), "{state}: {settled:?}");
            let processing = Some(IntentStatus::Processing);
            let (world, found, settled) = charge_without_intent(state, processing, 1).await;
            assert_eq!(settled.unwrap(), Settled::NotYet, "{state}");
            assert_eq!(world.enrollments(), [found]);
        }
        let over = EnrollmentState::ALL.into_iter();
        let over = over.filter(|state| ![PaymentPending, PaymentFailed].contains(state));
        let of_another = [(PaymentPending, 7), (PaymentFailed, 7), (Active, 7)];
        for (state, of) in over.map(|state| (state, 1)).chain(of_another) {
            let (world, found, settled) = charge_without_intent(state, None, of).await;
            assert!(matches!(settled, Ok(Settled::Orphaned(_))), "{state}, {of}: {settled:?}");
            assert_eq!(world.enrollments(), [found]);
        }
    }

    /// A caller that read the payment before another one granted it has nothing left to do.
    #[tokio::test]
    async fn what_an_operator_did_after_the_grant_is_left_alone() {
        let correction = Details { name: Some("Ada King".parse().unwrap()), email: None };
        let actions = [Action::Refund { attempt: Some(1) }, Action::Correct(correction)];
        for (action, by_resumer) in actions.iter().flat_map(|it| [(it, false), (it, true)]) {
            let (world, pending, intent) = waiting().await;
            world.student_acts();
            let paid = world.find(&intent.id).await.unwrap();
            let ports = world.ports();
            let event = || settle_intent(&ports, &pending, 1, paid.clone(), NOW);
            assert!(matches!(event().await, Ok(Settled::Granted(_))));
            let place = Place {
                student_id: pending.student.id.clone(),
                course_id: pending.course_id.clone(),
            };
            let by = "arn:aws:iam::1:user/ada".parse().unwrap();
            let signature = Signature { by, reason: "asked".parse().unwrap(), at: NOW };
            operate(&world, &place, action, &signature).await.unwrap();
            let changed = world.enrollments();
            if by_resumer {
                let resumed = crate::resume(&ports, pending.clone(), NOW).await;
                assert_eq!(resumed.unwrap(), crate::resume::Resumed::Finished);
            } else {
                assert!(matches!(event().await, Ok(Settled::Granted(_))));
            }
            assert_eq!(world.enrollments(), changed);
            assert_eq!((world.jobs().len(), world.reused_ids()), (1, 0));
        }
    }

    #[tokio::test]
    async fn declined_intent_that_was_paid_in_the_meantime_gives_access() {
        let (world, pending, intent) = waiting().await;
        world.student_acts();
        let stale = Intent { status: IntentStatus::Declined(decline("expired_card")), ..intent };
        let settled = settle(&world, &world, &pending, stale, NOW).await.unwrap();
        assert!(matches!(settled, Settled::Granted(_)), "{settled:?}");
        assert_eq!(world.charges(), 1);
    }
}
