//! What an enrollment and an email cost, in figures that no load of the machine changes: connections, requests and
//! DynamoDB's units. A change that is meant changes the figure here, and its row in docs/benchmarks.md.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use bench::{Answer, Authority, Dependencies, Program, Session, events, session::Limited};
use serde_json::Value;
use storm::stand_in::Units;

/// Stand-ins with a directory of their own for the root certificates.
async fn dependencies(name: &str) -> Dependencies {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&directory).unwrap();
    let authority = Authority::create(&directory, true).unwrap();
    Dependencies::start(authority, Duration::ZERO).await.unwrap()
}

fn enroll(dependencies: &Dependencies) -> Program {
    Program::new([env!("CARGO_BIN_EXE_measured-enroll")]).with(dependencies.enroll_variables())
}

async fn start<'a>(program: &Program, dependencies: &'a Dependencies) -> Session<'a> {
    Session::start(program, dependencies, Limited::Never, Duration::ZERO).await.unwrap()
}

/// Hands over an event, and returns the answer and the calls to AWS by operation.
async fn invoke(
    session: &mut Session<'_>,
    dependencies: &Dependencies,
    event: &Value,
) -> (Answer, BTreeMap<String, usize>) {
    dependencies.enrollments.take_calls();
    let answer = session.invoke(event).await.unwrap();
    (answer, dependencies.enrollments.take_calls())
}

fn operations(calls: &BTreeMap<String, usize>) -> Vec<(&str, usize)> {
    calls.iter().map(|(operation, count)| (operation.as_str(), *count)).collect()
}

#[tokio::test]
async fn free_enrollment_is_three_calls_when_cold_and_two_when_warm_and_one_more_to_finish() {
    let dependencies = dependencies("free").await;
    let mut session = start(&enroll(&dependencies), &dependencies).await;
    let finish = ("UpdateItem", 1);
    let init = session.init_traffic();
    assert_eq!((init.connections, init.requests), (2, 2), "DynamoDB and SQS");
    dependencies.enrollments.take_units();

    let event = events::enroll(0).unwrap();
    let (cold, calls) = invoke(&mut session, &dependencies, &event).await;
    assert_eq!(cold.body["statusCode"], 201, "{}", cold.body);
    assert_eq!(operations(&calls), [("GetItem", 1), ("PutItem", 1), ("SendMessage", 1), finish]);
    let units = dependencies.enrollments.take_units();
    assert_eq!(units, Units { written: 5, half_read: 2 }, "the course is read consistently");
    assert_eq!((cold.traffic.connections, cold.traffic.requests), (0, 4), "both are open");

    let event = events::enroll(1).unwrap();
    let (warm, calls) = invoke(&mut session, &dependencies, &event).await;
    assert_eq!(warm.body["statusCode"], 201, "{}", warm.body);
    assert_eq!(operations(&calls), [("PutItem", 1), ("SendMessage", 1), finish]);
    assert_eq!(dependencies.enrollments.take_units(), Units { written: 5, half_read: 0 });
    assert_eq!((warm.traffic.connections, warm.traffic.requests), (0, 3));
}

#[tokio::test]
async fn paid_enrollment_costs_two_requests_to_stripe_and_two_more_writes() {
    const COURSE: &str = "systems";
    let dependencies = dependencies("paid").await;
    dependencies.enrollments.set_price(COURSE, 4_900);
    let mut session = start(&enroll(&dependencies), &dependencies).await;
    // The first request also reads the secret and the course, and opens the connections.
    let event = events::buy(0, COURSE).unwrap();
    let (cold, calls) = invoke(&mut session, &dependencies, &event).await;
    assert_eq!(cold.body["statusCode"], 201, "{}", cold.body);
    assert_eq!((calls["GetItem"], calls["GetSecretValue"]), (1, 1));
    assert_eq!(cold.traffic.connections, 2, "to Secrets Manager and Stripe");
    dependencies.enrollments.take_units();

    let stripe = dependencies.stripe_requests();
    let event = events::buy(1, COURSE).unwrap();
    let (warm, calls) = invoke(&mut session, &dependencies, &event).await;
    assert_eq!(warm.body["statusCode"], 201, "{}", warm.body);
    assert_eq!(operations(&calls), [("PutItem", 3), ("SendMessage", 1), ("UpdateItem", 1)]);
    assert_eq!(dependencies.stripe_requests() - stripe, 2, "one creates, one confirms");
    assert_eq!(dependencies.enrollments.take_units(), Units { written: 9, half_read: 0 });
    assert_eq!(warm.traffic.connections, 0);
}

#[tokio::test]
async fn email_is_two_reads_two_writes_and_a_send() {
    let dependencies = dependencies("email").await;
    let program =
        Program::new([env!("CARGO_BIN_EXE_measured-worker")]).with(dependencies.worker_variables());
    let mut session = start(&program, &dependencies).await;
    session.invoke(&events::email(0).unwrap()).await.unwrap();
    dependencies.world.ledger.take_units();
    let sent = dependencies.world.provider.count();

    let answer = session.invoke(&events::email(1).unwrap()).await.unwrap();
    assert_eq!(answer.body["batchItemFailures"], serde_json::json!([]));
    assert_eq!(dependencies.world.provider.count() - sent, 1);
    // The holds, the claim, the suppression, the send, and the outcome.
    assert_eq!((answer.traffic.connections, answer.traffic.requests), (1, 5), "a new one to SES");
    let units = dependencies.world.ledger.take_units();
    assert_eq!(units, Units { written: 2, half_read: 3 }, "the holds are read consistently");
}
