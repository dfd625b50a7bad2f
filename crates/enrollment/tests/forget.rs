//! The rules of forgetting a student, case by case.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::time::Duration;

use enrollment::{
    Deadline, EnrollRequest, Enrollment, enroll,
    enrollment::EnrollmentState,
    forget::{EraseError, Erased, Fate, NotYet, end_access, erase, fate, find_forgotten},
    history::What,
    operator::{self, Action, Details, OperateError, Place, RefundChoice, Refusal, Signature},
    outside::{AccessAfterRefund, DisputeStage, Outside, PaymentOf, record_outside},
    resume,
    testing::{Bank, Dice, World},
};
use serde_json::json;
use time::OffsetDateTime;

const START: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

fn world(price: u32, seats: Option<u32>) -> World {
    let mut course = json!({
        "course_id": "rust-101", "title": "Rust 101", "price": price, "currency": "USD", "state": "open",
    });
    if let Some(seats) = seats {
        course["seats"] = json!(seats);
    }
    World::new([serde_json::from_value(course).unwrap()], Bank::Accepts)
}

fn request(student: &str, method: &str) -> Result<EnrollRequest, enrollment::fields::FieldErrors> {
    let body = json!({
        "student_id": student, "course_id": "rust-101", "email": "ada@example.com",
        "name": "Ada Lovelace", "payment_method": method, "locale": "de",
    });
    EnrollRequest::from_fields(body.as_object().unwrap())
}

async fn ask(world: &World) {
    ask_with(world, "pm_1").await;
}

/// With another card, because one that was used is declined.
async fn ask_again(world: &World) {
    ask_with(world, "pm_2").await;
}

async fn ask_with(world: &World, method: &str) {
    let left = || Duration::from_secs(29);
    let request = request("s-1", method).unwrap();
    enroll(&world.ports(), request, START, Deadline::new(&left)).await.unwrap();
}

fn signature() -> Signature {
    let by = "arn:aws:iam::1:user/grace".parse().unwrap();
    Signature { by, reason: "Ada asked for it".parse().unwrap(), at: START }
}

fn the_one(world: &World) -> Enrollment {
    let [found] = world.enrollments().try_into().unwrap();
    found
}

async fn forget(world: &World) -> Erased {
    let ended = end_access(world, the_one(world), &signature()).await.unwrap();
    erase(world, &ended, &signature()).await.unwrap()
}

#[tokio::test]
async fn free_enrollment_is_deleted_its_seat_is_released_and_the_student_enrolls_anew() {
    let world = world(0, Some(1));
    ask(&world).await;
    let first = the_one(&world);
    assert_eq!(fate(&first), Ok(Fate::Deleted));
    assert!(matches!(erase(&world, &first, &signature()).await, Err(EraseError::Active)));
    assert_eq!(forget(&world).await, Erased::Done);
    assert_eq!(world.enrollments(), []);
    world.check_seats().unwrap();
    assert_eq!(
        erase(&world, &Enrollment { state: EnrollmentState::Unenrolled, ..first }, &signature())
            .await
            .unwrap(),
        Erased::Done,
        "a repetition"
    );
    ask_again(&world).await;
    assert_eq!(the_one(&world).state, EnrollmentState::Active);
    world.check_seats().unwrap();
}

#[tokio::test]
async fn paid_enrollment_stays_without_anything_that_says_who_it_was() {
    let world = world(4900, Some(1));
    ask(&world).await;
    let first = the_one(&world);
    assert_eq!(fate(&first), Ok(Fate::Pseudonymised));
    assert_eq!(forget(&world).await, Erased::Done);
    world.check_seats().unwrap();
    let kept = the_one(&world);
    assert!(kept.is_forgotten() && !first.is_forgotten());
    assert_eq!((kept.state, kept.intent()), (EnrollmentState::Unenrolled, first.intent()));
    assert_eq!(kept.payment.as_ref().unwrap().price, first.payment.unwrap().price);
    let text = serde_json::to_string(&kept).unwrap();
    for trace in ["s-1", "ada", "Ada", "Lovelace", "pm_1", "\"de\"", "asked"] {
        assert!(!text.contains(trace), "{trace} in {text}");
    }
    let whats: Vec<_> = kept.history.iter().map(|entry| &entry.what).collect();
    assert_eq!(whats, [&What::Unenrolled, &What::Forgotten]);
    assert!(text.contains("user/grace"));

    ask_again(&world).await;
    assert_eq!(world.enrollments().len(), 2, "the student enrolls anew");
}

#[tokio::test]
async fn enrollment_with_a_charge_of_an_earlier_attempt_stays() {
    let world = world(4900, None);
    ask(&world).await;
    let paid = the_one(&world);
    let charges: Vec<_> = paid.intent().cloned().into_iter().collect();
    let failed = Enrollment { state: EnrollmentState::PaymentFailed, ..paid };
    assert_eq!(fate(&failed), Ok(Fate::Deleted));
    let refunded = Enrollment { refunded_intents: charges.clone(), ..failed.clone() };
    let kept = Enrollment { kept_intents: charges, ..failed };
    assert_eq!([fate(&refunded), fate(&kept)], [Ok(Fate::Pseudonymised); 2]);
}

#[test]
fn fate_is_described() {
    assert_eq!(Fate::Deleted.to_string(), "deleted");
    assert!(Fate::Pseudonymised.to_string().contains("because there is a payment"));
}

#[tokio::test]
async fn nothing_is_erased_while_something_is_in_progress() {
    let free = world(0, None);
    ask(&free).await;
    let done = the_one(&free);
    let state = |state| Enrollment { state, ..done.clone() };
    for (found, why) in [
        (state(EnrollmentState::PaymentPending), NotYet::PaymentInProgress),
        (state(EnrollmentState::Refunding), NotYet::RefundInProgress),
        (state(EnrollmentState::Stuck), NotYet::Stuck),
        (Enrollment { resume_at: Some(START), ..done.clone() }, NotYet::Unfinished),
    ] {
        assert_eq!(fate(&found), Err(why));
        assert!(erase(&free, &found, &signature()).await.is_err());
    }
    assert_eq!(free.enrollments(), [done]);
}

#[tokio::test]
async fn request_in_the_meantime_wins() {
    for price in [0, 4900] {
        let world = world(price, None);
        ask(&world).await;
        let ended = end_access(&world, the_one(&world), &signature()).await.unwrap();
        ask_again(&world).await;
        assert_eq!(erase(&world, &ended, &signature()).await.unwrap(), Erased::Conflict);
        assert_eq!(the_one(&world).state, EnrollmentState::Active);
    }
}

#[tokio::test]
async fn late_dispute_is_recorded_under_the_pseudonym() {
    let world = world(4900, None);
    ask(&world).await;
    let first = the_one(&world);
    forget(&world).await;
    ask_again(&world).await;
    let found = find_forgotten(&world, &first.course_id, &first.id.to_string()).await.unwrap();
    let found = found.unwrap();
    assert_eq!(found.id, first.id);
    let of = PaymentOf { intent: first.intent().unwrap(), attempt: 1 };
    let lost = Outside::Disputed { dispute: "du_1".parse().unwrap(), stage: DisputeStage::Lost };
    let access = AccessAfterRefund::Revoke;
    let recorded = record_outside(&world, found, of, &lost, access, START).await.unwrap();
    assert_eq!(recorded.history.last().unwrap().what, What::DisputeLost);
    for other in ["", "x", "01a21304-1630-7215-83f8-bf1567ec447e"] {
        assert_eq!(find_forgotten(&world, &first.course_id, other).await.unwrap(), None, "{other}");
    }
}

#[tokio::test]
async fn forgotten_student_may_be_paid_back_and_gets_no_email_and_no_access() {
    let world = world(4900, None);
    ask(&world).await;
    forget(&world).await;
    let kept = the_one(&world);
    let place = Place { student_id: kept.student.id.clone(), course_id: kept.course_id.clone() };
    let details = Details { name: Some("Ada".parse().unwrap()), email: None };
    let granted = operator::grant(&world, &world, &place, details.clone(), &signature()).await;
    assert!(matches!(granted, Err(OperateError::Refused(Refusal::Forgotten))), "{granted:?}");
    for action in [Action::Correct(details), Action::Resend] {
        let refused = operator::operate(&world, &place, &action, &signature()).await;
        assert!(matches!(refused, Err(OperateError::Refused(Refusal::Forgotten))), "{action:?}");
    }
    let emails = world.jobs().len();
    let refund = Action::Unenroll { attempt: Some(1), refund: RefundChoice::Full };
    operator::operate(&world, &place, &refund, &signature()).await.unwrap();
    resume(&world.ports(), the_one(&world), START).await.unwrap();
    assert_eq!(the_one(&world).state, EnrollmentState::Refunded);
    assert_eq!(world.jobs().len(), emails);
}

#[test]
fn no_student_may_have_the_id_of_a_forgotten_one() {
    let errors = request("forgotten-01a21304-1630-7215-83f8-bf1567ec447e", "pm_1").unwrap_err();
    assert_eq!(errors["student_id"], "is reserved");
    assert!(request("forgotten-sheep", "pm_1").is_ok());
}

/// Every call may fail before or after its effect; whoever is interrupted begins again.
#[tokio::test]
async fn crash_at_any_call_is_repaired_by_a_repetition() {
    for seed in 0..300 {
        let price = if seed % 2 == 0 { 0 } else { 4900 };
        let world = world(price, Some(1));
        ask(&world).await;
        world.unreliable(Some(Dice(seed)));
        let mut is_done = false;
        for _ in 0..200 {
            let left = world.enrollments().into_iter().find(|found| !found.is_forgotten());
            let Some(found) = left else {
                is_done = true;
                break;
            };
            // It is read before each try, as the command reads it.
            let Ok(ended) = end_access(&world, found, &signature()).await else { continue };
            let _ = erase(&world, &ended, &signature()).await;
        }
        assert!(is_done, "seed {seed}");
        world.unreliable(None);
        world.check_seats().unwrap();
        let kept = world.enrollments();
        assert_eq!(kept.len(), usize::from(price > 0), "seed {seed}");
        for found in kept {
            let whats: Vec<_> = found.history.iter().map(|entry| &entry.what).collect();
            assert_eq!(whats, [&What::Unenrolled, &What::Forgotten], "seed {seed}");
        }
        ask_again(&world).await;
    }
}
