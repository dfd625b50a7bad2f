//! What must hold after recovery.

use std::collections::BTreeSet;

use enrollment::{
    announcement::{Announcement, Kind, announcements},
    enrollment::{Enrollment, EnrollmentState},
    history::What,
    payment::IntentId,
    testing::{Report, World},
};

pub(crate) fn check(world: &World) -> Result<(), String> {
    world.check_seats()?;
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
    if world.histories_lost() > 0 {
        return Err("an entry of the history was dropped".to_owned());
    }
    if world.reused_ids() > 0 {
        return Err("one job id for two emails".to_owned());
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
    enrollment.map_or(Ok(()), |enrollment| {
        is_settled(world, &enrollment)?;
        history_is_true(&enrollment)?;
        announcements_are_true(world, &enrollment)
    })
}

/// Every succeeded intent is granted, refunded, kept by an operator, or reported by an event that has an alarm.
fn is_accounted_for(world: &World, enrollment: Option<&Enrollment>, intent: &IntentId) -> bool {
    let of = |state| {
        enrollment.is_some_and(|found| found.state == state && found.intent() == Some(intent))
    };
    let is_stuck = |report: &Report| matches!(report, Report::Stuck(_));
    of(EnrollmentState::Active)
        || of(EnrollmentState::Unenrolled)
        || enrollment.is_some_and(|found| found.kept_intents.contains(intent))
        || world.reports().contains(&Report::Orphaned(intent.clone()))
        || world.reports().contains(&Report::WithoutEnrollment(intent.clone()))
        || (of(EnrollmentState::Stuck) && world.reports().iter().any(is_stuck))
}

/// Whether an operator did this about the current attempt.
fn was_done(enrollment: &Enrollment, what: &What) -> bool {
    let attempt = enrollment.payment.as_ref().map(|payment| payment.attempt);
    enrollment.history.iter().any(|entry| entry.what == *what && entry.attempt == attempt)
}

fn is_settled(world: &World, enrollment: &Enrollment) -> Result<(), String> {
    let intent = enrollment.intent();
    let is_charged = intent.is_some_and(|intent| world.charged().contains(intent));
    let is_refunded = intent.is_some_and(|intent| world.is_refunded(intent));
    if enrollment.owes_refund() || enrollment.resolution.is_some() {
        return Err("what an operator began is unfinished forever".to_owned());
    }
    let earlier = enrollment.confirmation_job_ids();
    if earlier.into_iter().any(|id| world.sends(&id) > 1) {
        return Err("a confirmation was sent twice".to_owned());
    }
    let email = match enrollment.state {
        EnrollmentState::Active => {
            let unpaid = enrollment.payment.is_some() && !is_charged;
            if unpaid && !(is_refunded && was_done(enrollment, &What::RefundStarted)) {
                return Err("access unpaid".to_owned());
            }
            enrollment.confirmation_job_id()
        }
        EnrollmentState::Refunded if !is_refunded => {
            return Err("refunded without a refund".to_owned());
        }
        EnrollmentState::Refunded => enrollment.refund_job_id(),
        EnrollmentState::Unenrolled if !was_done(enrollment, &What::Unenrolled) => {
            return Err("unenrolled by nobody".to_owned());
        }
        EnrollmentState::PaymentFailed if is_charged => {
            return Err("a failed payment is charged".to_owned());
        }
        EnrollmentState::PaymentFailed | EnrollmentState::Stuck | EnrollmentState::Unenrolled => {
            return Ok(());
        }
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

/// The history names only attempts that there were.
fn history_is_true(enrollment: &Enrollment) -> Result<(), String> {
    let last = enrollment.payment.as_ref().map_or(enrollment.earlier_attempts, |last| last.attempt);
    if enrollment.history.iter().any(|entry| entry.attempt > Some(last)) {
        return Err("the history names an attempt that there was not".to_owned());
    }
    Ok(())
}

/// Access begins and ends in turns and ends as it is; versions rise; no id is used twice, and a replay has the same.
fn announcements_are_true(world: &World, last: &Enrollment) -> Result<(), String> {
    let writes = world.writes();
    let said = |writes: &[(Option<Enrollment>, Enrollment)]| -> Vec<Announcement> {
        writes.iter().flat_map(|(old, new)| announcements(old.as_ref(), new)).collect()
    };
    let all = said(&writes);
    let ids: BTreeSet<&str> = all.iter().map(|event| event.id.as_str()).collect();
    if ids.len() != all.len() {
        return Err("two events have one id".to_owned());
    }
    if !all.is_sorted_by_key(|event| event.version) {
        return Err("the events are not in the order of their versions".to_owned());
    }
    let again = said(&writes[..writes.len() / 2]);
    if again.iter().any(|event| !ids.contains(event.id.as_str())) {
        return Err("an event has another id when it is sent again".to_owned());
    }
    let mut has_access = false;
    for event in &all {
        match event.kind {
            Kind::Activated if has_access => return Err("access announced twice".to_owned()),
            Kind::Unenrolled if !has_access => return Err("no access to end".to_owned()),
            Kind::Activated => has_access = true,
            Kind::Unenrolled => has_access = false,
            Kind::PaymentFailed | Kind::Refunded => {}
        }
    }
    if has_access != (last.state == EnrollmentState::Active) {
        return Err("the events say otherwise about the access".to_owned());
    }
    let was_refunded = all.iter().any(|event| event.kind == Kind::Refunded);
    if last.state == EnrollmentState::Refunded && !was_refunded {
        return Err("a refund was not announced".to_owned());
    }
    Ok(())
}
