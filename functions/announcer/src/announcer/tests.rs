use std::collections::VecDeque;

use serde_json::{Value, json};

use super::*;
use crate::record::Batch;

const ENROLLMENTS: &str = "arn:aws:dynamodb:eu-west-1:123456789012:table/enrollments";
const EMAILS: &str = "arn:aws:dynamodb:eu-west-1:123456789012:table/emails";

/// What a call to the bus does.
#[derive(Clone)]
enum Call {
    /// Refuses the events of these subjects.
    Refuse(Vec<&'static str>),
    /// Fails as a whole.
    Fail,
}

/// A bus in memory. Calls without a plan are accepted.
#[derive(Default)]
struct MemoryBus {
    is_missing: bool,
    looked_for: Mutex<usize>,
    plan: Mutex<VecDeque<Call>>,
    /// The ids of the events in each call.
    calls: Mutex<Vec<Vec<String>>>,
    accepted: Mutex<Vec<String>>,
}

impl Bus for MemoryBus {
    async fn exists(&self) -> Result<bool, Unavailable> {
        *self.looked_for.lock().unwrap() += 1;
        Ok(!self.is_missing)
    }

    async fn put(&self, events: &[Event]) -> Result<Vec<Result<(), Refused>>, Unavailable> {
        assert!((1..=EVENTS_PER_CALL).contains(&events.len()));
        self.calls.lock().unwrap().push(events.iter().map(|event| event.id.clone()).collect());
        let call = self.plan.lock().unwrap().pop_front().unwrap_or(Call::Refuse(Vec::new()));
        let Call::Refuse(refused) = call else {
            return Err(Unavailable::new("a test", "it fails"));
        };
        let result = |event: &Event| {
            if refused.contains(&event.subject.as_str()) {
                return Err(Refused { code: "ThrottlingException".to_owned() });
            }
            self.accepted.lock().unwrap().push(event.id.clone());
            Ok(())
        };
        Ok(events.iter().map(result).collect())
    }
}

/// An entry of the ledger in the form of DynamoDB.
fn entry(job: &str, state: &str) -> Value {
    let mut item = json!({
        "job_id": {"S": job}, "state": {"S": state}, "attempts": {"N": "1"},
        "first_attempt_at": {"S": "1970-01-01T00:00:00Z"}, "expires_at": {"N": "7776000"},
    });
    if state != "sending" {
        item["sent_at"] = json!({"S": "1970-01-01T00:00:01Z"});
        item["feedback_at"] = json!({"S": "1970-01-01T00:00:02Z"});
    }
    item
}

fn record(number: usize, table: &str, operation: &str, images: [Option<Value>; 2]) -> Value {
    let [old, new] = images;
    json!({
        "eventID": "c81e728d", "eventName": operation, "eventSource": "aws:dynamodb",
        "eventSourceARN": format!("{table}/stream/2026-11-29T00:00:00.000"),
        "dynamodb": {
            "SequenceNumber": number.to_string(), "ApproximateCreationDateTime": 1_480_642_020,
            "OldImage": old, "NewImage": new, "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
    })
}

fn change(number: usize, job: &str, from: &str, to: &str) -> Value {
    record(number, EMAILS, "MODIFY", [Some(entry(job, from)), Some(entry(job, to))])
}

fn batch(records: Vec<Value>) -> Vec<Record> {
    serde_json::from_value::<Batch>(json!({"Records": records})).unwrap().records
}

fn announcer(bus: MemoryBus) -> Announcer<MemoryBus> {
    let tables = Tables { enrollments: "enrollments".to_owned(), emails: "emails".to_owned() };
    Announcer::new(bus, tables)
}

fn planned(plan: &[Call]) -> Announcer<MemoryBus> {
    announcer(MemoryBus {
        plan: Mutex::new(plan.iter().cloned().collect()),
        ..MemoryBus::default()
    })
}

async fn announce(announcer: &Announcer<MemoryBus>, records: Vec<Value>) -> Outcome {
    let now = lambda::clock::instant();
    announcer.announce(&batch(records), now + LAST_PART, || now).await.unwrap()
}

fn sent(job: &str) -> String {
    format!("{job}:email.sent:1970-01-01T00:00:01Z")
}

fn delivered(job: &str) -> String {
    format!("{job}:email.delivered:1970-01-01T00:00:02Z")
}

fn ok(announced: usize) -> Outcome {
    Outcome { announced, ..Outcome::default() }
}

fn calls(announcer: &Announcer<MemoryBus>) -> Vec<Vec<String>> {
    announcer.bus.calls.lock().unwrap().clone()
}

#[tokio::test]
async fn events_of_different_subjects_share_calls_of_ten() {
    let announcer = planned(&[]);
    let jobs: Vec<_> = (0..23).map(|n| format!("job-{n}")).collect();
    let records = jobs.iter().enumerate().map(|(n, job)| change(n, job, "sending", "sent"));
    assert_eq!(announce(&announcer, records.collect()).await, ok(23));
    assert_eq!(calls(&announcer).iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 3]);
    let expected: Vec<_> = jobs.iter().map(|job| sent(job)).collect();
    assert_eq!(*announcer.bus.accepted.lock().unwrap(), expected);
}

#[tokio::test]
async fn second_event_of_a_subject_waits_until_the_first_is_accepted() {
    let announcer = planned(&[]);
    let records = vec![change(1, "a", "sending", "sent"), change(2, "a", "sent", "delivered")];
    assert_eq!(announce(&announcer, records).await, ok(2));
    assert_eq!(calls(&announcer), [[sent("a")], [delivered("a")]]);
}

#[tokio::test]
async fn only_what_was_refused_is_repeated() {
    let announcer = planned(&[Call::Refuse(vec!["b"])]);
    let records = ["a", "b", "c"].map(|job| change(1, job, "sending", "sent")).to_vec();
    assert_eq!(announce(&announcer, records).await, ok(3));
    assert_eq!(calls(&announcer), [vec![sent("a"), sent("b"), sent("c")], vec![sent("b")]]);
}

#[tokio::test]
async fn batch_ends_at_an_event_that_stays_refused() {
    let announcer = planned(&vec![Call::Refuse(vec!["b"]); 2]);
    let records = vec![
        change(1, "a", "sending", "sent"),
        change(2, "b", "sending", "sent"),
        change(3, "c", "sending", "sent"),
        change(4, "b", "sent", "delivered"),
    ];
    let outcome = announce(&announcer, records.clone()).await;
    let expected = Outcome { announced: 2, unreadable: 0, first_left: Some("2".to_owned()) };
    assert_eq!(outcome, expected);
    // Lambda repeats the records from the first that is left.
    assert_eq!(announce(&announcer, records[1..].to_vec()).await, ok(3));
    let accepted = announcer.bus.accepted.lock().unwrap().clone();
    let of_b: Vec<_> = accepted.iter().filter(|id| id.starts_with("b:")).collect();
    assert_eq!(of_b, [&sent("b"), &delivered("b")], "in their order, and once");
    let of_c: Vec<_> = accepted.iter().filter(|id| id.starts_with("c:")).collect();
    assert_eq!(of_c, [&sent("c"), &sent("c")], "twice, under one id");
}

#[tokio::test]
async fn call_that_fails_as_a_whole_leaves_its_first_record() {
    let announcer = planned(&[Call::Refuse(Vec::new()), Call::Fail]);
    let records = vec![change(1, "a", "sending", "sent"), change(2, "a", "sent", "delivered")];
    let outcome = announce(&announcer, records).await;
    assert_eq!(outcome, Outcome { announced: 1, unreadable: 0, first_left: Some("2".to_owned()) });
}

#[tokio::test]
async fn no_call_is_begun_when_no_time_is_left() {
    let announcer = planned(&[]);
    let records = vec![change(1, "a", "sending", "sent"), change(2, "a", "sent", "delivered")];
    let now = lambda::clock::instant();
    let outcome = announcer.announce(&batch(records), now, || now).await.unwrap();
    assert_eq!(outcome, Outcome { first_left: Some("1".to_owned()), ..Outcome::default() });
    assert!(calls(&announcer).is_empty());

    let (now, started_at) = (OffsetDateTime::UNIX_EPOCH, lambda::clock::instant());
    assert_eq!(until(now, now + LAST_PART, started_at), started_at);
    let minute = Duration::from_mins(1);
    assert_eq!(until(now, now + minute, started_at), started_at + minute - LAST_PART);
}

/// Both attempts of a call fit into the last part, with a second for the response.
#[test]
fn last_part_has_room_for_a_call_with_its_repetition() {
    let attempts = adapters::clients::CALL_TIMEOUT * MAX_ATTEMPTS;
    assert!(attempts + Duration::from_secs(1) <= LAST_PART);
}

#[tokio::test]
async fn record_that_cannot_be_read_does_not_hold_up_the_others() {
    let announcer = planned(&[]);
    let other = "arn:aws:dynamodb:eu-west-1:123456789012:table/another";
    let new = || Some(entry("b", "sent"));
    let records = vec![
        record(1, EMAILS, "INSERT", [None, Some(json!({"job_id": {"S": "x"}}))]),
        record(2, EMAILS, "MODIFY", [Some(json!({"job_id": {"S": "x"}})), new()]),
        record(3, EMAILS, "MODIFY", [None, None]),
        record(4, other, "INSERT", [None, new()]),
        record(5, ENROLLMENTS, "INSERT", [None, new()]),
        change(6, "a", "sending", "sent"),
    ];
    let outcome = announce(&announcer, records).await;
    assert_eq!(outcome, Outcome { announced: 1, unreadable: 5, first_left: None });
}

#[tokio::test]
async fn removal_is_not_announced_and_needs_no_bus() {
    let announcer = announcer(MemoryBus { is_missing: true, ..MemoryBus::default() });
    let records = vec![
        record(1, EMAILS, "REMOVE", [Some(entry("a", "sent")), None]),
        record(2, ENROLLMENTS, "REMOVE", [Some(json!({})), None]),
        change(3, "a", "sent", "sent"),
    ];
    assert_eq!(announce(&announcer, records).await, ok(0));
    assert_eq!(*announcer.bus.looked_for.lock().unwrap(), 0);
}

#[tokio::test]
async fn nothing_is_put_on_a_bus_that_does_not_exist() {
    let announcer = announcer(MemoryBus { is_missing: true, ..MemoryBus::default() });
    let records = batch(vec![change(1, "a", "sending", "sent")]);
    let now = lambda::clock::instant();
    for _ in 0..2 {
        let error = announcer.announce(&records, now + LAST_PART, || now).await.unwrap_err();
        assert_eq!(error.to_string(), "the event bus does not exist");
    }
    assert!(calls(&announcer).is_empty());
    assert_eq!(*announcer.bus.looked_for.lock().unwrap(), 2, "each time, until there is one");
}

#[tokio::test]
async fn bus_is_looked_for_once_per_minute() {
    let announcer = planned(&[]);
    let records = batch(vec![change(1, "a", "sending", "sent")]);
    let start = lambda::clock::instant();
    for (after, looked_for) in [(0, 1), (59, 1), (60, 2), (61, 2)] {
        let now = start + Duration::from_secs(after);
        announcer.announce(&records, now + LAST_PART, || now).await.unwrap();
        assert_eq!(*announcer.bus.looked_for.lock().unwrap(), looked_for, "after {after} s");
    }
}
