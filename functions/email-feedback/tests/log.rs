//! The fields that each log line must have, and the data that none may have.
//!
//! There is one test in this process, because `tracing` caches per call site whether any subscriber is
//! interested. A test without a subscriber could reach a call site first and disable it.
#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
    sync::{Arc, Mutex},
};

use email::{
    ledger::State,
    testing::{MemoryLedger, MemorySuppressions, Row},
};
use email_feedback::{Receiver, batch::Received};
use serde_json::{Value, json};
use time::OffsetDateTime;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    instrument::WithSubscriber,
    span,
};

/// Keeps each line of the log as `name=value; name=value; `.
#[derive(Clone, Default)]
struct Log {
    lines: Arc<Mutex<Vec<String>>>,
    spans: Arc<Mutex<Vec<String>>>,
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, "{field}={value:?}; ").unwrap();
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        self.lines.lock().unwrap().push(line.0);
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        let mut fields = Line(format!("{}: ", attributes.metadata().name()));
        attributes.record(&mut fields);
        self.spans.lock().unwrap().push(fields.0);
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// The event of a sample in events/, about an email of this job. Without a job, the email has no tag.
fn sample(kind: &str, job: Option<&str>) -> Value {
    let path = format!("{}/../../events/feedback-{kind}.json", env!("CARGO_MANIFEST_DIR"));
    let batch: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut event: Value =
        serde_json::from_str(batch["Records"][0]["body"].as_str().unwrap()).unwrap();
    let mail = &mut event["detail"]["mail"];
    mail["messageId"] = json!("m-1");
    mail["tags"]["job_id"] = json!(job.into_iter().collect::<Vec<_>>());
    event
}

/// The lines that handling a message writes to the log. Fails if one of them has an address.
async fn logged(before: State, body: impl ToString) -> Vec<String> {
    let log = Log::default();
    let ledger = MemoryLedger::default();
    ledger.rows().insert("job-1", Row::attempted(before, OffsetDateTime::UNIX_EPOCH));
    let receiver = Receiver { ledger, suppressions: MemorySuppressions::default() };
    let message = Received { sqs_message_id: "m-0".to_owned(), body: body.to_string() };
    receiver.handle(vec![message], OffsetDateTime::UNIX_EPOCH).with_subscriber(log.clone()).await;
    let spans = log.spans.lock().unwrap().clone();
    assert_eq!(
        spans,
        [r#"event: sqs_message_id="m-0"; "#],
        "every line of an event carries its id"
    );
    let lines = log.lines.lock().unwrap().clone();
    for line in &lines {
        assert!(!line.to_lowercase().contains("example.com"), "{line}");
    }
    lines
}

/// How often each metric counts an event.
async fn counted(body: Value) -> BTreeMap<String, usize> {
    let log = lambda::testing::Log::default();
    let (ledger, suppressions) = (MemoryLedger::default(), MemorySuppressions::default());
    let message = Received { sqs_message_id: "m-0".to_owned(), body: body.to_string() };
    let handled = Receiver { ledger, suppressions };
    handled.handle(vec![message], OffsetDateTime::UNIX_EPOCH).with_subscriber(log.clone()).await;
    log.counted("EmailFeedbackLogGroup")
}

#[tokio::test]
async fn each_event_is_one_line_with_the_job_and_without_an_address() {
    let line = r#"event="email_feedback"; kind="bounced"; job_id="job-1"; ses_message_id="m-1"; ledger="moved"; suppressed=1; since_accepted_ms=2215.0; "#;
    assert_eq!(logged(State::Sent, sample("bounced", Some("job-1"))).await, [line]);
    let line = r#"event="email_feedback"; kind="delivered"; job_id="job-1"; ses_message_id="m-1"; ledger="unchanged"; since_accepted_ms=1431.0; "#;
    assert_eq!(logged(State::Delivered, sample("delivered", Some("job-1"))).await, [line]);
    let line = r#"event="email_feedback"; kind="rejected"; ses_message_id="m-1"; ledger="no_job"; since_accepted_ms=113.0; "#;
    assert_eq!(logged(State::Sent, sample("rejected", None)).await, [line]);
    let line = r#"event="email_feedback"; kind="ignored"; "#;
    assert_eq!(logged(State::Sent, r#"{"detail":{"eventType":"Open"}}"#).await, [line]);

    // The line about a message that is returned has the reason, and nothing of the body.
    let [line] = &logged(State::Sent, "ada@example.com").await[..] else { panic!() };
    assert!(line.contains(r#"event="email_feedback_failed"; sqs_message_id="m-0""#), "{line}");
    assert!(line.contains("the body is not JSON (line 1, column 1)"), "{line}");

    // A confirmation's job has the time of its request in its id: here two seconds before the delivery.
    let enrollment = "01a207bd-aafe-7cc3-98c4-dc0c0c07398f";
    for (kind, job, metrics) in [
        ("rejected", "job-1", &["DeliveryEvents", "EmailsRejected"][..]),
        ("bounced", enrollment, &["DeliveryEvents"]),
        ("delivered", "job-1", &["DeliveryEvents", "DeliveryTime"]),
        ("delivered", enrollment, &["DeliveryEvents", "DeliveryTime", "TimeToDelivery"]),
    ] {
        let counted = counted(sample(kind, Some(job))).await;
        assert!(
            counted.keys().eq(metrics) && counted.values().all(|times| *times == 1),
            "{counted:?}"
        );
    }
    let [line] = &logged(State::Sent, sample("delivered", Some(enrollment))).await[..] else {
        panic!()
    };
    assert!(line.ends_with("since_accepted_ms=1431.0; since_request_ms=2000.0; "), "{line}");

    let mut odd = sample("complained", Some("job-1"));
    odd["detail"]["complaint"]["complainedRecipients"] = json!(["nobody of example.com"]);
    let [_, warning] = &logged(State::Sent, odd).await[..] else { panic!() };
    assert!(warning.contains("unreadable=1"), "{warning}");
}
