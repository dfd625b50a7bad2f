//! The rules of refunds and disputes at the provider, case by case.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::time::Duration;

use enrollment::{
    Deadline, EnrollRequest, Enrollment, enroll,
    enrollment::EnrollmentState,
    history::{MAX_ENTRIES_WITH_PROVIDER, What},
    operator::{self, Action, Operated, Place, RefundChoice, Signature},
    outside::{
        AccessAfterRefund, DisputeStage, NotAnAccessAfterRefund, Outside, OutsideRefund, PaymentOf,
        record_outside,
    },
    payment::{IntentId, Refund, RefundStatus},
    resume,
    testing::{Bank, Dependency, World},
};
use serde_json::json;
use time::OffsetDateTime;

const START: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

/// A student who has paid, and whose email is on the queue.
async fn paid() -> World {
    let course = json!({
        "course_id": "rust-101", "title": "Rust 101", "price": 4900, "currency": "USD", "state": "open",
    });
    let world = World::new([serde_json::from_value(course).unwrap()], Bank::Accepts);
    ask(&world, "pm_1").await;
    world
}

async fn ask(world: &World, method: &str) {
    let body = json!({
        "student_id": "s-1", "course_id": "rust-101", "email": "ada@example.com", "name": "Ada",
        "payment_method": method,
    });
    let request = EnrollRequest::from_fields(body.as_object().unwrap()).unwrap();
    let left = || Duration::from_secs(29);
    let asked = enroll(&world.ports(), request, START, Deadline::new(&left)).await;
    asked.unwrap();
}

fn the_one(world: &World) -> Enrollment {
    world.enrollments().remove(0)
}

fn refunded(amounts: &[u64]) -> Outside {
    let refunds = amounts.iter().enumerate().map(|(n, amount)| OutsideRefund {
        refund: Refund { id: format!("re_{n}").parse().unwrap(), status: RefundStatus::Succeeded },
        amount: (*amount).try_into().unwrap(),
    });
    Outside::refunded(4900_u64.try_into().unwrap(), refunds.collect()).unwrap()
}

fn dispute(stage: DisputeStage) -> Outside {
    Outside::Disputed { dispute: "du_1".parse().unwrap(), stage }
}

async fn report_about(world: &World, intent: &IntentId, attempt: u32, outside: &Outside) {
    let of = PaymentOf { intent, attempt };
    let access = AccessAfterRefund::Revoke;
    let found = the_one(world);
    record_outside(world, found, of, outside, access, START).await.unwrap();
}

async fn report(world: &World, outside: &Outside) {
    let found = the_one(world);
    report_about(world, found.intent().unwrap(), found.attempt().unwrap(), outside).await;
}

async fn operate(world: &World, action: &Action) -> Operated {
    let place =
        Place { student_id: "s-1".parse().unwrap(), course_id: "rust-101".parse().unwrap() };
    let by = "arn:aws:iam::1:user/ada".parse().unwrap();
    let signature = Signature { by, reason: "asked".parse().unwrap(), at: START };
    operator::operate(world, &place, action, &signature).await.unwrap()
}

async fn report_with(world: &World, outside: &Outside, access: AccessAfterRefund) -> Enrollment {
    let found = the_one(world);
    let intent = found.intent().unwrap().clone();
    let of = PaymentOf { intent: &intent, attempt: 1 };
    record_outside(world, found, of, outside, access, START).await.unwrap()
}

#[test]
fn parameter_is_one_of_two_words() {
    assert_eq!("keep".parse(), Ok(AccessAfterRefund::Keep));
    assert_eq!("revoke".parse(), Ok(AccessAfterRefund::Revoke));
    for other in ["", "Keep", "remove"] {
        assert_eq!(other.parse::<AccessAfterRefund>(), Err(NotAnAccessAfterRefund), "{other}");
    }
}

#[tokio::test]
async fn refund_of_the_whole_charge_ends_the_access_if_the_parameter_says_so() {
    let world = paid().await;
    let found = report_with(&world, &refunded(&[4900]), AccessAfterRefund::Keep).await;
    assert_eq!((found.state, found.history.len()), (EnrollmentState::Active, 1));

    let world = paid().await;
    let found = report_with(&world, &refunded(&[4899]), AccessAfterRefund::Revoke).await;
    assert_eq!(found.state, EnrollmentState::Active, "a part of it");

    let world = paid().await;
    let found = report_with(&world, &refunded(&[900, 4000]), AccessAfterRefund::Revoke).await;
    assert_eq!((found.state, found.resume_at), (EnrollmentState::Refunding, Some(START)));
    let progress = found.payment.unwrap().refund.unwrap();
    assert_eq!(progress.last.unwrap().id.as_str(), "re_1", "no other refund is made");
    assert_eq!(found.earlier_confirmations, 1);
}

#[tokio::test]
async fn refund_at_the_provider_leaves_a_refund_of_ours_to_the_resumer_and_one_that_is_over() {
    let world = paid().await;
    operate(&world, &Action::Refund { attempt: Some(1) }).await;
    let progress = the_one(&world).payment.unwrap().refund;
    let found = report_with(&world, &refunded(&[4900]), AccessAfterRefund::Revoke).await;
    assert_eq!((found.state, found.payment.unwrap().refund), (EnrollmentState::Active, progress));

    let world = paid().await;
    operate(&world, &Action::Refund { attempt: Some(1) }).await;
    resume(&world.ports(), the_one(&world), START).await.unwrap();
    assert!(!the_one(&world).owes_refund());
    let found = report_with(&world, &refunded(&[4900]), AccessAfterRefund::Revoke).await;
    assert_eq!(found.state, EnrollmentState::Active, "an operator has left the access");
}

#[test]
fn dispute_is_lost_in_part_if_the_rest_is_neither_disputed_nor_refunded() {
    let charged = || 4900_u64.try_into().unwrap();
    let refund = |amount: u64, status| OutsideRefund {
        refund: Refund { id: "re_1".parse().unwrap(), status },
        amount: amount.try_into().unwrap(),
    };
    let stage = |stage, amount, refunds: &[OutsideRefund]| match Outside::disputed(
        "du_1".parse().unwrap(),
        stage,
        amount,
        charged(),
        refunds,
    ) {
        Outside::Disputed { stage, .. } => stage,
        other @ Outside::Refunded { .. } => panic!("{other:?}"),
    };
    let lost = |amount, refunds: &[_]| stage(DisputeStage::Lost, amount, refunds);
    assert_eq!(lost(4900, &[]), DisputeStage::Lost);
    assert_eq!(lost(5000, &[]), DisputeStage::Lost, "in another currency, say");
    assert_eq!(lost(4899, &[]), DisputeStage::LostInPart);
    assert_eq!(lost(4000, &[refund(900, RefundStatus::Pending)]), DisputeStage::Lost);
    assert_eq!(lost(4000, &[refund(900, RefundStatus::Failed)]), DisputeStage::LostInPart);
    for other in [DisputeStage::Opened, DisputeStage::Won, DisputeStage::Closed] {
        assert_eq!(stage(other, 1, &[]), other);
    }
}

#[tokio::test]
async fn failed_refunds_are_nothing() {
    let failed = OutsideRefund {
        refund: Refund { id: "re_1".parse().unwrap(), status: RefundStatus::Failed },
        amount: 4900_u64.try_into().unwrap(),
    };
    assert_eq!(Outside::refunded(4900_u64.try_into().unwrap(), vec![failed]), None);
}

#[tokio::test]
async fn repeated_report_changes_nothing() {
    for outside in [refunded(&[100]), refunded(&[4900]), dispute(DisputeStage::Opened)] {
        let world = paid().await;
        report(&world, &outside).await;
        let first = the_one(&world);
        report(&world, &outside).await;
        assert_eq!(the_one(&world), first);
        assert_eq!(first.history.len(), 1);
    }
}

#[tokio::test]
async fn outcome_of_a_dispute_may_arrive_before_its_beginning() {
    let world = paid().await;
    report(&world, &dispute(DisputeStage::Lost)).await;
    report(&world, &dispute(DisputeStage::Opened)).await;
    let found = the_one(&world);
    assert_eq!(found.state, EnrollmentState::Unenrolled);
    let whats: Vec<_> = found.history.iter().map(|entry| &entry.what).collect();
    assert_eq!(whats, [&What::DisputeLost, &What::Disputed]);
    // The student may buy again, and that attempt is not touched by a report about the first one.
    let first = found.intent().unwrap().clone();
    ask(&world, "pm_2").await;
    report_about(&world, &first, 1, &refunded(&[4900])).await;
    let found = the_one(&world);
    assert_eq!((found.state, found.attempt()), (EnrollmentState::Active, Some(2)));
    assert_eq!(found.history.last().unwrap().attempt, Some(1));
}

/// The provider refuses a refund of a charge that the bank has taken back.
#[tokio::test]
async fn lost_dispute_ends_a_refund_in_progress_and_no_other_one_begins() {
    for (action, state) in [
        (Action::Refund { attempt: Some(1) }, EnrollmentState::Active),
        (
            Action::Unenroll { attempt: Some(1), refund: RefundChoice::Full },
            EnrollmentState::Unenrolled,
        ),
    ] {
        let world = paid().await;
        operate(&world, &action).await;
        assert!(the_one(&world).owes_refund());
        report(&world, &dispute(DisputeStage::Lost)).await;
        let found = the_one(&world);
        assert_eq!((found.state, found.resume_at), (state, None));
        assert!(!found.owes_refund());
        report(&world, &dispute(DisputeStage::Lost)).await;
        assert_eq!(the_one(&world), found, "repeated");
        assert!(matches!(operate(&world, &action).await, Operated::Unchanged(_)));
    }
}

#[tokio::test]
async fn operator_ends_the_access_after_a_lost_dispute_without_a_refund() {
    let world = paid().await;
    let found = the_one(&world);
    let of = PaymentOf { intent: &found.intent().unwrap().clone(), attempt: 1 };
    let (lost, access) = (dispute(DisputeStage::Lost), AccessAfterRefund::Keep);
    let kept = record_outside(&world, found, of, &lost, access, START).await.unwrap();
    assert_eq!(kept.state, EnrollmentState::Active);
    let unenroll = Action::Unenroll { attempt: Some(1), refund: RefundChoice::Full };
    operate(&world, &unenroll).await;
    assert_eq!(the_one(&world).state, EnrollmentState::Unenrolled);
}

#[tokio::test]
async fn charge_that_an_operator_kept_is_not_refunded_after_a_lost_dispute() {
    let world = paid().await;
    let unenroll = Action::Unenroll { attempt: Some(1), refund: RefundChoice::None };
    operate(&world, &unenroll).await;
    report(&world, &dispute(DisputeStage::Lost)).await;
    assert_eq!(the_one(&world).state, EnrollmentState::Unenrolled);
    let refund = Action::Refund { attempt: Some(1) };
    assert!(matches!(operate(&world, &refund).await, Operated::Unchanged(_)));
}

/// The bank has not paid the rest back, so an operator may.
#[tokio::test]
async fn dispute_that_is_lost_in_part_ends_neither_the_access_nor_a_refund() {
    let world = paid().await;
    let in_part = dispute(DisputeStage::LostInPart);
    report(&world, &in_part).await;
    report(&world, &in_part).await;
    let found = the_one(&world);
    assert_eq!((found.state, found.history.len()), (EnrollmentState::Active, 1));
    operate(&world, &Action::Refund { attempt: Some(1) }).await;
    assert!(the_one(&world).owes_refund());
    report(&world, &in_part).await;
    assert!(the_one(&world).owes_refund());
}

/// An event of the intent, which is on its way, adopts the payment and grants it: if the refund were recorded now,
/// nothing would end that access.
#[tokio::test]
async fn refund_waits_while_the_payment_may_still_be_adopted() {
    let world = paid().await;
    let found = the_one(&world);
    let intent = found.intent().unwrap().clone();
    let mut failed = found;
    failed.state = EnrollmentState::PaymentFailed;
    failed.payment.as_mut().unwrap().intent = None;
    let of = PaymentOf { intent: &intent, attempt: 1 };
    let access = AccessAfterRefund::Revoke;
    let pending = Enrollment { state: EnrollmentState::PaymentPending, ..failed.clone() };
    assert!(record_outside(&world, pending, of, &refunded(&[4900]), access, START).await.is_err());
    assert!(record_outside(&world, failed, of, &refunded(&[4900]), access, START).await.is_err());
}

#[tokio::test]
async fn full_history_does_not_keep_the_access() {
    let world = paid().await;
    let found = the_one(&world);
    let (intent, attempt) = (found.intent().unwrap().clone(), found.attempt().unwrap());
    let many: Vec<u64> = vec![1; MAX_ENTRIES_WITH_PROVIDER + 5];
    report_about(&world, &intent, attempt, &refunded(&many)).await;
    assert_eq!(the_one(&world).history.len(), MAX_ENTRIES_WITH_PROVIDER);
    assert_eq!(the_one(&world).state, EnrollmentState::Active);
    report_about(&world, &intent, attempt, &dispute(DisputeStage::Lost)).await;
    let found = the_one(&world);
    assert_eq!(found.history.len(), MAX_ENTRIES_WITH_PROVIDER);
    assert_eq!(found.state, EnrollmentState::Unenrolled);
}

#[tokio::test]
async fn report_that_cannot_be_written_is_an_error_and_loses_nothing() {
    let world = paid().await;
    let found = the_one(&world);
    let of = PaymentOf { intent: &found.intent().unwrap().clone(), attempt: 1 };
    world.take_down(Dependency::Tables);
    let (outside, access) = (refunded(&[4900]), AccessAfterRefund::Revoke);
    assert!(record_outside(&world, found, of, &outside, access, START).await.is_err());
    assert_eq!(the_one(&world).state, EnrollmentState::Active);
}

/// Another caller has written since the enrollment was read: that change stays.
#[tokio::test]
async fn lost_race_is_repeated_on_top_of_the_other_change() {
    let world = paid().await;
    let stale = the_one(&world);
    report(&world, &dispute(DisputeStage::Opened)).await;
    let of = PaymentOf { intent: &stale.intent().unwrap().clone(), attempt: 1 };
    let access = AccessAfterRefund::Keep;
    record_outside(&world, stale, of, &refunded(&[4900]), access, START).await.unwrap();
    let whats: Vec<_> = the_one(&world).history.into_iter().map(|entry| entry.what).collect();
    assert_eq!(whats, [What::Disputed, What::RefundedAtProvider]);
}
