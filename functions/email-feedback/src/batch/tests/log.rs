//! What is logged, and what must not be.

use std::{
    fmt::{self, Write},
    sync::{Arc, Mutex},
};

use tracing::{
    Event as LogEvent, Metadata, Subscriber,
    field::{Field, Visit},
    instrument::WithSubscriber,
    span,
};

use super::*;

/// Keeps each line of the log as `name=value; name=value; `.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

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

    fn event(&self, event: &LogEvent<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

async fn logged(world: &World, body: String) -> Vec<String> {
    // A line that is first reached by a test without a log counts as one that nobody wants, until the
    // next log begins. So every line is reached before this one does.
    handle(&super::world(State::Sent), [body.clone()]).await;
    let log = Log::default();
    handle(world, [body]).with_subscriber(log.clone()).await;
    let lines = log.0.lock().unwrap().clone();
    for line in &lines {
        assert!(!line.to_lowercase().contains("example.com"), "{line}");
    }
    lines
}

#[tokio::test]
async fn each_event_is_one_line_that_names_the_job_and_nobody() {
    let world = world(State::Sent);
    let line = r#"event="email_feedback"; kind="bounced"; job_id="job-1"; email_id="m-1"; ledger="moved"; suppressed=1; "#;
    assert_eq!(logged(&world, body(&bounced("Permanent"), Some(JOB))).await, [line]);
    let line = r#"event="email_feedback"; kind="delivered"; job_id="job-1"; email_id="m-1"; ledger="unchanged"; "#;
    assert_eq!(logged(&world, body(&Event::Delivered, Some(JOB))).await, [line]);
    let line = r#"event="email_feedback"; kind="rejected"; email_id="m-1"; ledger="no_job"; "#;
    assert_eq!(logged(&world, body(&rejected(), None)).await, [line]);
    let line = r#"event="email_feedback"; kind="ignored"; "#;
    assert_eq!(logged(&world, r#"{"detail":{"eventType":"Send"}}"#.to_owned()).await, [line]);
}

#[tokio::test]
async fn what_is_given_back_says_why_and_repeats_nothing() {
    let world = world(State::Sent);
    let [line] = &logged(&world, "ada@example.com".to_owned()).await[..] else { panic!() };
    assert!(line.contains(r#"event="email_feedback_failed"; message_id="m-0""#), "{line}");
    assert!(line.contains("the body is not JSON (line 1, column 1)"), "{line}");

    let mut odd: Value = serde_json::from_str(&body(&complained(), Some(JOB))).unwrap();
    odd["detail"]["complaint"]["complainedRecipients"] = json!(["nobody of example.com"]);
    let [_, warning] = &logged(&world, odd.to_string()).await[..] else { panic!() };
    assert!(warning.contains("unreadable=1"), "{warning}");
}
