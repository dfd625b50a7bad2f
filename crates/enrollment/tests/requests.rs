//! Requests that meet an obstacle, have little time, or lose responses; and the calls of one that does not.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::time::Duration;

use enrollment::{
    Course, Deadline, EnrollError, EnrollRequest, Enrolled, Ports, enroll,
    enroll::CONFIRM_RESERVE,
    enrollment::EnrollmentState,
    payment::MAX_CONFIRM_DURATION,
    testing::{Bank, World},
};
use serde_json::json;
use time::OffsetDateTime;

const START: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

fn course(price: u32, seats: Option<u32>) -> Course {
    serde_json::from_value(json!({
        "course_id": "rust-101", "title": "Rust 101", "price": price, "currency": "USD", "state": "open",
        "seats": seats,
    }))
    .unwrap()
}

fn request(payment_method: Option<&str>) -> EnrollRequest {
    let body = json!({
        "student_id": "s-1", "course_id": "rust-101", "email": "ada@example.com", "name": "Ada",
        "payment_method": payment_method,
    });
    EnrollRequest::from_fields(body.as_object().unwrap()).unwrap()
}

async fn ask_with(
    world: &World,
    payment_method: Option<&str>,
    left: Duration,
) -> Result<Enrolled, EnrollError> {
    let left = || left;
    enroll(&world.ports(), request(payment_method), START, Deadline::new(&left)).await
}

async fn ask(world: &World, payment_method: Option<&str>) -> Result<Enrolled, EnrollError> {
    ask_with(world, payment_method, Duration::from_secs(29)).await
}

#[tokio::test]
async fn request_without_a_payment_method_neither_continues_a_payment_nor_gets_in_without_one() {
    for bank in [Bank::Declines, Bank::AsksTheStudent] {
        let world = World::new([course(4900, None)], bank);
        assert!(ask(&world, Some("pm_1")).await.is_err());
        let before = world.enrollments();
        let refused = ask(&world, None).await;
        assert!(matches!(refused, Err(EnrollError::NoPaymentMethod)), "{refused:?}");
        assert_eq!(world.enrollments(), before);
    }
}

#[tokio::test]
async fn without_payments_only_free_courses_take_students() {
    let left = || Duration::from_secs(29);
    for price in [0, 4900] {
        let world = World::new([course(price, None)], Bank::Accepts);
        let ports = Ports { payments: None, ..world.ports() };
        let asked = enroll(&ports, request(Some("pm_1")), START, Deadline::new(&left)).await;
        if price == 0 {
            assert!(matches!(asked, Ok(Enrolled::New(_))), "{asked:?}");
        } else {
            assert!(matches!(asked, Err(EnrollError::PaymentsNotConfigured)), "{asked:?}");
            assert!(world.enrollments().is_empty());
        }
    }
}

#[tokio::test]
async fn enrollment_leaves_the_resumers_index_if_there_is_time_for_a_write() {
    let write = CONFIRM_RESERVE.saturating_sub(MAX_CONFIRM_DURATION);
    for (left, finishes) in [(write, true), (write.saturating_sub(Duration::from_millis(1)), false)]
    {
        let world = World::new([course(0, None)], Bank::Accepts);
        assert!(ask_with(&world, None, left).await.is_ok());
        assert_eq!(world.jobs().len(), 1);
        assert_eq!(world.enrollments()[0].resume_at.is_none(), finishes);
    }
}

#[tokio::test]
async fn writes_whose_first_response_is_lost_change_nothing() {
    for (price, seats) in [(0, None), (0, Some(1)), (4900, None), (4900, Some(1))] {
        let world = World::new([course(price, seats)], Bank::Accepts);
        world.lose_first_responses();
        let enrolled = ask(&world, Some("pm_1")).await;
        assert!(matches!(enrolled, Ok(Enrolled::New(_))), "{enrolled:?}");
        assert_eq!(world.enrollments()[0].state, EnrollmentState::Active);
        assert_eq!((world.inserts(), world.jobs().len()), (1, 1));
        assert_eq!(world.charges(), usize::from(price > 0));
        world.check_seats().unwrap();
    }
}

/// A call more is a round trip more for every student.
#[tokio::test]
async fn enrollment_makes_no_call_that_it_does_not_need() {
    for (price, seats, calls) in [
        // The course, the enrollment, the job, the index.
        (0, None, 4),
        // And the count.
        (0, Some(1), 5),
        // And the intent, its id, its confirmation, the grant.
        (4900, None, 8),
    ] {
        let world = World::new([course(price, seats)], Bank::Accepts);
        assert!(ask(&world, Some("pm_1")).await.is_ok());
        // A call has a point before its effect and one after it.
        assert_eq!(world.points(), 2 * calls, "price {price}, seats {seats:?}");
    }
}
