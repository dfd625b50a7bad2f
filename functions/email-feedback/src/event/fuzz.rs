//! Any bytes on the queue of delivery events. The committed inputs are in `__fuzz__/event/corpus`; `make fuzz` looks
//! for more.

use bolero::check;
use email::{feedback::Feedback, text::without_byte_order_mark};
use serde_json::{Value, json};
use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

use super::{Parsed, parse};

const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

#[test]
fn event_fits_the_ledger_whatever_its_form_or_its_error_names_the_cause() {
    check!(name = "event").with_iterations(500).for_each(|bytes: &[u8]| {
        // SQS carries only text.
        let Ok(body) = std::str::from_utf8(bytes) else { return };
        let json = serde_json::from_str::<Value>(without_byte_order_mark(body));
        match (parse(body, NOW), json) {
            (Ok(parsed), Ok(json)) => {
                if let Parsed::Feedback { feedback, .. } = &parsed {
                    check_feedback(feedback);
                }
                assert_eq!(parse(&in_another_form(json), NOW), Ok(parsed));
            }
            (Err(why), Ok(json)) => check_error(&why.to_string(), json),
            (Err(why), Err(_)) => assert!(why.to_string().starts_with("the body is not JSON")),
            (Ok(parsed), Err(why)) => panic!("{parsed:?} of a body that is not JSON: {why}"),
        }
    });
}

/// The ledger keeps times as texts, and the suppressions one entry per recipient.
fn check_feedback(feedback: &Feedback) {
    for at in [feedback.at, feedback.sent_at] {
        let written = at.format(&Rfc3339).unwrap();
        assert_eq!(OffsetDateTime::parse(&written, &Rfc3339), Ok(at));
        assert_eq!(at.offset(), UtcOffset::UTC);
    }
    for (index, recipient) in feedback.recipients.iter().enumerate() {
        assert_eq!(recipient.as_str().parse().as_ref(), Ok(recipient));
        assert!(!feedback.recipients[..index].contains(recipient));
    }
}

/// The same event with a byte order mark, other white space, and fields that SES may add.
fn in_another_form(mut json: Value) -> String {
    for place in ["", "/detail", "/detail/mail"] {
        if let Some(Value::Object(fields)) = json.pointer_mut(place) {
            fields.insert("a new field".to_owned(), json!(["ada@example.com"]));
        }
    }
    format!("\u{feff}{json:#}")
}

/// The field that the error names is its cause: with a right value there, the event has another result.
fn check_error(why: &str, mut json: Value) {
    let field = why.split('`').nth(1).unwrap();
    let mut place = &mut json;
    for name in field.split('.') {
        if !place.is_object() {
            *place = json!({});
        }
        place = &mut place[name];
    }
    let is_list =
        ["destination", "Recipients", "recipients"].iter().any(|end| field.ends_with(end));
    // Every text of the contract may be a time.
    *place = if is_list { json!([]) } else { json!("2026-11-25T04:22:30Z") };
    let other = parse(&json.to_string(), NOW).err().map(|why| why.to_string());
    assert_ne!(other.as_deref(), Some(why));
}
