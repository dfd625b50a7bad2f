//! The resumer and the request with the real adapters: what an outage leaves is caught up with, and what
//! went well leaves nothing.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::{sync::Arc, time::Duration};

use capacity::usage;
use enrollment::{Deadline, EnrollRequest, Ports, enroll};
use lambda::clock;
use resumer::{Report, deployed::Deployed, sweep};
use serde_json::json;
use storm::{
    backlog,
    http::Server,
    stand_in::{EnrollmentServices, Latency},
};
use time::OffsetDateTime;

const NONE: Latency = Latency { dynamodb: Duration::ZERO, sqs: Duration::ZERO };

const START: i64 = 1_795_000_000;

fn minutes(minutes: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(START + 60 * minutes).unwrap()
}

async fn services() -> (Arc<EnrollmentServices>, Server, Ports<Deployed>) {
    let services = EnrollmentServices::new(NONE);
    let server = services.serve().await.unwrap();
    let ports = backlog::ports(server.address()).await;
    (services, server, ports)
}

async fn run(ports: &Ports<Deployed>, at: OffsetDateTime) -> Report {
    // The work decides when it is over, not the clock.
    sweep(ports, at, clock::instant() + Duration::from_hours(1)).await
}

/// An outage of an hour leaves 1.8 million enrollments at 500 per second. Here it is a 1,500th of them;
/// docs/benchmarks.md has the rate.
#[tokio::test]
async fn outage_of_the_queue_is_caught_up_with_by_few_calls_and_each_job_is_sent_once() {
    const ITEMS: usize = 1_200;
    let (services, _server, ports) = services().await;
    services.take_queue_down(true);
    for n in 0..ITEMS {
        services.insert_unfinished(n, START);
    }
    for minute in 1..4 {
        let report = run(&ports, minutes(minute)).await;
        assert!(report.left && report.finished == 0, "{report:?}");
        assert!(report.failed < ITEMS / 4, "the run ends early: {report:?}");
    }
    services.take_queue_down(false);
    services.take_calls();
    let first = run(&ports, minutes(4)).await;
    let calls = services.take_calls();
    let second = run(&ports, minutes(5)).await;
    assert_eq!(first.finished + second.finished, ITEMS, "{first:?} {second:?}");
    assert!(first.finished >= ITEMS * 2 / 3, "no item waits for more than a minute: {first:?}");
    assert_eq!((services.unfinished(), services.jobs()), (0, (ITEMS, ITEMS)));
    // Per item: its item and the ledger are read, and it leaves the index. Ten share a send.
    assert_eq!(calls["GetItem"], 2 * first.finished);
    assert_eq!(calls["UpdateItem"], first.finished);
    assert!(calls["SendMessageBatch"] <= first.finished / 10 + 1, "{calls:?}");
}

#[tokio::test]
async fn entry_of_a_batch_that_fails_is_sent_by_a_later_run() {
    let (services, _server, ports) = services().await;
    for n in 0..300 {
        services.insert_unfinished(n, START);
    }
    services.fail_every_entry(7);
    let report = run(&ports, minutes(1)).await;
    assert_eq!((report.finished, report.failed), (300 - 300 / 7, 300 / 7));
    services.fail_every_entry(0);
    run(&ports, minutes(2)).await;
    assert_eq!((services.unfinished(), services.jobs()), (0, (300, 300)));
}

/// What the last write of a request costs, and what it saves.
#[tokio::test]
async fn requests_that_went_well_leave_the_resumer_nothing() {
    const REQUESTS: usize = 200;
    let (services, _server, ports) = services().await;
    for n in 0..REQUESTS {
        let body = json!({
            "student_id": format!("s-{n}"), "course_id": "rust-on-lambda",
            "email": "ada@example.com", "name": "Ada Lovelace",
        });
        let request = EnrollRequest::from_fields(body.as_object().unwrap()).unwrap();
        let left = || Duration::from_secs(29);
        Box::pin(enroll(&ports, request, minutes(0), Deadline::new(&left))).await.unwrap();
    }
    assert_eq!((services.unfinished(), services.jobs()), (0, (REQUESTS, REQUESTS)));
    let calls = services.take_calls();
    let (inserts, last_writes) = (calls["PutItem"], calls["UpdateItem"]);
    assert_eq!((inserts, last_writes), (REQUESTS, REQUESTS), "one more round trip");
    assert_eq!(inserts + last_writes, usage::TABLE_WRITE_UNITS as usize * REQUESTS);
    assert_eq!(calls["SendMessage"], usage::ENROLLMENT_SQS_CALLS as usize * REQUESTS);
    assert!(calls["GetItem"] <= usage::ENROLLMENT_READ_UNITS as usize * REQUESTS);
    // Table and index `resume`, each once for the insert and once for the last write; and once the index `roster`.
    let units = usage::ENROLLMENT_WRITE_UNITS as usize;
    assert_eq!(services.take_units().written, units * REQUESTS);
    assert_eq!(run(&ports, minutes(2)).await, Report::default());
    assert_eq!(services.take_calls().into_keys().collect::<Vec<_>>(), ["Query"]);
}
