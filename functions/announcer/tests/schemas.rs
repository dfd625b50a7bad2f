//! The schemas in docs/events/ and the events that are sent.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::{collections::BTreeSet, fs};

use announcer::{
    event::{Event, Tables, events},
    event_bus::SOURCE,
    record::{Batch, Record},
};
use email::ledger::State;
use enrollment::{Enrollment, enrollment::EnrollmentState};
use jsonschema::Validator;
use serde_json::{Value, json};

fn read(path: &str) -> Value {
    let path = format!("{}/../../{path}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap()
}

fn validator(name: &str) -> Validator {
    let schema = read(&format!("docs/events/{name}.schema.json"));
    jsonschema::draft202012::meta::validate(&schema).expect("it is a schema");
    jsonschema::draft202012::options().should_validate_formats(true).build(&schema).unwrap()
}

/// The kinds that a schema lists.
fn kinds(name: &str) -> BTreeSet<String> {
    let schema = read(&format!("docs/events/{name}.schema.json"));
    let kinds = schema["properties"]["detail-type"]["enum"].as_array().unwrap();
    kinds.iter().map(|kind| kind.as_str().unwrap().to_owned()).collect()
}

/// As EventBridge delivers it (EventBridge User Guide, "AWS service events delivered via EventBridge").
fn delivered(event: &Event) -> Value {
    json!({
        "version": "0", "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718", "account": "123456789012",
        "time": "2026-11-29T09:12:00Z", "region": "us-east-1", "resources": [event.table_arn],
        "source": SOURCE, "detail-type": event.kind,
        "detail": serde_json::from_str::<Value>(&event.detail).unwrap(),
    })
}

fn tables() -> Tables {
    Tables { enrollments: "enrollments".to_owned(), emails: "emails".to_owned() }
}

fn sample(name: &str) -> Vec<Record> {
    serde_json::from_value::<Batch>(read(&format!("events/{name}.json"))).unwrap().records
}

/// The events of a write, with the other fields of the sample's record.
fn written(record: &Record, old: Option<Value>, new: Value) -> Vec<Event> {
    let image = |item: Value| Some(serde_dynamo::to_item(item).unwrap());
    let mut record = record.clone();
    record.change.old_image = old.and_then(image);
    record.change.new_image = image(new);
    events(&tables(), &record).unwrap()
}

/// Every event fits the schema, and would not with one field more.
fn check(validator: &Validator, events: &[Event]) -> BTreeSet<String> {
    for event in events {
        let mut event = delivered(event);
        if let Err(error) = validator.validate(&event) {
            panic!("{event:#}: {error}");
        }
        event["detail"]["name"] = json!("Ada");
        assert!(!validator.is_valid(&event), "{event:#}");
    }
    events.iter().map(|event| event.kind.to_owned()).collect()
}

#[test]
fn samples_give_these_events() {
    let of = |name: &str| -> Vec<Event> {
        sample(name).iter().flat_map(|record| events(&tables(), record).unwrap()).collect()
    };
    let ids = |events: &[Event]| events.iter().map(|event| event.id.clone()).collect::<Vec<_>>();
    let enrollments = of("announce-enrollments");
    let id = "01a21304-1630-7215-83f8-bf1567ec447e";
    assert_eq!(ids(&enrollments), [format!("{id}:1:enrollment.activated")]);
    check(&validator("enrollment"), &enrollments);
    let emails = of("announce-emails");
    let expected = ["email.sent:2026-11-29T09:12:03Z", "email.bounced:2026-11-29T09:12:05Z"];
    assert_eq!(ids(&emails), expected.map(|rest| format!("{id}:{rest}")));
    check(&validator("email"), &emails);
    for event in [enrollments, emails].concat() {
        assert!(!format!("{event:?}").contains("ada@"), "{event:?}");
        assert!(!event.detail.contains("Ada") && !event.detail.contains("pi_1"), "{event:?}");
        assert_eq!(event.subject, id);
    }
}

#[test]
fn every_event_about_an_enrollment_fits_its_schema() {
    const STATES: [EnrollmentState; 7] = [
        EnrollmentState::Active,
        EnrollmentState::PaymentPending,
        EnrollmentState::PaymentFailed,
        EnrollmentState::Refunding,
        EnrollmentState::Refunded,
        EnrollmentState::Stuck,
        EnrollmentState::Unenrolled,
    ];
    let record = &sample("announce-enrollments")[1];
    let image = record.change.new_image.clone().unwrap();
    let paid: Enrollment = serde_dynamo::from_item(image).unwrap();
    let granted = Enrollment { payment: None, ..paid.clone() };
    let validator = validator("enrollment");
    let mut seen = BTreeSet::new();
    for (from, to) in STATES.into_iter().flat_map(|from| STATES.map(|to| (from, to))) {
        let needs_payment =
            |state| matches!(state, EnrollmentState::PaymentFailed | EnrollmentState::Refunded);
        for enrollment in [&paid, &granted] {
            if enrollment.payment.is_none() && needs_payment(to) {
                continue;
            }
            let old = json!(Enrollment { state: from, version: 3, ..enrollment.clone() });
            let mut new = json!(Enrollment { state: to, version: 4, ..enrollment.clone() });
            seen.extend(check(&validator, &written(record, None, new.clone())));
            seen.extend(check(&validator, &written(record, Some(old.clone()), new.clone())));
            if enrollment.payment.is_some() {
                new["payment"]["refund"] = json!({
                    "attempt": 1, "started_at": "2026-11-29T09:12:00Z", "id": "re_1", "status": "succeeded",
                });
                seen.extend(check(&validator, &written(record, Some(old), new)));
            }
        }
    }
    assert_eq!(seen, kinds("enrollment"));
}

#[test]
fn every_event_about_an_email_fits_its_schema() {
    let record = &sample("announce-emails")[2];
    let image = record.change.new_image.clone().unwrap();
    let full: Value = serde_dynamo::from_item(image).unwrap();
    let validator = validator("email");
    let mut seen = BTreeSet::new();
    for (from, to) in State::ALL.into_iter().flat_map(|from| State::ALL.map(|to| (from, to))) {
        let entry = |state: State| {
            let mut entry = full.clone();
            entry["state"] = json!(state);
            if matches!(state, State::Failed | State::Unknown | State::Suppressed) {
                entry["failed_at"] = json!("2026-11-29T09:12:07.25Z");
                entry["error_code"] = json!("expired");
            }
            entry
        };
        let bare = json!({"job_id": "a-1", "state": to});
        seen.extend(check(&validator, &written(record, None, entry(to))));
        seen.extend(check(&validator, &written(record, None, bare)));
        seen.extend(check(&validator, &written(record, Some(entry(from)), entry(to))));
    }
    assert_eq!(seen, kinds("email"));
}

#[test]
fn schemas_refuse_what_is_not_sent() {
    for (name, sample_name, index) in
        [("enrollment", "announce-enrollments", 1), ("email", "announce-emails", 1)]
    {
        let validator = validator(name);
        let event = events(&tables(), &sample(sample_name)[index]).unwrap().remove(0);
        let refused = |change: &dyn Fn(&mut Value)| {
            let mut event = delivered(&event);
            change(&mut event);
            assert!(!validator.is_valid(&event), "{event:#}");
        };
        refused(&|event| event["source"] = json!("aws.ses"));
        refused(&|event| event["detail-type"] = json!("enrollment.paused"));
        refused(&|event| event["detail"]["state"] = json!("payment_pending"));
        refused(&|event| event["detail"]["id"] = json!("7"));
        refused(&|event| drop(event["detail"].as_object_mut().unwrap().remove("id")));
    }
}
