//! The log lines of the worker, and what the metric filters of template.yaml count of them.
//!
//! One test in a process of its own (see `lambda::testing`).
#![allow(clippy::unwrap_used)]
#![expect(clippy::disallowed_methods, reason = "tests pause the clock and read it")]

use std::{cell::RefCell, time::Duration};

use email::{
    dead_letter::Reason,
    mailer::Outcome,
    suppression::SuppressionCause,
    testing::{
        MemoryDeadLetters, MemoryEventSource, MemoryHolds, MemoryLedger, MemoryMailer,
        MemorySuppressions,
    },
};
use email_worker::{
    Worker,
    closing::Closing,
    worker::{Invocation, Parts, Postpone, Postponed, Received},
};
use lambda::testing::{Fields, Log};
use pacer::{SendLimit, Share, Slack, Slots, Window, driver::Driver};
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::time::{Instant, timeout};
use tracing::instrument::WithSubscriber;

struct Memory;

impl Parts for Memory {
    type Ledger = MemoryLedger;
    type Suppressions = MemorySuppressions;
    type Mailer = MemoryMailer;
    type DeadLetters = MemoryDeadLetters;
    type Queue = Forgets;
    type Holds = MemoryHolds;
    type EventSource = MemoryEventSource;
}

struct Forgets;

impl Postpone for Forgets {
    async fn postpone(&self, _: &[Postponed]) {}
}

fn world(outcome: Outcome) -> Worker<Memory> {
    let mut mailer = MemoryMailer::default();
    mailer.decide_by(move |_| outcome.clone());
    Worker {
        ledger: MemoryLedger::default(),
        suppressions: MemorySuppressions::default(),
        mailer,
        dead_letters: MemoryDeadLetters::default(),
        queue: Forgets,
        holds: MemoryHolds::default(),
        event_source: MemoryEventSource::default(),
        guarantees: "enrollment-refund".parse().unwrap(),
        default_language: email_templates::Language::English,
        breaker: RefCell::default(),
        last_holds: RefCell::default(),
    }
}

fn invocation() -> Invocation {
    let share = Share::new(
        SendLimit::new(300).unwrap(),
        Window::from_secs(60).unwrap(),
        Slots::new(2).unwrap(),
        Slack::from_millis(250).unwrap(),
    )
    .unwrap();
    let began = Instant::now();
    let lasts = Duration::from_mins(1);
    let closing = Closing::of(began, lasts);
    Invocation {
        id: "r".to_owned(),
        began_at: (OffsetDateTime::UNIX_EPOCH, began),
        pacer: Driver::start(share, closing.starts_end),
        closing,
        deadline: OffsetDateTime::UNIX_EPOCH + lasts,
    }
}

/// A message with this job of `job-1`.
fn message(job: &Value) -> Received {
    let mut body = json!({"v": 1, "id": "job-1", "to": "ada@example.com"});
    body.as_object_mut().unwrap().extend(job.as_object().unwrap().clone());
    Received {
        sqs_message_id: "m-1".to_owned(),
        receipt_handle: "receipt".to_owned(),
        body: body.to_string(),
        receives: 1,
        was_letter: None,
        first_received_at: None,
        trace: None,
        sent_at: Some(OffsetDateTime::UNIX_EPOCH),
    }
}

/// No release of the worker has understood it for so long that none will.
fn long_received(message: Received) -> Received {
    let hour_ago = OffsetDateTime::UNIX_EPOCH - Duration::from_hours(1);
    Received { first_received_at: Some(hour_ago), ..message }
}

fn email() -> Received {
    message(&json!({"subject": "Hi", "text": "Hello"}))
}

/// Handles the messages, and returns the log. No line may have an address.
async fn handle(world: &Worker<Memory>, messages: Vec<Received>) -> Log {
    let log = Log::default();
    world.handle(&invocation(), messages).with_subscriber(log.clone()).await;
    for line in log.lines() {
        let line = Value::Object(line).to_string();
        assert!(!line.contains("example.com"), "{line}");
    }
    log
}

fn accepted() -> Outcome {
    Outcome::Accepted { ses_message_id: "ses-1".to_owned() }
}

fn fields(line: &Fields) -> Value {
    let mut fields = line.clone();
    fields.remove("event");
    Value::Object(fields)
}

/// The start and the end of an attempt, which `registrar audit` pairs by job and start.
async fn each_attempt_is_logged_when_it_starts_and_when_it_ends() {
    let log = handle(&world(accepted()), vec![email()]).await;
    let [start, end] = &log.events("send_attempt")[..] else { panic!("{:?}", log.lines()) };
    let (start, end) = (fields(start), fields(end));
    let at = start["started_at_us"].as_i64().unwrap();
    assert_eq!(start, json!({"job_id": "job-1", "started_at_us": at, "timeout_ms": 10_000}));
    assert_eq!((&end["job_id"], &end["started_at_us"]), (&"job-1".into(), &at.into()));
    assert!(end["ended_at_us"].as_i64() >= Some(at) && end["outcome"] == "accepted", "{end}");
    assert!(end["timeout_ms"].is_null());

    // The worker is killed while SES does not respond.
    let world = world(accepted());
    world.mailer.calls.wait_for(std::future::pending);
    let log = Log::default();
    let (invocation, killed_after) = (invocation(), Duration::from_secs(5));
    let batch = world.handle(&invocation, vec![email()]).with_subscriber(log.clone());
    timeout(killed_after, batch).await.unwrap_err();
    let [start] = &log.events("send_attempt")[..] else { panic!("{:?}", log.lines()) };
    assert_eq!(fields(start)["timeout_ms"], 10_000);
}

#[tokio::test(start_paused = true)]
async fn log_has_what_the_audit_and_the_metrics_read() {
    each_attempt_is_logged_when_it_starts_and_when_it_ends().await;
    Box::pin(each_outcome_is_counted_once_by_its_metric()).await;
    email_of_an_enrollment_has_the_time_since_its_request().await;
}

async fn email_of_an_enrollment_has_the_time_since_its_request() {
    // Requested at the start of 1970, as the clock of the invocation starts.
    let job = message(&json!({
        "id": "00000000-0000-7000-8000-000000000000", "subject": "Hi", "text": "Hello",
    }));
    let log = handle(&world(accepted()), vec![job]).await;
    let [start, end] = &log.events("send_attempt")[..] else { panic!("{:?}", log.lines()) };
    assert_eq!(start.get("since_request_ms"), None);
    assert_eq!(end["since_request_ms"], end["waited_ms"]);
    assert!(end["since_request_ms"].as_f64() > Some(0.0), "{end:?}");
    assert_eq!(log.counted("EmailWorkerLogGroup").get("TimeFromRequest"), Some(&1));
}

/// One job per outcome of docs/operations.md, "Outcomes".
async fn each_outcome_is_counted_once_by_its_metric() {
    let suppressed = world(accepted());
    suppressed.suppressions.insert(&"ada@example.com".parse().unwrap(), SuppressionCause::Bounce);
    let rejected = Outcome::Rejected(Reason::new("MessageRejected", "no"));
    let receipt = message(&json!({
        "template": "enrollment-refund", "data": {"student_name": "Ada", "course_title": "Rust"},
    }));
    for (world, job, expected) in [
        (world(accepted()), email(), &[("EmailsSent", None)][..]),
        (suppressed, email(), &[("EmailsSuppressed", None)]),
        (world(rejected), email(), &[("DeadLetters", Some("MessageRejected"))]),
        (
            world(Outcome::Ambiguous),
            receipt,
            &[("DeadLetters", Some("outcome_unknown")), ("UnansweredSends", None)],
        ),
        (
            world(accepted()),
            long_received(message(&json!({"template": "none", "data": {}}))),
            &[("DeadLetters", Some("unknown_template"))],
        ),
        (
            world(accepted()),
            long_received(message(&json!({"v": 2}))),
            &[("DeadLetters", Some("unknown_version"))],
        ),
        (world(accepted()), message(&json!({"to": 1})), &[("DeadLetters", Some("malformed_job"))]),
        // No outcome yet.
        (world(Outcome::Transient { code: "500".to_owned() }), email(), &[]),
        (
            world(Outcome::Unknown { code: "New".to_owned() }),
            email(),
            &[("UnknownSendErrors", None)],
        ),
    ] {
        let log = handle(&world, vec![job]).await;
        let mut counted = log.counted("EmailWorkerLogGroup");
        assert_eq!(counted.remove("OldestJobAge"), Some(1), "one per batch");
        // Distributions: of each attempt, and of each accepted email.
        let attempts = log.events("send_attempt").len() / 2;
        assert_eq!(counted.remove("SesTime").unwrap_or_default(), attempts);
        assert_eq!(counted.remove("TimeToEmail"), counted.get("EmailsSent").copied());
        // `job-1` tells no time.
        assert_eq!(counted.remove("TimeFromRequest"), None);
        let counted: Vec<_> =
            counted.into_iter().flat_map(|(name, times)| vec![name; times]).collect();
        let metrics: Vec<_> = expected.iter().map(|(metric, _)| *metric).collect();
        assert_eq!(counted, metrics, "{:?}", log.lines());
        let codes = log.events("dead_letter_kept");
        let codes: Vec<_> = codes.iter().filter_map(|line| line["code"].as_str()).collect();
        let expected: Vec<_> = expected.iter().filter_map(|(_, code)| *code).collect();
        assert_eq!(codes, expected);
        for line in log.events("dead_letter_kept") {
            let kind =
                if line["code"] == "MessageRejected" { &json!("provider") } else { &line["code"] };
            assert_eq!(&line["kind"], kind);
        }
    }
}
