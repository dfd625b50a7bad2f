//! The log events that alarms count, and the filters of template.yaml that count them.
//!
//! One test in a process of its own (see `lambda::testing`).
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, time::Duration};

use enrollment::{
    Course, Deadline, EnrollRequest, enroll,
    payment::REFUND_TIMEOUT,
    testing::{Bank, Dependency, Refunds, World},
};
use lambda::{clock, testing::Log};
use resumer::sweep;
use serde_json::json;
use time::OffsetDateTime;
use tracing::instrument::WithSubscriber;

const START: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;
const LATER: OffsetDateTime = START.saturating_add(time::Duration::MINUTE);

fn course() -> Course {
    serde_json::from_value(json!({
        "course_id": "c", "title": "T", "price": 4900, "currency": "USD", "state": "open",
    }))
    .unwrap()
}

/// A world with a payment that succeeded after its request had died.
async fn paid() -> World {
    let world = World::new([course()], Bank::Processes);
    let body = json!({
        "student_id": "s-1", "course_id": "c", "email": "ada@example.com", "name": "Ada",
        "payment_method": "pm_1",
    });
    let request = EnrollRequest::from_fields(body.as_object().unwrap()).unwrap();
    let left = || Duration::from_secs(29);
    enroll(&world.ports(), request, START, Deadline::new(&left)).await.unwrap_err();
    world.bank_decides(true);
    world
}

/// The only event that one run logs; it has these fields, among others, and only these metrics come from it.
async fn assert_logged(
    world: &World,
    now: OffsetDateTime,
    (event, metrics): (&str, &[&str]),
    fields: &[&str],
) {
    let log = Log::default();
    let until = clock::instant() + Duration::from_secs(30);
    sweep(&world.ports(), now, until).with_subscriber(log.clone()).await;
    let lines: Vec<_> = log.lines().into_iter().filter(|line| line.contains_key("event")).collect();
    let [line] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!(line["event"], event);
    for field in fields {
        assert!(line.contains_key(*field), "{field}: {line:?}");
    }
    for secret in ["student_id", "email", "name"] {
        assert!(!line.contains_key(secret), "{secret}: {line:?}");
    }
    let once: BTreeMap<_, _> = metrics.iter().map(|&metric| (metric.to_owned(), 1)).collect();
    assert_eq!(log.counted("ResumerLogGroup"), once);
}

#[tokio::test]
async fn run_logs_what_an_operator_must_look_at() {
    let world = paid().await;
    world.refuse_us(true);
    let fields = ["enrollment_id", "operation", "status", "error_type", "code"];
    assert_logged(
        &world,
        LATER,
        ("payment_provider_refused", &["PaymentProviderRefused"]),
        &fields,
    )
    .await;

    let world = paid().await;
    world.set_livemode(false);
    assert_logged(
        &world,
        LATER,
        ("enrollment_stuck", &["EnrollmentStuck"]),
        &["enrollment_id", "why"],
    )
    .await;

    let world = paid().await;
    world.delete_courses();
    world.set_refunds(Refunds::Hang);
    let until = clock::instant() + Duration::from_secs(30);
    assert_eq!(sweep(&world.ports(), LATER, until).await.later, 1);
    let late = LATER + REFUND_TIMEOUT + Duration::from_secs(1);
    assert_logged(
        &world,
        late,
        ("refund_not_settled", &["RefundNotSettled"]),
        &["enrollment_id", "intent_id"],
    )
    .await;

    let world = World::new([course()], Bank::Accepts);
    world.insert_unreadable(0, "not an id", "c", START);
    assert_logged(
        &world,
        LATER,
        ("enrollment_unreadable", &["EnrollmentsUnreadable"]),
        &["course_id"],
    )
    .await;

    // An hour after it was first overdue, although it was put off since.
    let world = paid().await;
    world.take_down(Dependency::Payments);
    let until = clock::instant() + Duration::from_secs(30);
    assert_eq!(sweep(&world.ports(), LATER, until).await.failed, 1);
    let hour_later = LATER + Duration::from_hours(1) + Duration::from_secs(1);
    let fields = ["at_least", "oldest_seconds"];
    assert_logged(
        &world,
        hour_later,
        ("enrollments_overdue", &["EnrollmentsOverdue", "OldestOverdueAge", "OverdueEnrollments"]),
        &fields,
    )
    .await;
}
