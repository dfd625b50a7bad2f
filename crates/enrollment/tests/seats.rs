//! Seats: never one too many, and none is lost.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Waker},
    time::Duration,
};

use enrollment::{
    Course, Deadline, EnrollError, EnrollRequest, Enrolled, enroll,
    enrollment::EnrollmentState,
    operator::{Action, Details, OperateError, Place, RefundChoice, Signature, grant, operate},
    resume,
    seats::SeatCount,
    testing::{Bank, Dice, Missing, World},
};
use serde_json::json;
use time::OffsetDateTime;

const START: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;
const SEEDS: u64 = 3_000;

fn course(price: u32, seats: Option<u32>) -> Course {
    serde_json::from_value(json!({
        "course_id": "rust-101", "title": "Rust 101", "price": price, "currency": "USD", "state": "open",
        "seats": seats,
    }))
    .unwrap()
}

fn request(student: usize, card: usize) -> EnrollRequest {
    let body = json!({
        "student_id": format!("s-{student}"), "course_id": "rust-101",
        "email": format!("s{student}@example.com"), "name": "Ada",
        "payment_method": format!("pm_{student}_{card}"),
    });
    EnrollRequest::from_fields(body.as_object().unwrap()).unwrap()
}

async fn ask(world: &World, student: usize, card: usize) -> Result<Enrolled, EnrollError> {
    let left = || Duration::from_secs(29);
    let ports = world.ports();
    Box::pin(enroll(&ports, request(student, card), START, Deadline::new(&left))).await
}

fn count(world: &World) -> SeatCount {
    world.seats_of(&course(0, None).id).unwrap()
}

fn state(world: &World, student: usize) -> EnrollmentState {
    let id = format!("s-{student}");
    world.enrollments().into_iter().find(|found| found.student.id.as_str() == id).unwrap().state
}

fn signature() -> Signature {
    let by = "arn:aws:iam::1:user/grace".parse().unwrap();
    Signature { by, reason: "asked".parse().unwrap(), at: START }
}

fn place(student: usize) -> Place {
    let student_id = format!("s-{student}").parse().unwrap();
    Place { student_id, course_id: course(0, None).id }
}

async fn unenroll(world: &World, student: usize, attempt: Option<u32>) {
    let action = Action::Unenroll { attempt, refund: RefundChoice::Full };
    operate(world, &place(student), &action, &signature()).await.unwrap();
}

#[tokio::test]
async fn full_course_is_refused_without_a_charge_until_somebody_leaves() {
    for price in [0, 4900] {
        let world = World::new([course(price, Some(1))], Bank::Accepts);
        assert!(ask(&world, 1, 1).await.is_ok());
        let refused = ask(&world, 2, 1).await;
        assert!(matches!(refused, Err(EnrollError::Full)), "{refused:?}");
        assert_eq!(world.enrollments().len(), 1, "nothing is written");
        assert_eq!(world.charges(), usize::from(price > 0), "and nothing charged");
        assert!(
            matches!(ask(&world, 1, 1).await, Ok(Enrolled::Already(_))),
            "who has a seat stays"
        );
        unenroll(&world, 1, (price > 0).then_some(1)).await;
        assert_eq!(count(&world).taken, 0);
        assert!(ask(&world, 2, 1).await.is_ok());
        assert!(matches!(ask(&world, 1, 2).await, Err(EnrollError::Full | EnrollError::Refunding)));
        world.check_seats().unwrap();
    }
}

#[tokio::test]
async fn failed_payment_releases_its_seat_and_another_attempt_needs_one() {
    let world = World::new([course(4900, Some(1))], Bank::Declines);
    assert!(matches!(ask(&world, 1, 1).await, Err(EnrollError::Declined(_))));
    assert_eq!(count(&world).taken, 0);
    world.set_bank(Bank::Accepts);
    assert!(ask(&world, 2, 1).await.is_ok());
    let charges = world.charges();
    assert!(matches!(ask(&world, 1, 2).await, Err(EnrollError::Full)));
    assert_eq!((state(&world, 1), world.charges()), (EnrollmentState::PaymentFailed, charges));
}

#[tokio::test]
async fn another_card_keeps_the_seat_of_the_attempt_that_it_replaces() {
    let world = World::new([course(4900, Some(1))], Bank::AsksTheStudent);
    assert!(matches!(ask(&world, 1, 1).await, Err(EnrollError::ActionRequired { .. })));
    assert_eq!(count(&world).taken, 1);
    assert!(matches!(ask(&world, 2, 1).await, Err(EnrollError::Full)));
    world.set_bank(Bank::Accepts);
    assert!(ask(&world, 1, 2).await.is_ok(), "though the course is full");
    assert_eq!(count(&world).taken, 1);
}

#[tokio::test]
async fn fewer_seats_than_are_taken_end_no_access_and_give_no_other() {
    let world = World::new([course(0, Some(3))], Bank::Accepts);
    for student in 1..=3 {
        assert!(ask(&world, student, 1).await.is_ok());
    }
    world.offer(course(0, Some(1)));
    for student in 1..=2 {
        assert!(matches!(ask(&world, 4, 1).await, Err(EnrollError::Full)));
        unenroll(&world, student, None).await;
    }
    assert!(matches!(ask(&world, 4, 1).await, Err(EnrollError::Full)), "one is taken");
    unenroll(&world, 3, None).await;
    assert!(ask(&world, 4, 1).await.is_ok());
    world.check_seats().unwrap();
}

#[tokio::test]
async fn enrollment_from_before_the_seats_holds_none_and_one_after_them_neither() {
    let world = World::new([course(0, None)], Bank::Accepts);
    assert!(ask(&world, 1, 1).await.is_ok());
    world.offer(course(0, Some(1)));
    assert!(ask(&world, 2, 1).await.is_ok());
    assert_eq!(count(&world).taken, 1);
    unenroll(&world, 1, None).await;
    assert_eq!(count(&world).taken, 1, "it held none");
    world.offer(course(0, None));
    assert!(ask(&world, 3, 1).await.is_ok());
    unenroll(&world, 2, None).await;
    assert_eq!(count(&world).taken, 0);
    world.check_seats().unwrap();
}

#[tokio::test]
async fn refund_that_keeps_the_access_keeps_the_seat() {
    let world = World::new([course(4900, Some(1))], Bank::Accepts);
    assert!(ask(&world, 1, 1).await.is_ok());
    let refund = Action::Refund { attempt: Some(1) };
    operate(&world, &place(1), &refund, &signature()).await.unwrap();
    assert_eq!(count(&world).taken, 1);
    let found = world.enrollments().pop().unwrap();
    resume(&world.ports(), found, START).await.unwrap();
    assert_eq!((state(&world, 1), count(&world).taken), (EnrollmentState::Active, 1));
}

#[tokio::test]
async fn operators_grant_takes_a_seat_and_is_refused_if_none_is_free() {
    let mut early = course(4900, Some(1));
    early.opens_at = Some("9999-01-01T00:00:00Z".parse().unwrap());
    let world = World::new([early], Bank::Accepts);
    let grant_to = async |student| {
        let email = Some("ada@example.com".parse().unwrap());
        let details = Details { name: Some("Ada".parse().unwrap()), email };
        grant(&world, &world, &place(student), details, &signature()).await
    };
    assert!(grant_to(1).await.is_ok(), "whenever it opens");
    assert_eq!(count(&world).taken, 1);
    assert!(matches!(grant_to(2).await, Err(OperateError::Full)));
    world.check_seats().unwrap();
}

#[tokio::test]
async fn full_course_is_refused_by_a_read() {
    let world = World::new([course(0, Some(1))], Bank::Accepts);
    assert!(ask(&world, 1, 1).await.is_ok());
    // A write would not be refused.
    world.remove(Missing::FreeSeat);
    assert!(matches!(ask(&world, 2, 1).await, Err(EnrollError::Full)));
}

type Task<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

fn task<'a>(world: &'a World, dice: &mut Dice) -> Task<'a> {
    let student = usize::try_from(dice.roll(4)).unwrap();
    let card = usize::try_from(dice.roll(3)).unwrap();
    match dice.roll(6) {
        0 => Box::pin(async move {
            let action = Action::Unenroll { attempt: Some(1), refund: RefundChoice::Full };
            let _ = operate(world, &place(student), &action, &signature()).await;
        }),
        1 => Box::pin(async move {
            for found in world.overdue(START + Duration::from_hours(2)) {
                let _ = resume(&world.ports(), found, START + Duration::from_hours(2)).await;
            }
        }),
        _ => Box::pin(async move {
            let _ = ask(world, student, card).await;
        }),
    }
}

/// Four students want two seats: requests, operators and the resumer at once, in any order, with calls that fail
/// before or after their effect and tasks that are killed. After every step no seat is oversold or lost.
#[test]
fn any_interleaving_of_students_keeps_the_count_exact() {
    let mut peak = 0;
    for seed in 0..SEEDS {
        let mut dice = Dice(seed);
        let price = if dice.roll(2) == 0 { 0 } else { 4900 };
        let banks = [Bank::Accepts, Bank::DeclinesOnce, Bank::AsksTheStudent, Bank::Processes];
        let bank = banks[usize::try_from(dice.roll(4)).unwrap()];
        let world = World::new([course(price, Some(2))], bank);
        if dice.roll(2) == 0 {
            world.unreliable(Some(Dice(seed ^ 0xA5A5)));
        }
        let mut tasks: Vec<Task<'_>> = (0..5).map(|_| task(&world, &mut dice)).collect();
        for _ in 0..150 {
            if tasks.len() < 4 {
                tasks.push(task(&world, &mut dice));
            }
            let chosen = usize::try_from(dice.roll(tasks.len() as u64)).unwrap();
            let is_killed = dice.roll(50) == 0;
            let mut context = Context::from_waker(Waker::noop());
            if is_killed || tasks[chosen].as_mut().poll(&mut context).is_ready() {
                drop(tasks.swap_remove(chosen));
            }
            world.check_seats().unwrap_or_else(|why| panic!("seed {seed}: {why}"));
            let active = world.enrollments().into_iter();
            let active = active.filter(|found| found.state == EnrollmentState::Active).count();
            assert!(active <= 2, "seed {seed}: {active} have access");
            peak = peak.max(active);
        }
    }
    assert_eq!(peak, 2, "no schedule filled the course");
}
