use serde_json::{Value, json};
use time::OffsetDateTime;

use super::*;
use crate::{
    course::Course,
    operator::RefundChoice,
    testing::{Bank, World},
};

fn course(id: &str, price: u32, more: Value) -> Course {
    let mut course = json!({
        "course_id": id, "title": "T", "price": price, "currency": "USD", "state": "open",
    });
    course.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(course).unwrap()
}

fn world() -> World {
    let courses = [
        course("free", 0, json!({})),
        course("priced", 4900, json!({})),
        course("closed", 0, json!({"state": "closed"})),
        course("later", 0, json!({"opens_at": "1970-01-02T00:00:00Z"})),
        course("one-seat", 0, json!({"seats": 1})),
    ];
    World::new(courses, Bank::Accepts)
}

fn run(apply: bool) -> Run {
    Run {
        by: "arn:aws:iam::1:user/ada".parse().unwrap(),
        since: OffsetDateTime::UNIX_EPOCH,
        now: OffsetDateTime::UNIX_EPOCH,
        apply,
    }
}

fn line(student: &str, course: &str, reason: Option<&str>) -> Enrolling {
    let mut fields = json!({
        "student_id": student, "course_id": course, "email": "ada@example.com", "name": "Ada",
    });
    fields["reason"] = json!(reason);
    Enrolling::from_fields(fields.as_object().unwrap()).unwrap()
}

fn ending(course: &str, attempt: Option<u32>) -> Ending {
    let fields = json!({
        "student_id": "s-1", "course_id": course, "attempt": attempt, "refund": "full",
    });
    Ending::from_fields(fields.as_object().unwrap(), Some(&"asked".parse().unwrap())).unwrap()
}

async fn enroll_in(world: &World, line: &Enrolling, granting: Granting, run: &Run) -> LineResult {
    let otherwise = "a class".parse().unwrap();
    enroll_line(world, world, line, granting, &otherwise, run).await.unwrap()
}

async fn enroll(world: &World, line: &Enrolling, granting: Granting) -> LineResult {
    let before = world.enrollments();
    let dry = enroll_in(world, line, granting, &run(false)).await;
    assert_eq!(world.enrollments(), before, "the dry run writes nothing");
    let real = enroll_in(world, line, granting, &run(true)).await;
    assert_eq!(dry, real, "the dry run says what is done");
    real
}

async fn unenroll(world: &World, line: &Ending) -> LineResult {
    let before = world.enrollments();
    let dry = unenroll_line(world, line, &run(false)).await.unwrap();
    assert_eq!(world.enrollments(), before, "the dry run writes nothing");
    let real = unenroll_line(world, line, &run(true)).await.unwrap();
    assert_eq!(dry, real);
    real
}

/// A run that began later, to which what was done before is not its own.
fn later_run() -> Run {
    let at = OffsetDateTime::UNIX_EPOCH + time::Duration::hours(1);
    Run { since: at, now: at, ..run(true) }
}

fn code_of(result: &LineResult) -> &'static str {
    match result {
        LineResult::Refused { code, .. } => code,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn free_course_enrolls_and_any_other_needs_a_grant_with_a_reason() {
    let world = world();
    let free = line("s-1", "free", None);
    assert_eq!(enroll(&world, &free, Granting::Refused).await, LineResult::Enrolled);
    let again = enroll_in(&world, &free, Granting::Refused, &later_run()).await;
    assert_eq!(again, LineResult::Already);
    for (course, obstacle) in [
        ("priced", "course_has_price"),
        ("closed", "course_not_open"),
        ("later", "course_not_open"),
    ] {
        let refused = enroll(&world, &line("s-1", course, Some("won")), Granting::Refused).await;
        assert_eq!(code_of(&refused), obstacle);
        let no_reason = enroll(&world, &line("s-1", course, None), Granting::Allowed).await;
        assert_eq!(code_of(&no_reason), "reason_missing");
        let granted = enroll(&world, &line("s-1", course, Some("won")), Granting::Allowed).await;
        assert_eq!(granted, LineResult::Granted);
    }
    let missing = enroll(&world, &line("s-1", "none", None), Granting::Allowed).await;
    assert_eq!(code_of(&missing), "no_such_course");
    let place = line("s-1", "priced", None).place;
    let found = world.find_enrollment(&place.student_id, &place.course_id).await.unwrap();
    let history = found.unwrap().history;
    assert_eq!(history.len(), 1);
    assert_eq!(history[0].by.as_str(), "arn:aws:iam::1:user/ada");
}

#[tokio::test]
async fn course_without_a_free_seat_refuses_the_line() {
    let world = world();
    let first = enroll(&world, &line("s-1", "one-seat", None), Granting::Refused).await;
    assert_eq!(first, LineResult::Enrolled);
    // Whether a seat is free is known once one is taken.
    let second =
        enroll_in(&world, &line("s-2", "one-seat", None), Granting::Refused, &run(true)).await;
    assert_eq!(code_of(&second), "course_full");
    world.check_seats().unwrap();
}

#[tokio::test]
async fn student_with_other_details_is_refused_and_the_refusal_has_no_details() {
    let world = world();
    enroll(&world, &line("s-1", "free", None), Granting::Refused).await;
    let mut other = line("s-1", "free", None);
    other.student.email = "eve@example.com".parse().unwrap();
    let refused = enroll_in(&world, &other, Granting::Refused, &later_run()).await;
    assert_eq!(code_of(&refused), "differs");
    assert!(!format!("{refused:?}").contains('@'), "{refused:?}");
}

#[tokio::test]
async fn access_ends_once_and_a_payment_must_be_named() {
    let world = world();
    enroll(&world, &line("s-1", "free", None), Granting::Refused).await;
    let ended = LineResult::Unenrolled { refund: false };
    assert_eq!(unenroll(&world, &ending("free", None)).await, ended);
    let again = unenroll_line(&world, &ending("free", None), &later_run()).await.unwrap();
    assert_eq!(again, LineResult::Already);
    assert_eq!(code_of(&unenroll(&world, &ending("closed", None)).await), "not_enrolled");

    let request = json!({
        "student_id": "s-1", "course_id": "priced", "email": "ada@example.com", "name": "Ada",
        "payment_method": "pm_1",
    });
    let request = crate::EnrollRequest::from_fields(request.as_object().unwrap()).unwrap();
    let time_left = || std::time::Duration::from_mins(1);
    let (ports, now) = (world.ports(), OffsetDateTime::UNIX_EPOCH);
    crate::enroll(&ports, request, now, crate::Deadline::new(&time_left)).await.unwrap();
    assert_eq!(code_of(&unenroll(&world, &ending("priced", None)).await), "attempt_missing");
    assert_eq!(code_of(&unenroll(&world, &ending("priced", Some(2))).await), "other_attempt");
    let refunding = LineResult::Unenrolled { refund: true };
    assert_eq!(unenroll(&world, &ending("priced", Some(1))).await, refunding);
}

/// The run was interrupted after the write and before it knew the result.
#[tokio::test]
async fn line_that_the_same_run_has_carried_out_is_not_carried_out_twice() {
    let (world, free) = (world(), line("s-1", "free", None));
    let first = enroll_in(&world, &free, Granting::Refused, &run(true)).await;
    assert_eq!(enroll_in(&world, &free, Granting::Refused, &run(true)).await, first);
    assert_eq!(
        unenroll(&world, &ending("free", None)).await,
        LineResult::Unenrolled { refund: false }
    );

    // In between, the student enrolls again.
    let request = json!({
        "student_id": "s-1", "course_id": "free", "email": "ada@example.com", "name": "Ada",
    });
    let request = crate::EnrollRequest::from_fields(request.as_object().unwrap()).unwrap();
    let time_left = || std::time::Duration::from_mins(1);
    let (ports, now) = (world.ports(), OffsetDateTime::UNIX_EPOCH);
    crate::enroll(&ports, request, now, crate::Deadline::new(&time_left)).await.unwrap();
    let again = unenroll_line(&world, &ending("free", None), &run(true)).await.unwrap();
    assert_eq!(again, LineResult::Unenrolled { refund: false });
    let [found] = &world.enrollments()[..] else { panic!("one enrollment") };
    assert_eq!(found.state.as_str(), "active", "the second enrollment stays");
    let another_run = unenroll_line(&world, &ending("free", None), &later_run()).await.unwrap();
    assert_eq!(another_run, LineResult::Unenrolled { refund: false });
    assert_eq!(world.enrollments()[0].state.as_str(), "unenrolled");
}

#[test]
fn obstacle_names_the_wrong_field() {
    let now = OffsetDateTime::UNIX_EPOCH;
    let field = |course: Option<&Course>, granting| {
        check_course(course, granting, false, now).unwrap_err().field()
    };
    let closed = course("closed", 0, json!({"state": "closed"}));
    let priced = course("priced", 4900, json!({}));
    for found in [None, Some(&closed), Some(&priced)] {
        assert_eq!(field(found, Granting::Refused), "course_id");
    }
    assert_eq!(field(Some(&priced), Granting::Allowed), "reason");
}

#[test]
fn every_wrong_field_of_a_line_is_named() {
    let enrolling = json!({"student_id": "a b", "email": "ada", "name": "Ada", "reason": "a\nb"});
    let errors = Enrolling::from_fields(enrolling.as_object().unwrap()).unwrap_err();
    let named: Vec<_> = errors.keys().collect();
    assert_eq!(named, ["course_id", "email", "reason", "student_id"]);
    let ending = json!({"student_id": "s", "course_id": "c", "refund": "half", "attempt": "x"});
    let errors = Ending::from_fields(ending.as_object().unwrap(), None).unwrap_err();
    let named: Vec<_> = errors.keys().collect();
    assert_eq!(named, ["attempt", "reason", "refund"]);
    let not_text = json!({"student_id": "s", "course_id": "c", "reason": 7});
    let errors = Ending::from_fields(not_text.as_object().unwrap(), None).unwrap_err();
    assert_eq!(errors["reason"], "is not a string");
    let own = json!({"student_id": "s", "course_id": "c", "reason": "own"});
    let given: Reason = "given".parse().unwrap();
    let line = Ending::from_fields(own.as_object().unwrap(), Some(&given)).unwrap();
    assert_eq!((line.reason.as_str(), line.refund), ("own", RefundChoice::None));
}
