//! What must hold after recovery.

use enrollment::{enrollment::EnrollmentState, testing::World};

pub(crate) fn check(world: &World) -> Result<(), String> {
    let charges = world.charges();
    if charges > 1 {
        return Err(format!("{charges} charges"));
    }
    if world.inserts() > 1 {
        return Err("two enrollments".to_owned());
    }
    let Some(enrollment) = world.enrollments().pop() else {
        return if charges == 0 { Ok(()) } else { Err("a charge without enrollment".to_owned()) };
    };
    let priced = enrollment.payment.is_some();
    let email = match (enrollment.state, charges) {
        (EnrollmentState::Active, 0) if priced => return Err("access unpaid".to_owned()),
        (EnrollmentState::Active, _) => enrollment.id.email_job_id(),
        (_, 1) => return Err("a charge without access".to_owned()),
        (EnrollmentState::Refunded, _) => enrollment.id.refund_job_id(),
        (EnrollmentState::PaymentFailed, _) => return Ok(()),
        (unsettled, _) => return Err(format!("{unsettled:?} forever")),
    };
    match world.sends(&email) {
        0 => Err("the email is missing".to_owned()),
        1 => Ok(()),
        n => Err(format!("{n} emails")),
    }
}
