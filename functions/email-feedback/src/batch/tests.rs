//! Batches against the in-memory ledger and suppressions.

use std::collections::BTreeMap;

use email::{
    feedback::Event,
    ledger::State,
    suppression::SuppressionCause,
    testing::{Fate, MemoryLedger, MemorySuppressions, Row},
};
use proptest::prelude::*;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::*;

const JOB: &str = "job-1";
/// Our clock.
const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;
const RECIPIENT: &str = "Ada@example.com";
const ADDRESS: &str = "ada@example.com";

type World = Receiver<MemoryLedger, MemorySuppressions>;

/// A world in which the job is in this state.
fn world(state: State) -> World {
    let world =
        World { ledger: MemoryLedger::default(), suppressions: MemorySuppressions::default() };
    world.ledger.rows().insert(JOB, Row::attempted(state, OffsetDateTime::UNIX_EPOCH));
    world
}

impl World {
    fn state(&self) -> State {
        self.ledger.rows().get(JOB).unwrap().state
    }

    fn causes(&self) -> BTreeMap<String, SuppressionCause> {
        self.suppressions.causes()
    }
}

/// The body of an event about this job's email.
fn body(event: &Event, job: Option<&str>) -> String {
    let at = "2026-11-23T09:30:03.102Z";
    let recipients = json!([{"emailAddress": RECIPIENT}]);
    let (kind, name, content) = match event {
        Event::Sent => ("Send", "send", json!({})),
        Event::Delivered => ("Delivery", "delivery", json!({"recipients": [RECIPIENT]})),
        Event::Bounced { detail, .. } => {
            let (kind, subtype) = detail.split_once('/').unwrap();
            let content = json!({"bounceType": kind, "bounceSubType": subtype, "bouncedRecipients": recipients});
            ("Bounce", "bounce", content)
        }
        Event::Complained { detail } => {
            let content =
                json!({"complaintFeedbackType": detail, "complainedRecipients": recipients});
            ("Complaint", "complaint", content)
        }
        Event::Rejected { detail } => ("Reject", "reject", json!({"reason": detail})),
    };
    let tags = job.map_or(json!({}), |job| json!({"job_id": [job]}));
    let mail =
        json!({"messageId": "m-1", "timestamp": at, "destination": [RECIPIENT], "tags": tags});
    let mut event = json!({"time": at, "detail": {"eventType": kind, "mail": mail, name: content}});
    event["detail"][name]["timestamp"] = at.into();
    event.to_string()
}

fn bounced(kind: &str) -> Event {
    Event::Bounced { for_good: kind == "Permanent", detail: format!("{kind}/General") }
}

fn complained() -> Event {
    Event::Complained { detail: "abuse".to_owned() }
}

fn rejected() -> Event {
    Event::Rejected { detail: "Bad content".to_owned() }
}

fn messages(bodies: impl IntoIterator<Item = String>) -> Vec<Received> {
    let bodies = bodies.into_iter().enumerate();
    bodies.map(|(n, body)| Received { sqs_message_id: format!("m-{n}"), body }).collect()
}

async fn handle(world: &World, bodies: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut returned = world.handle(messages(bodies), NOW).await;
    returned.sort();
    returned
}

#[tokio::test]
async fn each_kind_of_event_is_recorded_and_only_permanent_bounces_and_complaints_suppress() {
    for (event, state, cause) in [
        (Event::Sent, State::Sent, None),
        (Event::Delivered, State::Delivered, None),
        (bounced("Permanent"), State::Bounced, Some(SuppressionCause::Bounce)),
        (bounced("Transient"), State::Bounced, None),
        (bounced("Undetermined"), State::Bounced, None),
        (complained(), State::Complained, Some(SuppressionCause::Complaint)),
        (rejected(), State::Rejected, None),
    ] {
        let world = world(State::Sent);
        assert!(handle(&world, [body(&event, Some(JOB))]).await.is_empty());
        assert_eq!(world.state(), state);
        assert_eq!(world.causes().get(ADDRESS).copied(), cause);
    }
}

#[tokio::test]
async fn acceptance_settles_an_attempt_without_an_answer_and_nothing_else() {
    for (before, after) in [
        (State::Sending, State::Sent),
        (State::Unknown, State::Sent),
        (State::Sent, State::Sent),
        (State::Delivered, State::Delivered),
        (State::Bounced, State::Bounced),
    ] {
        let world = world(before);
        assert!(handle(&world, [body(&Event::Sent, Some(JOB))]).await.is_empty());
        assert_eq!(world.state(), after);
        assert!(world.causes().is_empty());
        assert_eq!(world.ledger.rows().get(JOB).unwrap().feedback_at, None, "not a result");
    }
}

#[tokio::test]
async fn an_automatic_reply_to_a_delivered_email_is_not_a_bounce() {
    for order in
        [[Event::Delivered, bounced("Transient")], [bounced("Transient"), Event::Delivered]]
    {
        let world = world(State::Sent);
        for event in order {
            handle(&world, [body(&event, Some(JOB))]).await;
        }
        assert_eq!(world.state(), State::Delivered);
        assert!(world.causes().is_empty());
        handle(&world, [body(&bounced("Permanent"), Some(JOB))]).await;
        assert_eq!(world.state(), State::Bounced);
    }
}

#[tokio::test]
async fn expiry_counts_from_our_clock_whatever_the_event_says() {
    for at in ["2026-01-25T00:00:00Z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "never"] {
        let world = world(State::Sent);
        let mut event: Value = serde_json::from_str(&body(&complained(), Some(JOB))).unwrap();
        event["detail"]["complaint"]["timestamp"] = at.into();
        assert!(handle(&world, [event.to_string()]).await.is_empty());
        assert_eq!(world.state(), State::Complained);
        let expires_at = world.ledger.rows().get(JOB).unwrap().expires_at;
        assert_eq!(expires_at, Some(NOW + email::ledger::LEDGER_RETENTION), "{at}");
    }
}

#[tokio::test]
async fn event_settles_a_job_whose_attempt_had_no_response() {
    for before in [State::Sending, State::Unknown, State::Failed] {
        let world = world(before);
        handle(&world, [body(&Event::Delivered, Some(JOB))]).await;
        assert_eq!(world.state(), State::Delivered);
    }
}

#[tokio::test]
async fn event_without_a_known_job_still_suppresses() {
    for job in [None, Some("another")] {
        let world = world(State::Sent);
        assert!(handle(&world, [body(&complained(), job)]).await.is_empty());
        assert_eq!(world.state(), State::Sent);
        assert_eq!(world.causes()[ADDRESS], SuppressionCause::Complaint);
    }
}

#[tokio::test]
async fn recipient_is_suppressed_before_the_ledger_is_written() {
    let world = world(State::Sent);
    world.suppressions.calls.fail();
    assert_eq!(handle(&world, [body(&complained(), Some(JOB))]).await, ["m-0"]);
    assert_eq!((world.state(), world.causes().len()), (State::Sent, 0));

    world.suppressions.calls.succeed();
    world.ledger.calls.fail();
    assert_eq!(handle(&world, [body(&complained(), Some(JOB))]).await, ["m-0"]);
    assert_eq!((world.state(), world.causes().len()), (State::Sent, 1));
}

#[tokio::test]
async fn recipient_without_a_valid_address_does_not_stop_the_others() {
    let world = world(State::Sent);
    let mut event: Value = serde_json::from_str(&body(&bounced("Permanent"), Some(JOB))).unwrap();
    event["detail"]["bounce"]["bouncedRecipients"] =
        json!([{"emailAddress": "nobody"}, {"emailAddress": "eve@example.com"}]);
    assert!(handle(&world, [event.to_string()]).await.is_empty());
    assert_eq!(world.state(), State::Bounced);
    assert!(world.causes().keys().eq([ADDRESS, "eve@example.com"]));
}

#[tokio::test]
async fn panic_returns_its_own_message_only() {
    let world = world(State::Sent);
    world.ledger.calls.decide_by(|call| {
        assert!(call.key != "panic", "a test's panic");
        Fate::Succeeds
    });
    let batch = [body(&Event::Delivered, Some("panic")), body(&Event::Delivered, Some(JOB))];
    assert_eq!(handle(&world, batch).await, ["m-0"]);
    assert_eq!(world.state(), State::Delivered);
}

#[tokio::test]
async fn every_sample_is_handled() {
    for name in ["delivered", "bounced", "complained", "rejected", "sent"] {
        let path = format!("{}/../../events/feedback-{name}.json", env!("CARGO_MANIFEST_DIR"));
        let event = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let event = lambda_runtime::LambdaEvent::new(event, lambda_runtime::Context::default());
        let response = crate::handler::handle(&world(State::Sent), event).await.unwrap();
        assert!(response.batch_item_failures.is_empty(), "{name}");
    }
}

/// All events about one email. SES either rejects the email or tries to deliver it. A delivered email
/// can still bounce, or lead to a complaint.
fn reported() -> impl Strategy<Value = Vec<Event>> {
    let delivered = prop::sample::subsequence(
        vec![
            Event::Delivered,
            bounced("Transient"),
            bounced("Permanent"),
            bounced("Undetermined"),
            complained(),
        ],
        1..=5,
    );
    prop_oneof![1 => Just(vec![rejected()]), 6 => delivered]
}

/// The events, and their deliveries to the function: each event at least once, in any order.
fn deliveries() -> impl Strategy<Value = (Vec<Event>, Vec<Event>)> {
    reported()
        .prop_flat_map(|reported| {
            let repeats = prop::collection::vec(prop::sample::select(reported.clone()), 0..8);
            (Just(reported), repeats)
        })
        .prop_flat_map(|(reported, repeats)| {
            let all = [reported.clone(), repeats].concat();
            (Just(reported), Just(all).prop_shuffle())
        })
}

fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(test)
}

/// Delivers messages until none is returned, as the queue does.
async fn deliver(world: &World, mut waiting: Vec<Received>, batch: usize) {
    while !waiting.is_empty() {
        let taken: Vec<_> = waiting.drain(..batch.min(waiting.len())).collect();
        let returned = world.handle(taken.clone(), NOW).await;
        waiting.extend(taken.into_iter().filter(|m| returned.contains(&m.sqs_message_id)));
    }
}

proptest! {
    #[test]
    fn final_state_does_not_depend_on_the_order_or_number_of_events(
        (reported, deliveries) in deliveries(),
        before in prop::sample::select(vec![
            State::Sending, State::Unknown, State::Failed, State::Sent,
        ]),
        batch in 1..6_usize,
        ledger_fails in prop::sample::select(vec![0, 2, 3, 5]),
        suppressions_fail in prop::sample::select(vec![0, 2, 3, 5]),
    ) {
        // An automatic reply weighs less than a delivery.
        let weight = |event: &&Event| (event.outranks().count(), !event.may_be_reply());
        let expected = reported.iter().max_by_key(weight).map(Event::state);
        let cause = if reported.contains(&complained()) {
            Some(SuppressionCause::Complaint)
        } else {
            reported.contains(&bounced("Permanent")).then_some(SuppressionCause::Bounce)
        };
        let world = world(before);
        world.ledger.calls.fail_every(ledger_fails);
        world.suppressions.calls.fail_every(suppressions_fail);

        let bodies = deliveries.iter().map(|event| body(event, Some(JOB)));
        run(deliver(&world, messages(bodies), batch));

        prop_assert_eq!(Some(world.state()), expected);
        prop_assert_eq!(world.causes().get(ADDRESS).copied(), cause);
    }

    #[test]
    fn malformed_event_is_returned_and_the_rest_of_its_batch_is_handled(
        batch in prop::collection::vec(
            prop_oneof![
                Just(None),
                ".{0,40}".prop_map(Some),
                Just(Some(r#"{"detail":{"eventType":"Bounce"}}"#.to_owned())),
            ],
            1..30,
        ),
    ) {
        let good = batch.iter().filter(|poison| poison.is_none()).count();
        let world = world(State::Sent);
        let bodies = batch.iter().map(|poison| {
            poison.clone().unwrap_or_else(|| body(&bounced("Permanent"), Some(JOB)))
        });
        let returned = run(handle(&world, bodies));

        let mut poisoned: Vec<_> = batch.iter().enumerate()
            .filter(|(_, poison)| poison.is_some())
            .map(|(n, _)| format!("m-{n}"))
            .collect();
        poisoned.sort();
        prop_assert_eq!(returned, poisoned);
        prop_assert_eq!(world.state(), if good > 0 { State::Bounced } else { State::Sent });
        prop_assert_eq!(world.causes().len(), good.min(1));
    }
}
