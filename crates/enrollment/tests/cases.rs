//! The rules of payments, case by case: what the student, the operator and the provider see. The numbers
//! of cases are those of the reports from the field.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::time::Duration;

use email::{Job, job::Content};
use enrollment::{
    Course, Deadline, EnrollError, EnrollRequest, Enrolled, Enrollment, Orphan, Settled, enroll,
    enroll::CONFIRM_RESERVE,
    enrollment::{EnrollmentState, StuckReason},
    payment::{
        ABANDONED_AFTER, ACTION_TIMEOUT, Intent, IntentStatus, PaymentError, REFUND_TIMEOUT,
    },
    ports::InsertEnrollment,
    resume,
    resume::Resumed,
    settle_intent,
    testing::{Bank, Dependency, KEY_LIFETIME, Refunds, World},
};
use serde_json::{Value, json};
use time::OffsetDateTime;

const START: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;
const MINUTE: Duration = Duration::from_mins(1);

fn course(price: u32) -> Course {
    serde_json::from_value(json!({
        "course_id": "rust-101", "title": "Rust 101", "price": price, "currency": "USD", "state": "open",
    }))
    .unwrap()
}

fn world(bank: Bank) -> World {
    World::new([course(4900)], bank)
}

fn request_with(change: impl FnOnce(&mut Value)) -> EnrollRequest {
    let mut body = json!({
        "student_id": "s-1", "course_id": "rust-101", "email": "ada@example.com", "name": "Ada",
        "payment_method": "pm_1",
    });
    change(&mut body);
    EnrollRequest::from_fields(body.as_object().unwrap()).unwrap()
}

fn with_card(method: &str) -> EnrollRequest {
    request_with(|body| body["payment_method"] = method.into())
}

async fn ask_at(
    world: &World,
    request: EnrollRequest,
    at: OffsetDateTime,
) -> Result<Enrolled, EnrollError> {
    world.set_time(at);
    let left = || Duration::from_secs(29);
    enroll(&world.ports(), request, at, Deadline::new(&left)).await
}

async fn ask(world: &World, method: &str) -> Result<Enrolled, EnrollError> {
    ask_at(world, with_card(method), START).await
}

fn the_one(world: &World) -> Enrollment {
    let mut all = world.enrollments();
    assert_eq!(all.len(), 1);
    all.remove(0)
}

async fn resume_at(world: &World, at: OffsetDateTime) -> Resumed {
    world.set_time(at);
    resume(&world.ports(), the_one(world), at).await.unwrap()
}

async fn event(world: &World, attempt: u32, intent: &Intent) -> Result<Settled, PaymentError> {
    settle_intent(&world.ports(), &the_one(world), attempt, intent.clone(), START).await
}

#[track_caller]
fn assert_enrolled_with_one_charge(world: &World, enrolled: &Result<Enrolled, EnrollError>) {
    assert!(matches!(enrolled, Ok(Enrolled::New(_))), "{enrolled:?}");
    assert_eq!((world.charges(), world.peak_charges()), (1, 1));
    assert_eq!(the_one(world).state, EnrollmentState::Active);
}

#[track_caller]
fn declined_with(result: Result<Enrolled, EnrollError>) -> String {
    match result {
        Err(EnrollError::Declined(why)) => why.code,
        other => panic!("not declined: {other:?}"),
    }
}

/// C03
#[tokio::test]
async fn refusal_of_us_keeps_the_attempt_and_is_not_a_decline() {
    let world = world(Bank::Accepts);
    world.refuse_us(true);
    let refused = ask(&world, "pm_1").await;
    assert!(matches!(refused, Err(EnrollError::ProviderRefused(_))), "{refused:?}");
    let kept = the_one(&world);
    assert_eq!(kept.state, EnrollmentState::PaymentPending);
    assert_eq!(kept.payment.unwrap().failure, None);

    world.refuse_us(false);
    let soon = ask(&world, "pm_1").await;
    assert!(matches!(soon, Err(EnrollError::PaymentProcessing)), "it may be in progress: {soon:?}");
    let enrolled = ask_at(&world, with_card("pm_1"), START + MINUTE).await;
    assert_enrolled_with_one_charge(&world, &enrolled);
}

/// C03
#[tokio::test]
async fn charge_of_an_attempt_whose_creation_was_refused_gives_access() {
    for failed_meanwhile in [false, true] {
        let world = world(Bank::Accepts);
        world.refuse_us(true);
        let _ = ask(&world, "pm_1").await;
        world.refuse_us(false);
        if failed_meanwhile {
            assert_eq!(resume_at(&world, START + MINUTE).await, Resumed::Finished);
            assert_eq!(the_one(&world).state, EnrollmentState::PaymentFailed);
        }
        let intent = world.charge_outside(1, course(4900).price);
        let settled =
            settle_intent(&world.ports(), &the_one(&world), 1, intent.clone(), START).await;
        assert!(matches!(settled, Ok(Settled::Granted(_))), "{settled:?}");
        assert_eq!(the_one(&world).intent(), Some(&intent.id));
        let again = ask_at(&world, with_card("pm_2"), START + MINUTE).await;
        assert!(matches!(again, Ok(Enrolled::Already(_))), "{again:?}");
        assert_eq!(world.charges(), 1);
    }
}

/// C06
#[tokio::test]
async fn failure_that_the_provider_saved_for_the_key_begins_a_new_attempt() {
    let world = world(Bank::Accepts);
    world.spend_next_key();
    let first = ask(&world, "pm_1").await;
    assert!(matches!(first, Err(EnrollError::Unavailable(_))), "{first:?}");
    assert_eq!(
        the_one(&world).state,
        EnrollmentState::PaymentFailed,
        "the next click need not wait"
    );
    let second = ask(&world, "pm_2").await;
    assert_enrolled_with_one_charge(&world, &second);
}

#[tokio::test]
async fn lost_answer_of_create_does_not_block_the_next_click() {
    let world = world(Bank::Accepts);
    world.take_down(Dependency::Payments);
    assert!(matches!(ask(&world, "pm_1").await, Err(EnrollError::Unavailable(_))));
    world.bring_up(Dependency::Payments);
    let enrolled = ask(&world, "pm_1").await;
    assert_enrolled_with_one_charge(&world, &enrolled);
}

/// The intent was confirmed and the process died before the result arrived.
async fn confirmed_and_lost() -> World {
    let world = world(Bank::Processes);
    let result = ask(&world, "pm_1").await;
    assert!(matches!(result, Err(EnrollError::PaymentProcessing)), "{result:?}");
    world
}

/// C07
#[tokio::test]
async fn payment_is_granted_by_the_resumer_at_any_age() {
    for age in [Duration::from_hours(21), KEY_LIFETIME * 4] {
        let world = confirmed_and_lost().await;
        world.bank_decides(true);
        assert_eq!(resume_at(&world, START + age).await, Resumed::Finished);
        assert_eq!(the_one(&world).state, EnrollmentState::Active);
        assert_eq!((world.charges(), world.jobs().len()), (1, 1));
    }
}

/// C07
#[tokio::test]
async fn payment_is_granted_to_the_student_who_asks_again_at_any_age() {
    for (age, method) in [(Duration::from_hours(21), "pm_1"), (KEY_LIFETIME * 4, "pm_2")] {
        let world = confirmed_and_lost().await;
        world.bank_decides(true);
        let enrolled = ask_at(&world, with_card(method), START + age).await;
        assert_enrolled_with_one_charge(&world, &enrolled);
        assert_eq!(resume_at(&world, START + age + MINUTE).await, Resumed::Finished);
        assert_eq!(world.charges(), 1);
    }
}

/// C17
#[tokio::test]
async fn used_and_unknown_payment_methods_have_codes_of_their_own() {
    let second: Course = serde_json::from_value(json!({
        "course_id": "rust-102", "title": "Rust 102", "price": 4900, "currency": "USD", "state": "open",
    }))
    .unwrap();
    let world = World::new([course(4900), second], Bank::Accepts);
    assert!(ask(&world, "pm_1").await.is_ok());
    let other_course = request_with(|body| body["course_id"] = "rust-102".into());
    let declined = ask_at(&world, other_course.clone(), START).await;
    assert_eq!(declined_with(declined), "payment_method_used");
    let again = EnrollRequest { payment_method: Some("pm_2".parse().unwrap()), ..other_course };
    assert!(ask_at(&world, again, START).await.is_ok());

    let world = self::world(Bank::DoesNotKnowTheCard);
    assert_eq!(declined_with(ask(&world, "pm_1").await), "payment_method_unknown");
    world.set_bank(Bank::Accepts);
    assert!(ask(&world, "pm_1").await.is_ok());
}

/// C19
#[tokio::test]
async fn other_card_supersedes_a_payment_that_waits_for_the_student() {
    let world = world(Bank::AsksTheStudent);
    let asked = ask(&world, "pm_1").await;
    let Err(EnrollError::ActionRequired { client_secret }) = asked else { panic!("{asked:?}") };
    let first = the_one(&world).intent().cloned().unwrap();

    let again = ask(&world, "pm_1").await;
    let Err(EnrollError::ActionRequired { client_secret: same }) = again else {
        panic!("{again:?}")
    };
    assert_eq!(client_secret, same, "the same card shows the same window again");

    world.set_bank(Bank::Accepts);
    let enrolled = ask(&world, "pm_2").await;
    assert_enrolled_with_one_charge(&world, &enrolled);
    assert_eq!(world.intent_status(&first), IntentStatus::Cancelled);
    world.student_acts();
    assert_eq!(world.charges(), 1, "the first window can no longer pay");
}

#[tokio::test]
async fn other_card_after_the_first_was_paid_in_the_meantime_charges_nothing() {
    let world = world(Bank::AsksTheStudent);
    let _ = ask(&world, "pm_1").await;
    world.student_acts();
    let enrolled = ask(&world, "pm_2").await;
    assert_enrolled_with_one_charge(&world, &enrolled);
}

/// C20
#[tokio::test]
async fn corrected_name_or_address_is_taken_where_nothing_was_granted() {
    for (field, value) in [("name", "Ada Lovelace"), ("email", "lovelace@example.com")] {
        let world = world(Bank::Declines);
        assert_eq!(declined_with(ask(&world, "pm_1").await), "insufficient_funds");
        world.set_bank(Bank::Accepts);
        let corrected = request_with(|body| {
            body[field] = value.into();
            body["payment_method"] = "pm_2".into();
        });
        let enrolled = ask_at(&world, corrected.clone(), START).await;
        assert_enrolled_with_one_charge(&world, &enrolled);
        let student = the_one(&world).student;
        assert_eq!(student, corrected.student);
        assert_eq!(world.jobs()[0].to, student.email);

        let other = request_with(|body| body[field] = "other@example.com".into());
        let differs = ask_at(&world, other, START).await;
        assert!(matches!(differs, Err(EnrollError::Differs(fields)) if fields.contains_key(field)));
    }
}

#[tokio::test]
async fn corrected_name_is_taken_while_the_payment_waits_for_the_student() {
    let world = world(Bank::AsksTheStudent);
    let _ = ask(&world, "pm_1").await;
    let corrected = request_with(|body| body["name"] = "Ada Lovelace".into());
    let asked = ask_at(&world, corrected, START).await;
    assert!(matches!(asked, Err(EnrollError::ActionRequired { .. })), "{asked:?}");
    world.student_acts();
    assert_eq!(resume_at(&world, START + MINUTE).await, Resumed::Finished);
    assert_eq!(the_one(&world).student.name.as_str(), "Ada Lovelace");
}

#[tokio::test]
async fn price_that_was_agreed_is_compared_with_the_course() {
    let agreed = |price: u32, currency: &str| {
        request_with(|body| {
            body["price"] = price.into();
            body["currency"] = currency.into();
        })
    };
    for (request, field) in [(agreed(3900, "USD"), "price"), (agreed(4900, "EUR"), "currency")] {
        let world = world(Bank::Accepts);
        let differs = ask_at(&world, request, START).await;
        let Err(EnrollError::Differs(fields)) = differs else { panic!("{differs:?}") };
        assert_eq!(fields.keys().collect::<Vec<_>>(), [field]);
        assert!(world.enrollments().is_empty());
    }
    let world = world(Bank::Accepts);
    let enrolled = ask_at(&world, agreed(4900, "USD"), START).await;
    assert_enrolled_with_one_charge(&world, &enrolled);
    world.offer(course(5900));
    let again = ask_at(&world, agreed(4900, "USD"), START).await;
    assert!(matches!(again, Ok(Enrolled::Already(_))), "enrolled is enrolled: {again:?}");
}

#[tokio::test]
async fn price_alone_is_not_an_agreed_price() {
    let body = json!({
        "student_id": "s-1", "course_id": "c", "email": "ada@example.com", "name": "Ada", "price": 1,
    });
    let errors = EnrollRequest::from_fields(body.as_object().unwrap()).unwrap_err();
    assert_eq!(errors.keys().collect::<Vec<_>>(), ["currency"]);
}

#[tokio::test]
async fn payment_in_progress_keeps_the_price_that_was_agreed() {
    let agreed = request_with(|body| {
        body["price"] = 4900.into();
        body["currency"] = "USD".into();
    });
    let world = world(Bank::AsksTheStudent);
    let _ = ask_at(&world, agreed.clone(), START).await;
    world.offer(course(5900));
    world.student_acts();
    let enrolled = ask_at(&world, agreed.clone(), START).await;
    assert_enrolled_with_one_charge(&world, &enrolled);

    let world = self::world(Bank::Declines);
    let _ = ask_at(&world, agreed.clone(), START).await;
    world.offer(course(5900));
    let differs = ask_at(&world, agreed, START).await;
    assert!(matches!(differs, Err(EnrollError::Differs(_))), "a new attempt does not: {differs:?}");
}

#[tokio::test]
async fn nothing_is_confirmed_that_could_not_be_written_down_in_time() {
    let world = world(Bank::Accepts);
    let left = || CONFIRM_RESERVE.saturating_sub(Duration::from_millis(1));
    let result = enroll(&world.ports(), with_card("pm_1"), START, Deadline::new(&left)).await;
    assert!(matches!(result, Err(EnrollError::Unavailable(_))), "{result:?}");
    assert_eq!(world.charges(), 0);
    let left = || CONFIRM_RESERVE;
    let enrolled = enroll(&world.ports(), with_card("pm_1"), START, Deadline::new(&left)).await;
    assert_enrolled_with_one_charge(&world, &enrolled);
}

#[tokio::test]
async fn intent_that_is_not_the_agreed_one_is_never_granted() {
    type Change = fn(&World);
    let changes: [(Change, StuckReason); 3] = [
        (|world| world.set_money(course(100).price), StuckReason::AmountDiffers),
        (
            |world| {
                let mut money = course(4900).price;
                money.currency = "JPY".parse().unwrap();
                world.set_money(money);
            },
            StuckReason::CurrencyDiffers,
        ),
        (|world| world.set_livemode(false), StuckReason::LivemodeDiffers),
    ];
    for (change, reason) in changes {
        let world = confirmed_and_lost().await;
        world.bank_decides(true);
        change(&world);
        let at = START + MINUTE;
        assert_eq!(resume_at(&world, at).await, Resumed::Stuck(reason));
        let stuck = the_one(&world);
        assert_eq!((stuck.state, stuck.stuck_reason), (EnrollmentState::Stuck, Some(reason)));
        assert!(world.jobs().is_empty());
        let asked = ask_at(&world, with_card("pm_2"), at).await;
        assert!(matches!(asked, Err(EnrollError::Stuck(why)) if why == reason), "{asked:?}");
        // The report is repeated until an operator has acted.
        let again = stuck.resume_at.unwrap();
        assert_eq!(resume_at(&world, again).await, Resumed::Stuck(reason));
        assert!(the_one(&world).resume_at.unwrap() > again);
        assert_eq!(the_one(&world).state, EnrollmentState::Stuck);
    }
}

#[tokio::test]
async fn charge_of_an_attempt_that_is_over_is_paid_back_and_reported() {
    let world = world(Bank::Declines);
    let _ = ask(&world, "pm_1").await;
    let failed = the_one(&world).intent().cloned().unwrap();
    world.set_bank(Bank::Accepts);
    assert!(ask(&world, "pm_2").await.is_ok());
    for attempt in [1, 2] {
        let orphan = world.charge_outside(attempt, course(4900).price);
        let event = || event(&world, attempt, &orphan);
        world.take_down(Dependency::Payments);
        assert!(matches!(event().await, Err(PaymentError::Unavailable(_))), "Stripe repeats it");
        world.bring_up(Dependency::Payments);
        let intent = orphan.id.clone();
        let reported = Settled::Orphaned(Orphan { intent, refund_requested: true });
        assert_eq!(event().await.unwrap(), reported);
        assert!(world.is_refunded(&orphan.id));
        event().await.unwrap();
        assert_eq!(world.refunds_per_intent(), 1, "a repeated event pays back nothing");
    }
    assert_ne!(the_one(&world).intent(), Some(&failed));
    assert_eq!(the_one(&world).state, EnrollmentState::Active);
    assert_eq!(world.charges(), 1);
}

#[tokio::test]
async fn charge_of_an_attempt_that_is_over_is_reported_as_kept_if_each_refund_fails() {
    let world = world(Bank::Accepts);
    assert!(ask(&world, "pm_1").await.is_ok());
    world.set_refunds(Refunds::Fail);
    let orphan = world.charge_outside(1, course(4900).price);
    let intent = orphan.id.clone();
    let reported = Settled::Orphaned(Orphan { intent, refund_requested: false });
    assert_eq!(event(&world, 1, &orphan).await.unwrap(), reported);
    assert!(!world.is_refunded(&orphan.id));
}

#[tokio::test]
async fn repeated_event_of_a_granted_or_refunded_charge_is_not_news() {
    let world = paid_without_course(Refunds::SucceedAtOnce).await;
    let (attempt, intent) = world.events().remove(0);
    let event = || event(&world, attempt, &intent);
    assert_eq!(event().await.unwrap(), Settled::NotYet, "pending, no course");
    resume_at(&world, START + MINUTE).await;
    assert_eq!(the_one(&world).state, EnrollmentState::Refunded);
    assert_eq!(event().await.unwrap(), Settled::NotYet, "refunded");
    world.offer(course(4900));
    world.set_bank(Bank::Accepts);
    assert!(ask(&world, "pm_2").await.is_ok());
    assert_eq!(event().await.unwrap(), Settled::NotYet, "refunded before");
    let (attempt, intent) = world.events().remove(1);
    let settled = settle_intent(&world.ports(), &the_one(&world), attempt, intent, START).await;
    assert_eq!(settled.unwrap(), Settled::NotYet, "granted");
}

async fn paid_without_course(refunds: Refunds) -> World {
    let world = confirmed_and_lost().await;
    world.bank_decides(true);
    world.set_refunds(refunds);
    world.delete_courses();
    world
}

#[tokio::test]
async fn refunded_is_written_only_after_a_refund_that_succeeded() {
    for (refunds, attempts) in [(Refunds::SucceedLater, 1), (Refunds::FailOnce, 2)] {
        let world = paid_without_course(refunds).await;
        let mut at = START + MINUTE;
        assert_eq!(resume_at(&world, at).await, Resumed::Later);
        assert_eq!(the_one(&world).state, EnrollmentState::Refunding);
        let asked = ask_at(&world, with_card("pm_2"), at).await;
        assert!(matches!(asked, Err(EnrollError::NoSuchCourse(_))), "{asked:?}");
        world.offer(course(4900));
        let asked = ask_at(&world, with_card("pm_2"), at).await;
        assert!(matches!(asked, Err(EnrollError::Refunding)), "{asked:?}");
        while the_one(&world).state == EnrollmentState::Refunding {
            assert!(world.jobs().is_empty());
            let again = the_one(&world).resume_at.unwrap();
            assert!(again > at, "the provider has some time");
            at = again;
            resume_at(&world, at).await;
        }
        let refunded = the_one(&world);
        assert_eq!(refunded.state, EnrollmentState::Refunded);
        assert!(world.is_refunded(refunded.intent().unwrap()));
        assert_eq!(refunded.payment.as_ref().unwrap().refund.as_ref().unwrap().attempt, attempts);
        assert_eq!(world.jobs()[0].id, refunded.refund_job_id());

        world.set_bank(Bank::Accepts);
        let enrolled = ask_at(&world, with_card("pm_2"), at).await;
        assert_enrolled_with_one_charge(&world, &enrolled);
    }
}

#[tokio::test]
async fn refund_that_does_not_settle_is_late_after_an_hour_and_never_given_up() {
    let world = paid_without_course(Refunds::Hang).await;
    let at = START + MINUTE;
    resume_at(&world, at).await;
    assert!(!the_one(&world).refund_is_late(at + REFUND_TIMEOUT));
    assert!(the_one(&world).refund_is_late(at + REFUND_TIMEOUT + Duration::from_secs(1)));
    let much_later = at + KEY_LIFETIME * 30;
    assert_eq!(resume_at(&world, much_later).await, Resumed::Later);
    assert!(the_one(&world).resume_at.is_some());
}

#[tokio::test]
async fn resumer_keeps_what_the_provider_refuses() {
    let world = confirmed_and_lost().await;
    world.refuse_us(true);
    let at = START + MINUTE;
    assert!(matches!(resume_at(&world, at).await, Resumed::Refused(_)));
    let kept = the_one(&world);
    assert_eq!(kept.state, EnrollmentState::PaymentPending);
    assert!(kept.resume_at.unwrap() > at, "it does not stand in the way of the others");
    world.refuse_us(false);
    world.bank_decides(true);
    assert_eq!(resume_at(&world, kept.resume_at.unwrap()).await, Resumed::Finished);
    assert_eq!(the_one(&world).state, EnrollmentState::Active);
}

/// The payment is in progress a second before this age, and over from it on.
async fn assert_over_from(world: &World, age: Duration) {
    let just_before = START + age - Duration::from_secs(1);
    assert_eq!(resume_at(world, just_before).await, Resumed::Later);
    let pending = the_one(world);
    assert_eq!(pending.state, EnrollmentState::PaymentPending);
    assert!(pending.resume_at.unwrap() > just_before);
    assert_eq!(resume_at(world, START + age).await, Resumed::Finished);
    let failed = the_one(world);
    assert_eq!((failed.state, failed.resume_at), (EnrollmentState::PaymentFailed, None));
    if let Some(intent) = failed.intent() {
        assert_eq!(world.intent_status(intent), IntentStatus::Cancelled);
    }
}

#[tokio::test]
async fn payment_that_nobody_goes_on_with_ends_at_its_age() {
    let without_intent = world(Bank::Accepts);
    without_intent.refuse_us(true);
    assert!(ask(&without_intent, "pm_1").await.is_err());
    without_intent.refuse_us(false);
    assert_eq!(the_one(&without_intent).intent(), None);
    assert_over_from(&without_intent, ABANDONED_AFTER).await;

    let unconfirmed = world(Bank::Accepts);
    let left = || Duration::ZERO;
    let asked = enroll(&unconfirmed.ports(), with_card("pm_1"), START, Deadline::new(&left)).await;
    assert!(asked.is_err());
    let intent = the_one(&unconfirmed).intent().cloned().unwrap();
    assert_eq!(unconfirmed.intent_status(&intent), IntentStatus::AwaitingConfirmation);
    assert_over_from(&unconfirmed, ABANDONED_AFTER).await;

    let waiting = world(Bank::AsksTheStudent);
    assert!(ask(&waiting, "pm_1").await.is_err());
    assert_over_from(&waiting, ACTION_TIMEOUT + Duration::from_secs(1)).await;
}

#[tokio::test]
async fn payment_that_was_pending_without_a_payment_is_stuck() {
    let world = world(Bank::Accepts);
    let mut broken = Enrollment::new(with_card("pm_1").student, &course(4900), None, START);
    broken.state = EnrollmentState::PaymentPending;
    let ports = world.ports();
    ports.enrollments.insert_enrollment(&broken).await.unwrap();
    let resumed = resume_at(&world, START + MINUTE).await;
    assert_eq!(resumed, Resumed::Stuck(StuckReason::PaymentMissing));
}

fn locale_of(job: &Job) -> Option<String> {
    let Content::Template { locale, .. } = &job.content else { unreachable!("it has a template") };
    locale.as_ref().map(ToString::to_string)
}

#[tokio::test]
async fn emails_are_in_the_students_language_and_a_retry_without_one_keeps_it() {
    let world = world(Bank::Declines);
    let in_german = request_with(|body| body["locale"] = "de_at".into());
    assert!(ask_at(&world, in_german, START).await.is_err());
    world.set_bank(Bank::Accepts);
    let Ok(Enrolled::New(enrolled)) = ask(&world, "pm_2").await else { panic!() };
    assert_eq!(locale_of(&enrolled.confirmation()).as_deref(), Some("de-AT"));
    assert_eq!(locale_of(&enrolled.refund_notice()).as_deref(), Some("de-AT"));
    // Another language is not another enrollment.
    let in_spanish = request_with(|body| body["locale"] = "es".into());
    let Ok(Enrolled::Already(same)) = ask_at(&world, in_spanish, START).await else { panic!() };
    assert_eq!((same.id, same.locale), (enrolled.id, enrolled.locale));
}

fn course_from_to(opens: i64, closes: i64) -> Course {
    let at = |seconds| {
        let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap();
        at.format(&time::format_description::well_known::Rfc3339).unwrap()
    };
    let mut stored = serde_json::to_value(course(4900)).unwrap();
    stored["opens_at"] = at(opens).into();
    stored["closes_at"] = at(closes).into();
    serde_json::from_value(stored).unwrap()
}

fn at(seconds: u64) -> OffsetDateTime {
    START + Duration::from_secs(seconds)
}

#[tokio::test]
async fn request_before_the_opening_or_from_the_closing_on_is_refused_with_the_time() {
    let world = World::new([course_from_to(10, 20)], Bank::Accepts);
    for (second, why) in [
        (9, "this course opens at 1970-01-01T00:00:10Z"),
        (20, "this course closed at 1970-01-01T00:00:20Z"),
    ] {
        let refused = ask_at(&world, with_card("pm_1"), at(second)).await.unwrap_err();
        assert!(matches!(refused, EnrollError::NotOpen(_)), "{refused:?}");
        assert_eq!(refused.to_string(), why);
        assert!(world.enrollments().is_empty());
    }
    let enrolled = ask_at(&world, with_card("pm_1"), at(19)).await;
    assert_enrolled_with_one_charge(&world, &enrolled);
    let again = ask_at(&world, with_card("pm_1"), at(99)).await;
    assert!(matches!(again, Ok(Enrolled::Already(_))), "{again:?}");
}

#[tokio::test]
async fn payment_in_progress_goes_on_after_the_closing_and_no_other_one_begins() {
    let world = World::new([course_from_to(0, 20)], Bank::AsksTheStudent);
    let asked = ask_at(&world, with_card("pm_1"), at(19)).await;
    assert!(matches!(asked, Err(EnrollError::ActionRequired { .. })), "{asked:?}");
    let other_card = ask_at(&world, with_card("pm_2"), at(21)).await;
    assert!(matches!(other_card, Err(EnrollError::NotOpen(_))), "{other_card:?}");
    let asked = ask_at(&world, with_card("pm_1"), at(22)).await;
    assert!(matches!(asked, Err(EnrollError::ActionRequired { .. })), "{asked:?}");
    world.student_acts();
    let enrolled = ask_at(&world, with_card("pm_1"), at(23)).await;
    assert_enrolled_with_one_charge(&world, &enrolled);
}

#[tokio::test]
async fn failed_payment_is_not_retried_after_the_closing() {
    let world = World::new([course_from_to(0, 20)], Bank::Declines);
    declined_with(ask_at(&world, with_card("pm_1"), at(19)).await);
    let again = ask_at(&world, with_card("pm_2"), at(20)).await;
    assert!(matches!(again, Err(EnrollError::NotOpen(_))), "{again:?}");
    assert_eq!(the_one(&world).attempt(), Some(1));
}
