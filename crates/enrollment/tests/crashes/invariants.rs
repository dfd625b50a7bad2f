//! What must hold after recovery.

use enrollment::{
    enrollment::{Enrollment, EnrollmentState},
    payment::IntentId,
    testing::{Report, World},
};

pub(crate) fn check(world: &World) -> Result<(), String> {
    if world.peak_charges() > 1 {
        return Err(format!("{} charges at the same time", world.peak_charges()));
    }
    if world.inserts() > 1 {
        return Err("two enrollments".to_owned());
    }
    if world.refunds_per_intent() > 1 {
        return Err("one charge was paid back twice".to_owned());
    }
    if world.idempotency_errors() > 0 {
        return Err("an idempotency key with two sets of parameters".to_owned());
    }
    let orphans = world.reports().into_iter().any(|report| matches!(report, Report::Orphaned(_)));
    if orphans && !world.has_charges_outside() {
        return Err("a charge of an attempt that was over".to_owned());
    }
    let enrollment = world.enrollments().pop();
    for intent in world.charged() {
        if !is_accounted_for(world, enrollment.as_ref(), &intent) {
            return Err("a charge without access, refund or alarm".to_owned());
        }
    }
    enrollment.map_or(Ok(()), |enrollment| is_settled(world, &enrollment))
}

/// Every succeeded intent is granted, refunded, or reported by an event that has an alarm.
fn is_accounted_for(world: &World, enrollment: Option<&Enrollment>, intent: &IntentId) -> bool {
    let of = |state| {
        enrollment.is_some_and(|found| found.state == state && found.intent() == Some(intent))
    };
    let is_stuck = |report: &Report| matches!(report, Report::Stuck(_));
    of(EnrollmentState::Active)
        || world.reports().contains(&Report::Orphaned(intent.clone()))
        || world.reports().contains(&Report::WithoutEnrollment(intent.clone()))
        || (of(EnrollmentState::Stuck) && world.reports().iter().any(is_stuck))
}

fn is_settled(world: &World, enrollment: &Enrollment) -> Result<(), String> {
    let intent = enrollment.intent();
    let is_charged = intent.is_some_and(|intent| world.charged().contains(intent));
    let email = match enrollment.state {
        EnrollmentState::Active if enrollment.payment.is_some() && !is_charged => {
            return Err("access unpaid".to_owned());
        }
        EnrollmentState::Active => enrollment.id.email_job_id(),
        EnrollmentState::Refunded if !intent.is_some_and(|intent| world.is_refunded(intent)) => {
            return Err("refunded without a refund".to_owned());
        }
        EnrollmentState::Refunded => enrollment.refund_job_id(),
        EnrollmentState::PaymentFailed | EnrollmentState::Stuck => return Ok(()),
        unsettled @ (EnrollmentState::PaymentPending | EnrollmentState::Refunding) => {
            return Err(format!("{unsettled:?} forever"));
        }
    };
    match world.sends(&email) {
        0 => Err("the email is missing".to_owned()),
        1 => Ok(()),
        n => Err(format!("{n} emails")),
    }
}
