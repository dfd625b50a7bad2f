use serde_json::{Value, json};

use super::*;

/// An entry as it is stored.
fn entry(state: &str, more: Value) -> Written {
    let mut entry = json!({
        "job_id": "a-1", "state": state, "attempts": 1, "template": "enrollment-confirmation",
        "recipient": "a digest", "content_digest": "another", "claim_token": "t", "expires_at": 7,
        "first_attempt_at": "1970-01-01T00:00:00Z", "last_attempt_at": "1970-01-01T00:00:00Z",
    });
    entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(entry).unwrap()
}

fn sending() -> Written {
    entry("sending", json!({}))
}

fn accepted(state: &str, feedback: Option<(&str, &str)>) -> Written {
    let mut more = json!({"sent_at": "1970-01-01T00:00:01Z", "ses_message_id": "m-1"});
    if let Some((at, words)) = feedback {
        more["feedback_at"] = json!(at);
        more["feedback"] = json!(words);
    }
    entry(state, more)
}

fn dead(state: &str, at: &str) -> Written {
    entry(state, json!({"failed_at": at, "error_code": "expired", "reason": "to ada@example.com"}))
}

fn kinds(old: Option<&Written>, new: &Written) -> Vec<Kind> {
    announcements(old, new).into_iter().map(|said| said.kind).collect()
}

fn id(old: &Written, new: &Written) -> String {
    announcements(Some(old), new).remove(0).id
}

const DELIVERY: Option<(&str, &str)> = Some(("1970-01-01T00:00:02Z", ""));
const REPLY: Option<(&str, &str)> = Some(("1970-01-01T00:00:03Z", "Transient/General"));
const BOUNCE: Option<(&str, &str)> = Some(("1970-01-01T00:00:04Z", "Permanent/General"));

#[test]
fn each_state_has_its_event_once() {
    let (sending, sent) = (sending(), accepted("sent", None));
    assert_eq!(kinds(None, &sending), [], "a claim");
    assert_eq!(kinds(Some(&sending), &sending), []);
    assert_eq!(kinds(Some(&sending), &sent), [Kind::Sent]);
    for (state, kind) in [
        ("delivered", Kind::Delivered),
        ("bounced", Kind::Bounced),
        ("rejected", Kind::Rejected),
        ("complained", Kind::Complained),
    ] {
        let next = accepted(state, DELIVERY);
        assert_eq!(kinds(Some(&sent), &next), [kind]);
        assert_eq!(kinds(Some(&next), &next), [], "a write that changes something else");
        assert_eq!(
            kinds(Some(&sending), &next),
            [Kind::Sent, kind],
            "its acceptance was not written"
        );
    }
    for (state, kind) in
        [("failed", Kind::Dead), ("unknown", Kind::Dead), ("suppressed", Kind::Suppressed)]
    {
        let next = dead(state, "1970-01-01T00:00:05Z");
        assert_eq!(kinds(Some(&sending), &next), [kind]);
        assert_eq!(kinds(Some(&next), &sending), [], "redriven");
        assert_eq!(kinds(Some(&next), &sent), [Kind::Sent], "it was sent after all");
    }
}

#[test]
fn every_state_but_those_of_a_claim_and_of_a_forgotten_student_is_announced() {
    for state in State::ALL {
        let new = entry(state.name(), json!({}));
        // That a student is forgotten is nobody else's business.
        let is_silent = matches!(state, State::Sending | State::Forgotten);
        assert_eq!(kinds(Some(&sending()), &new).is_empty(), is_silent, "{state:?}");
    }
}

#[test]
fn bounce_that_replaces_an_automatic_reply_is_announced_too() {
    let (reply, bounce) = (accepted("bounced", REPLY), accepted("bounced", BOUNCE));
    let [said] = &announcements(Some(&reply), &bounce)[..] else { panic!() };
    assert_eq!((said.kind, said.cause.as_deref()), (Kind::Bounced, Some("Permanent/General")));
    assert_ne!(said.id, id(&accepted("sent", None), &reply));
    assert_eq!(kinds(Some(&bounce), &accepted("complained", DELIVERY)), [Kind::Complained]);
}

#[test]
fn second_death_of_a_job_has_another_id_and_a_repetition_has_not() {
    let first = dead("failed", "1970-01-01T00:00:05Z");
    let second = dead("failed", "1970-01-01T00:00:09Z");
    assert_eq!(id(&sending(), &first), "a-1:email.dead:1970-01-01T00:00:05Z");
    assert_eq!(id(&sending(), &first), id(&sending(), &first));
    assert_ne!(id(&sending(), &first), id(&sending(), &second));
}

#[test]
fn event_has_these_fields_and_no_other() {
    let bounce = accepted("bounced", BOUNCE);
    let said = announcements(Some(&accepted("sent", None)), &bounce).remove(0);
    let expected = json!({
        "id": "a-1:email.bounced:1970-01-01T00:00:04Z",
        "job_id": "a-1",
        "state": "bounced",
        "template": "enrollment-confirmation",
        "attempts": 1,
        "ses_message_id": "m-1",
        "at": "1970-01-01T00:00:04Z",
        "cause": "Permanent/General",
    });
    assert_eq!(serde_json::to_value(said).unwrap(), expected);
    let said = announcements(None, &dead("failed", "1970-01-01T00:00:05Z")).remove(0);
    let text = serde_json::to_string(&said).unwrap();
    assert!(!text.contains('@') && text.contains(r#""cause":"expired""#), "{text}");
}
