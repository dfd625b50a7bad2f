//! The rules of operators' actions, case by case.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    future::Future,
    task::{Context, Poll, Waker},
    time::Duration,
};

use enrollment::{
    Course, Deadline, EnrollError, EnrollRequest, Enrolled, Enrollment, Settled, enroll,
    enrollment::EnrollmentState,
    history::{MAX_ENTRIES, What},
    operator::{
        self, Action, Details, OperateError, Operated, Place, RefundChoice, Refusal, Signature,
    },
    payment::IntentStatus,
    ports::SaveEnrollment,
    resolution::Resolution,
    resume,
    resume::Resumed,
    settle_intent,
    testing::{Bank, Dependency, Refunds, World},
};
use serde_json::json;
use time::OffsetDateTime;

const START: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;
const LATER: OffsetDateTime = START.saturating_add(time::Duration::HOUR);

fn course(price: u32) -> Course {
    serde_json::from_value(json!({
        "course_id": "rust-101", "title": "Rust 101", "price": price, "currency": "USD", "state": "open",
    }))
    .unwrap()
}

fn world(bank: Bank) -> World {
    World::new([course(4900)], bank)
}

async fn ask(world: &World, method: &str) -> Result<Enrolled, EnrollError> {
    let body = json!({
        "student_id": "s-1", "course_id": "rust-101", "email": "ada@example.com", "name": "Ada",
        "payment_method": method,
    });
    let request = EnrollRequest::from_fields(body.as_object().unwrap()).unwrap();
    let left = || Duration::from_secs(29);
    enroll(&world.ports(), request, LATER, Deadline::new(&left)).await
}

fn the_one(world: &World) -> Enrollment {
    let mut all = world.enrollments();
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn place() -> Place {
    Place { student_id: "s-1".parse().unwrap(), course_id: "rust-101".parse().unwrap() }
}

fn signature() -> Signature {
    let by = "arn:aws:iam::1:user/ada".parse().unwrap();
    Signature { by, reason: "asked by phone".parse().unwrap(), at: LATER }
}

async fn act(world: &World, action: Action) -> Result<Operated, OperateError> {
    operator::operate(world, &place(), &action, &signature()).await
}

async fn changes(world: &World, action: Action) -> Enrollment {
    let once = act(world, action.clone()).await.unwrap();
    let Operated::Changed(changed) = once else { panic!("{action:?} changed nothing") };
    let again = act(world, action.clone()).await.unwrap();
    assert_eq!(again, Operated::Unchanged(changed.clone()), "{action:?}, repeated");
    assert_eq!(the_one(world), changed);
    changed
}

async fn refused(world: &World, action: Action) -> Refusal {
    let before = the_one(world);
    let Err(OperateError::Refused(refusal)) = act(world, action).await else { panic!("accepted") };
    assert_eq!(the_one(world), before, "nothing was changed");
    refusal
}

async fn resumed(world: &World) -> Resumed {
    let found = the_one(world);
    let at = found.resume_at.expect("it is unfinished");
    world.set_time(at);
    resume(&world.ports(), found, at).await.unwrap()
}

fn unenroll(attempt: u32, refund: RefundChoice) -> Action {
    Action::Unenroll { attempt: Some(attempt), refund }
}

/// Paid, with access, and finished.
async fn active() -> World {
    let world = world(Bank::Accepts);
    assert!(matches!(ask(&world, "pm_1").await, Ok(Enrolled::New(_))));
    world.worker().await;
    assert_eq!(the_one(&world).resume_at, None);
    world
}

/// The payment is charged and is not the agreed one.
async fn stuck() -> World {
    let world = world(Bank::Processes);
    let _ = ask(&world, "pm_1").await;
    world.bank_decides(true);
    world.set_livemode(false);
    assert!(matches!(resumed(&world).await, Resumed::Stuck(_)));
    world
}

/// The bank asks the student, and the payment is not the agreed one.
async fn stuck_and_unpaid() -> World {
    let world = world(Bank::AsksTheStudent);
    let _ = ask(&world, "pm_1").await;
    world.set_livemode(false);
    assert!(matches!(ask(&world, "pm_1").await, Err(EnrollError::Stuck(_))));
    world
}

#[tokio::test]
async fn stuck_payment_that_is_granted_gives_access_and_one_email() {
    let world = stuck().await;
    let decided = changes(&world, Action::Resolve(Resolution::Grant)).await;
    assert_eq!((decided.state, decided.resume_at), (EnrollmentState::Stuck, Some(LATER)));
    assert_eq!(resumed(&world).await, Resumed::Finished);
    let granted = the_one(&world);
    assert_eq!((granted.state, granted.stuck_reason), (EnrollmentState::Active, None));
    assert_eq!((granted.resolution, granted.resume_at), (None, None));
    assert_eq!((world.jobs().len(), world.charges()), (1, 1));
    let [entry] = &granted.history[..] else { panic!("{:?}", granted.history) };
    assert_eq!((&entry.what, entry.attempt), (&What::ResolvedByGrant, Some(1)));
    assert_eq!(entry.by.as_str(), "arn:aws:iam::1:user/ada");
    let again = act(&world, Action::Resolve(Resolution::Grant)).await.unwrap();
    assert_eq!(again, Operated::Unchanged(granted));
}

#[tokio::test]
async fn stuck_payment_that_is_granted_and_not_charged_can_no_longer_be_paid() {
    let world = stuck_and_unpaid().await;
    let intent = the_one(&world).intent().cloned().unwrap();
    changes(&world, Action::Resolve(Resolution::Grant)).await;
    assert_eq!(resumed(&world).await, Resumed::Finished);
    let granted = the_one(&world);
    assert_eq!((granted.state, &granted.payment), (EnrollmentState::Active, &None));
    assert_eq!(world.intent_status(&intent), IntentStatus::Cancelled);
    world.student_acts();
    assert_eq!(world.charges(), 0);
}

#[tokio::test]
async fn stuck_payment_that_is_refunded_is_paid_back_once_with_a_notice() {
    let world = stuck().await;
    changes(&world, Action::Resolve(Resolution::Refund)).await;
    assert_eq!(resumed(&world).await, Resumed::Finished);
    let refunded = the_one(&world);
    assert_eq!(refunded.state, EnrollmentState::Refunded);
    assert!(world.is_refunded(refunded.intent().unwrap()));
    assert_eq!(world.jobs()[0].id, refunded.refund_job_id());

    let unpaid = stuck_and_unpaid().await;
    changes(&unpaid, Action::Resolve(Resolution::Refund)).await;
    assert_eq!(resumed(&unpaid).await, Resumed::Finished);
    let failed = the_one(&unpaid);
    assert_eq!(failed.state, EnrollmentState::PaymentFailed);
    assert_eq!(failed.history.last().unwrap().what, What::NotRefunded);
    assert!(unpaid.jobs().is_empty());
}

#[tokio::test]
async fn stuck_payment_is_failed_only_if_it_is_not_charged() {
    let unpaid = stuck_and_unpaid().await;
    changes(&unpaid, Action::Resolve(Resolution::Fail)).await;
    unpaid.take_down(Dependency::Payments);
    let found = the_one(&unpaid);
    assert!(resume(&unpaid.ports(), found, LATER).await.is_err(), "nothing is decided unseen");
    assert_eq!(the_one(&unpaid).state, EnrollmentState::Stuck);
    unpaid.bring_up(Dependency::Payments);
    assert_eq!(resumed(&unpaid).await, Resumed::Finished);
    assert_eq!(the_one(&unpaid).state, EnrollmentState::PaymentFailed);
    unpaid.set_bank(Bank::Accepts);
    assert!(ask(&unpaid, "pm_2").await.is_ok(), "the student may retry");
    assert_eq!(unpaid.charges(), 1);

    let charged = stuck().await;
    changes(&charged, Action::Resolve(Resolution::Fail)).await;
    assert!(matches!(resumed(&charged).await, Resumed::Stuck(_)));
    let kept = the_one(&charged);
    assert_eq!((kept.state, kept.resolution), (EnrollmentState::Stuck, None));
    assert!(kept.stuck_reason.is_some());
    let last = kept.history.last().unwrap();
    assert_eq!((&last.what, last.by.as_str()), (&What::NotFailed, "resumer"));
    changes(&charged, Action::Resolve(Resolution::Refund)).await;
}

#[tokio::test]
async fn only_what_is_stuck_is_resolved() {
    let world = active().await;
    for resolution in [Resolution::Refund, Resolution::Fail] {
        let refusal = refused(&world, Action::Resolve(resolution)).await;
        assert!(refusal.to_string().contains("the enrollment is `active`"), "{refusal}");
    }
    let nobody = self::world(Bank::Accepts);
    let result = act(&nobody, Action::Resend).await;
    assert!(matches!(result, Err(OperateError::NotEnrolled)), "{result:?}");
}

#[tokio::test]
async fn retry_makes_an_unfinished_enrollment_due_and_refuses_any_other() {
    let world = world(Bank::Processes);
    let _ = ask(&world, "pm_1").await;
    assert!(world.overdue(LATER).is_empty());
    let due = operator::retry(&world, &place(), LATER).await.unwrap();
    assert_eq!((due.state, due.resume_at), (EnrollmentState::PaymentPending, Some(LATER)));
    assert_eq!(world.overdue(LATER).len(), 1);

    let world = active().await;
    let points = world.points();
    let finished = operator::retry(&world, &place(), LATER).await;
    assert_eq!(world.points() - points, 2, "it is read and not written");
    let Err(OperateError::Refused(refusal)) = finished else { panic!("{finished:?}") };
    assert_eq!(refusal, Refusal::NothingToRetry(EnrollmentState::Active));
    let world = stuck().await;
    let undecided = operator::retry(&world, &place(), LATER).await;
    assert!(matches!(undecided, Err(OperateError::Refused(Refusal::Stuck(_)))), "{undecided:?}");
    changes(&world, Action::Resolve(Resolution::Grant)).await;
    assert!(operator::retry(&world, &place(), LATER).await.is_ok(), "decided");
    let nobody = operator::retry(&self::world(Bank::Accepts), &place(), LATER).await;
    assert!(matches!(nobody, Err(OperateError::NotEnrolled)), "{nobody:?}");
}

#[tokio::test]
async fn student_who_was_unenrolled_can_enroll_again_and_gets_another_email() {
    let world = active().await;
    let first = the_one(&world);
    let ended = changes(&world, unenroll(1, RefundChoice::None)).await;
    assert_eq!((ended.state, ended.resume_at), (EnrollmentState::Unenrolled, None));
    assert_eq!(world.charges(), 1, "the charge is kept");

    assert!(matches!(ask(&world, "pm_2").await, Ok(Enrolled::New(_))));
    world.worker().await;
    let second = the_one(&world);
    assert_eq!(second.payment.as_ref().unwrap().attempt, 2);
    assert_eq!(second.kept_intents, [first.intent().cloned().unwrap()]);
    assert_eq!(world.sends(&first.confirmation_job_id()), 1);
    assert_ne!(first.confirmation_job_id(), second.confirmation_job_id());
    assert_eq!(world.sends(&second.confirmation_job_id()), 1);
    // Stripe repeats the event of the first payment.
    let (attempt, intent) = world.events().remove(0);
    let settled = settle_intent(&world.ports(), &second, attempt, intent, LATER).await.unwrap();
    assert_eq!(settled, Settled::NotYet, "its charge is accounted for");
    assert_eq!(world.charges(), 2);
}

#[tokio::test]
async fn unenrollment_of_one_purchase_never_removes_another() {
    let world = active().await;
    changes(&world, unenroll(1, RefundChoice::None)).await;
    ask(&world, "pm_2").await.unwrap();
    for refund in [RefundChoice::None, RefundChoice::Full] {
        let refusal = refused(&world, unenroll(1, refund)).await;
        assert_eq!(refusal, Refusal::OtherAttempt { named: 1, current: 2 });
    }
    let refusal = refused(&world, Action::Refund { attempt: Some(1) }).await;
    assert_eq!(refusal, Refusal::OtherAttempt { named: 1, current: 2 });
    let nameless = Action::Unenroll { attempt: None, refund: RefundChoice::Full };
    assert_eq!(refused(&world, nameless).await, Refusal::AttemptMissing(2));
    assert_eq!(the_one(&world).state, EnrollmentState::Active);
}

#[tokio::test]
async fn unenrollment_with_a_refund_pays_back_and_the_student_can_buy_again() {
    for refunds in [Refunds::SucceedAtOnce, Refunds::SucceedLater, Refunds::FailOnce] {
        let world = active().await;
        world.set_refunds(refunds);
        let ended = changes(&world, unenroll(1, RefundChoice::Full)).await;
        assert_eq!((ended.state, ended.resume_at), (EnrollmentState::Refunding, Some(LATER)));
        let asked = ask(&world, "pm_2").await;
        assert!(matches!(asked, Err(EnrollError::Refunding)), "{asked:?}");
        while the_one(&world).state == EnrollmentState::Refunding {
            resumed(&world).await;
        }
        assert_eq!((the_one(&world).state, world.charges()), (EnrollmentState::Refunded, 0));
        assert!(ask(&world, "pm_2").await.is_ok());
        world.worker().await;
        assert_eq!(world.charges(), 1);
        assert_eq!(world.sends(&the_one(&world).confirmation_job_id()), 1);
    }
}

#[tokio::test]
async fn charge_that_was_kept_can_be_paid_back_later() {
    for action in [Action::Refund { attempt: Some(1) }, unenroll(1, RefundChoice::Full)] {
        let world = active().await;
        changes(&world, unenroll(1, RefundChoice::None)).await;
        changes(&world, action).await;
        assert_eq!(resumed(&world).await, Resumed::Finished);
        assert_eq!((the_one(&world).state, world.charges()), (EnrollmentState::Refunded, 0));
    }
}

#[tokio::test]
async fn refund_keeps_the_access_and_sends_no_second_confirmation() {
    let world = active().await;
    world.set_refunds(Refunds::SucceedLater);
    let refunding = changes(&world, Action::Refund { attempt: Some(1) }).await;
    assert_eq!(refunding.state, EnrollmentState::Active);
    assert!(refunding.owes_refund() && refunding.has_payment_in_progress());
    assert_eq!(refused(&world, Action::Resend).await, Refusal::RefundInProgress);
    let other = Details { name: Some("Ada King".parse().unwrap()), email: None };
    assert_eq!(refused(&world, Action::Correct(other)).await, Refusal::RefundInProgress);
    let kept = unenroll(1, RefundChoice::None);
    assert_eq!(refused(&world, kept).await, Refusal::RefundInProgress);
    while the_one(&world).owes_refund() {
        resumed(&world).await;
    }
    world.worker().await;
    let refunded = the_one(&world);
    assert_eq!((refunded.state, refunded.resume_at), (EnrollmentState::Active, None));
    assert_eq!(world.charges(), 0);
    assert_eq!(world.sends(&refunded.refund_job_id()), 1);
    assert_eq!(world.sends(&refunded.confirmation_job_id()), 1);
    let again = act(&world, Action::Refund { attempt: Some(1) }).await.unwrap();
    assert!(matches!(again, Operated::Unchanged(_)));
    // The access ends, and there is nothing left to pay back.
    let ended = changes(&world, unenroll(1, RefundChoice::Full)).await;
    assert_eq!((ended.state, ended.resume_at), (EnrollmentState::Refunded, None));
    assert_eq!(world.refunds_per_intent(), 1);
}

#[tokio::test]
async fn stuck_enrollment_without_a_charge_cannot_be_refunded() {
    let world = world(Bank::Accepts);
    assert!(ask(&world, "pm_1").await.is_ok());
    let mut broken = the_one(&world);
    broken.version += 1;
    (broken.state, broken.payment) = (EnrollmentState::PaymentPending, None);
    broken.resume_at = Some(LATER);
    world.save_enrollment(&the_one(&world), &broken).await.unwrap();
    assert!(matches!(resumed(&world).await, Resumed::Stuck(_)));
    let refusal = refused(&world, Action::Resolve(Resolution::Refund)).await;
    assert_eq!(refusal, Refusal::NothingPaid);
}

/// Once it is paid back, the resumer does not look whether the email is still due.
#[tokio::test]
async fn refund_that_keeps_the_access_waits_until_the_email_is_queued() {
    let world = world(Bank::Accepts);
    world.take_down(Dependency::EmailQueue);
    assert!(ask(&world, "pm_1").await.is_ok());
    world.bring_up(Dependency::EmailQueue);
    let refusal = refused(&world, Action::Refund { attempt: Some(1) }).await;
    assert_eq!(refusal, Refusal::EmailNotQueued);
    assert_eq!(resumed(&world).await, Resumed::Finished);
    world.worker().await;
    while the_one(&world).resume_at.is_some() {
        resumed(&world).await;
    }
    changes(&world, Action::Refund { attempt: Some(1) }).await;
    assert_eq!(world.sends(&the_one(&world).confirmation_job_id()), 1);
}

#[tokio::test]
async fn access_that_ends_during_a_refund_is_refunded_once() {
    let world = active().await;
    world.set_refunds(Refunds::SucceedLater);
    changes(&world, Action::Refund { attempt: Some(1) }).await;
    assert_eq!(resumed(&world).await, Resumed::Later);
    changes(&world, unenroll(1, RefundChoice::Full)).await;
    while the_one(&world).state == EnrollmentState::Refunding {
        resumed(&world).await;
    }
    assert_eq!(the_one(&world).state, EnrollmentState::Refunded);
    assert_eq!(world.refunds_per_intent(), 1);
}

#[tokio::test]
async fn grant_gives_access_without_a_payment() {
    let world = world(Bank::Declines);
    let details = || Details {
        name: Some("Ada".parse().unwrap()),
        email: Some("ada@example.com".parse().unwrap()),
    };
    let grant =
        async |details| operator::grant(&world, &world, &place(), details, &signature()).await;
    let nameless = grant(Details::default()).await;
    assert!(matches!(nameless, Err(OperateError::DetailsNeeded)), "{nameless:?}");
    assert!(matches!(grant(details()).await, Ok(Operated::Changed(_))));
    assert!(matches!(grant(details()).await, Ok(Operated::Unchanged(_))));
    assert_eq!(resumed(&world).await, Resumed::Finished);
    assert_eq!((world.jobs().len(), world.charges()), (1, 0));
    let refusal = refused(&world, Action::Refund { attempt: None }).await;
    assert_eq!(refusal, Refusal::NothingPaid);

    world.delete_courses();
    let gone = grant(details()).await;
    assert!(matches!(gone, Err(OperateError::NoSuchCourse(_))), "{gone:?}");
}

fn ada() -> Details {
    let email = "ada@example.com".parse().unwrap();
    Details { name: Some("Ada".parse().unwrap()), email: Some(email) }
}

#[tokio::test]
async fn grant_whose_first_response_is_lost_has_changed_the_enrollment() {
    let world = world(Bank::Accepts);
    world.lose_first_responses();
    let granted = operator::grant(&world, &world, &place(), ada(), &signature()).await;
    assert!(matches!(granted, Ok(Operated::Changed(_))), "{granted:?}");
    assert_eq!(world.inserts(), 1);
}

#[tokio::test]
async fn grant_that_races_with_the_students_request_says_what_is_written() {
    for polls in 0..8 {
        let world = World::new([course(0)], Bank::Accepts);
        let (place, signature) = (place(), signature());
        let mut grant = Box::pin(operator::grant(&world, &world, &place, ada(), &signature));
        let mut context = Context::from_waker(Waker::noop());
        let mut done = None;
        for _ in 0..polls {
            if let Poll::Ready(granted) = grant.as_mut().poll(&mut context) {
                done = Some(granted);
                break;
            }
        }
        ask(&world, "pm_1").await.unwrap();
        let granted = match done {
            Some(granted) => granted,
            None => grant.await,
        };
        let (Operated::Changed(told) | Operated::Unchanged(told)) = granted.unwrap();
        assert_eq!(told.id, the_one(&world).id, "after {polls} polls");
    }
}

#[tokio::test]
async fn attempt_after_a_grant_has_a_number_of_its_own() {
    let world = world(Bank::Declines);
    let _ = ask(&world, "pm_1").await;
    let course = Box::new(course(4900));
    let granted = changes(&world, Action::Grant { course, details: Details::default() }).await;
    assert_eq!((granted.payment.as_ref(), granted.earlier_attempts), (None, 1));
    let end = Action::Unenroll { attempt: None, refund: RefundChoice::None };
    changes(&world, end).await;
    world.set_bank(Bank::Accepts);
    assert!(ask(&world, "pm_2").await.is_ok());
    let payment = the_one(&world).payment.unwrap();
    assert_eq!(payment.attempt, 2, "the provider knows the keys of attempt 1");
    assert_eq!((world.charges(), world.idempotency_errors()), (1, 0));
}

#[tokio::test]
async fn payment_in_progress_is_left_to_itself() {
    let world = world(Bank::AsksTheStudent);
    let _ = ask(&world, "pm_1").await;
    let course = Box::new(course(4900));
    for action in [
        Action::Grant { course, details: Details::default() },
        unenroll(1, RefundChoice::Full),
        Action::Refund { attempt: Some(1) },
        Action::Resend,
        Action::Resolve(Resolution::Fail),
    ] {
        let refusal = refused(&world, action).await;
        assert!(matches!(refusal, Refusal::State(EnrollmentState::PaymentPending, _)));
    }
}

#[tokio::test]
async fn correction_changes_the_next_emails_and_hides_the_details_from_the_history() {
    let world = active().await;
    let email = "king@example.com".parse().unwrap();
    let details = Details { name: Some("Ada King".parse().unwrap()), email: Some(email) };
    let corrected = changes(&world, Action::Correct(details)).await;
    assert_eq!(corrected.resume_at, None, "its email is sent; `resend` sends another");
    let stored = serde_json::to_string(&corrected.history).unwrap();
    assert!(stored.contains("name_and_address_corrected") && !stored.contains("king@"), "{stored}");
    let resend = act(&world, Action::Resend).await.unwrap();
    assert!(matches!(resend, Operated::Changed(_)));
    assert_eq!(resumed(&world).await, Resumed::Finished);
    assert_eq!(world.jobs()[0].to.as_str(), "king@example.com");
    assert_eq!(refused(&world, Action::Correct(Details::default())).await, Refusal::NoDetails);
}

#[tokio::test]
async fn correction_while_the_email_may_be_on_the_queue_is_another_email() {
    let world = world(Bank::Accepts);
    world.take_down(Dependency::EmailQueue);
    ask(&world, "pm_1").await.unwrap();
    world.bring_up(Dependency::EmailQueue);
    let first = the_one(&world);
    let email = Some("king@example.com".parse().unwrap());
    changes(&world, Action::Correct(Details { name: None, email })).await;
    assert_eq!(resumed(&world).await, Resumed::Finished);
    assert_ne!(world.jobs()[0].id, first.confirmation_job_id());
    assert_eq!(world.jobs()[0].to.as_str(), "king@example.com");
}

#[tokio::test]
async fn each_resent_email_has_a_job_id_of_its_own() {
    let world = active().await;
    for sent in 1..4 {
        assert!(matches!(act(&world, Action::Resend).await, Ok(Operated::Changed(_))));
        let again = act(&world, Action::Resend).await;
        assert!(matches!(again, Ok(Operated::Unchanged(_))), "it is about to be sent");
        assert_eq!(resumed(&world).await, Resumed::Finished);
        world.worker().await;
        let ids: Vec<_> = the_one(&world).confirmation_job_ids().collect();
        assert_eq!(ids.len(), sent + 1);
        assert!(ids.iter().all(|id| world.sends(id) == 1));
    }
}

#[tokio::test]
async fn action_without_room_in_the_history_is_refused_and_drops_nothing() {
    let world = active().await;
    let names = ["Ada King", "Ada"].into_iter().cycle();
    for name in names.take(MAX_ENTRIES) {
        let details = Details { name: Some(name.parse().unwrap()), email: None };
        act(&world, Action::Correct(details)).await.unwrap();
    }
    assert_eq!(the_one(&world).history.len(), MAX_ENTRIES);
    let refusal = refused(&world, unenroll(1, RefundChoice::None)).await;
    assert_eq!(refusal, Refusal::HistoryFull);
    assert!(refusal.to_string().contains("100 entries"), "{refusal}");
}

/// The item as an operator of this version writes it, read by rules that lost a race with it.
#[tokio::test]
async fn action_that_loses_a_race_reads_again() {
    let world = active().await;
    let stale = the_one(&world);
    changes(&world, unenroll(1, RefundChoice::None)).await;
    let late = Action::Refund { attempt: Some(1) }.apply(&stale, &signature()).unwrap().unwrap();
    let saved = world.save_enrollment(&stale, &late).await.unwrap();
    assert!(matches!(saved, enrollment::ports::Saved::Conflict(_)));
    assert_eq!(the_one(&world).state, EnrollmentState::Unenrolled);
}
