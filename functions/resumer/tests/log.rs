//! The log events that alarms count, and the filters of template.yaml that count them.
//!
//! One test in a process of its own: `tracing` remembers per call site whether any subscriber is
//! interested.
#![allow(clippy::unwrap_used)]

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use enrollment::{
    Course, Deadline, EnrollRequest, enroll,
    payment::REFUND_TIMEOUT,
    testing::{Bank, Dependency, Refunds, World},
};
use lambda::clock;
use resumer::sweep;
use serde_json::json;
use time::OffsetDateTime;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    instrument::WithSubscriber,
    span,
};

/// Keeps the `event` of each line, and the names of its other fields.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<Line>>>);

#[derive(Debug, Clone, Default)]
struct Line {
    event: String,
    fields: Vec<&'static str>,
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "event" => value.clone_into(&mut self.event),
            name => self.fields.push(name),
        }
    }

    fn record_debug(&mut self, field: &Field, _: &dyn fmt::Debug) {
        self.fields.push(field.name());
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        self.0.lock().unwrap().push(line);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

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

/// The only event that one run logs; it has these fields, among others, and a filter counts it.
async fn assert_logged(world: &World, now: OffsetDateTime, event: &str, fields: &[&str]) {
    let log = Log::default();
    let until = clock::instant() + Duration::from_secs(30);
    sweep(&world.ports(), now, until).with_subscriber(log.clone()).await;
    let lines = log.0.lock().unwrap().clone();
    let lines: Vec<_> = lines.iter().filter(|line| !line.event.is_empty()).collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0].event, event);
    for field in fields {
        assert!(lines[0].fields.contains(field), "{field}: {lines:?}");
    }
    for secret in ["student_id", "email", "name"] {
        assert!(!lines[0].fields.contains(&secret), "{secret}: {lines:?}");
    }
    let template = include_str!("../../../template.yaml");
    let filter = format!("'{{ $.fields.event = \"{event}\" }}'");
    let counted = template.split("LogGroupName: !Ref ResumerLogGroup").skip(1);
    let counted = counted.filter_map(|rest| rest.trim_start().strip_prefix("FilterPattern: "));
    assert_eq!(counted.filter(|rest| rest.starts_with(&filter)).count(), 1, "{event}");
}

#[tokio::test]
async fn run_logs_what_an_operator_must_look_at() {
    let world = paid().await;
    world.refuse_us(true);
    let fields = ["enrollment_id", "operation", "status", "error_type", "code"];
    assert_logged(&world, LATER, "payment_provider_refused", &fields).await;

    let world = paid().await;
    world.set_livemode(false);
    assert_logged(&world, LATER, "enrollment_stuck", &["enrollment_id", "why"]).await;

    let world = paid().await;
    world.delete_courses();
    world.set_refunds(Refunds::Hang);
    let until = clock::instant() + Duration::from_secs(30);
    assert_eq!(sweep(&world.ports(), LATER, until).await.later, 1);
    let late = LATER + REFUND_TIMEOUT + Duration::from_secs(1);
    assert_logged(&world, late, "refund_not_settled", &["enrollment_id", "intent_id"]).await;

    let world = World::new([course()], Bank::Accepts);
    world.insert_unreadable(0, "not an id", "c", START);
    assert_logged(&world, LATER, "enrollment_unreadable", &["course_id"]).await;

    // An hour after it was first overdue, although it was put off since.
    let world = paid().await;
    world.take_down(Dependency::Payments);
    let until = clock::instant() + Duration::from_secs(30);
    assert_eq!(sweep(&world.ports(), LATER, until).await.failed, 1);
    let hour_later = LATER + Duration::from_hours(1) + Duration::from_secs(1);
    let fields = ["at_least", "oldest_seconds"];
    assert_logged(&world, hour_later, "enrollments_overdue", &fields).await;
}
