//! The fields that each log line must have, and the metrics that come from them.
//!
//! There is one test in this process: see `lambda::testing`.
#![allow(clippy::unwrap_used)]

use std::fs;

use announcer::{
    Announcer,
    bus::{Bus, Refused},
    event::{Event, Tables},
    handler,
    record::{Batch, Response},
};
use lambda::testing::Log;
use lambda_runtime::{Context, LambdaEvent};
use serde_json::{Value, json};
use tracing::instrument::WithSubscriber;
use unavailable::Unavailable;

/// Accepts everything, or refuses everything.
struct TestBus {
    refuses: bool,
}

impl Bus for TestBus {
    async fn exists(&self) -> Result<bool, Unavailable> {
        Ok(true)
    }

    async fn put(&self, events: &[Event]) -> Result<Vec<Result<(), Refused>>, Unavailable> {
        let refused = || Refused { code: "ThrottlingException".to_owned() };
        Ok(events.iter().map(|_| if self.refuses { Err(refused()) } else { Ok(()) }).collect())
    }
}

fn sample(name: &str) -> Value {
    let path = format!("{}/../../events/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

async fn logged(refuses: bool, batch: Value) -> (Log, Response) {
    let log = Log::default();
    let tables = Tables { enrollments: "enrollments".to_owned(), emails: "emails".to_owned() };
    let announcer = Announcer::new(TestBus { refuses }, tables);
    let batch: Batch = serde_json::from_value(batch).unwrap();
    let event = LambdaEvent::new(batch, Context::default());
    let response = handler::handle(&announcer, event).with_subscriber(log.clone()).await.unwrap();
    for line in log.lines() {
        let line = json!(line).to_string();
        assert!(!line.contains("example.com") && !line.contains("Ada"), "{line}");
    }
    (log, response)
}

#[tokio::test]
async fn each_line_has_its_fields_and_no_line_has_an_address() {
    let (log, response) = logged(false, sample("announce-emails")).await;
    assert_eq!(response, Response::until(None));
    let [line] = &log.events("announced")[..] else { panic!("{log:?}") };
    for (field, value) in [("received", 4), ("announced", 2), ("unreadable", 0), ("left", 0)] {
        assert_eq!(line[field], value, "{line:?}");
    }
    assert_eq!(
        log.counted("AnnouncerLogGroup").into_keys().collect::<Vec<_>>(),
        ["EventsAnnounced"]
    );

    let (log, response) = logged(true, sample("announce-enrollments")).await;
    assert_eq!(response, Response::until(Some("100000000000000000002".to_owned())));
    let refusals = log.events("events_refused");
    assert_eq!(refusals.len(), 2, "{log:?}");
    for (line, attempt) in refusals.iter().zip(1..) {
        assert_eq!((&line["attempt"], &line["refused"]), (&json!(attempt), &json!(1)));
        assert_eq!(line["code"], "ThrottlingException");
    }
    assert_eq!(log.events("announced")[0]["left"], 1);

    let mut odd = sample("announce-enrollments");
    odd["Records"][1]["dynamodb"]["NewImage"]["state"] = json!({"S": "ada@example.com"});
    let (log, response) = logged(false, odd).await;
    assert_eq!(response, Response::until(None));
    let [line] = &log.events("change_unreadable")[..] else { panic!("{log:?}") };
    assert_eq!(
        (&line["table"], &line["error"]),
        (&json!("enrollments"), &json!("the item after the write has another form"))
    );
    assert_eq!(line["sequence_number"], "100000000000000000002");
    assert_eq!(log.counted("AnnouncerLogGroup")["ChangesUnreadable"], 1);
}
