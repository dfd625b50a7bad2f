use email::suppression::SuppressionCause;
use proptest::prelude::*;
use serde_json::json;

use super::*;

const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

fn parse(body: &str) -> Result<Parsed, MalformedEvent> {
    super::parse(body, NOW)
}

/// The body of the one message of a sample in events/.
fn sample(name: &str) -> Value {
    let path = format!("{}/../../events/feedback-{name}.json", env!("CARGO_MANIFEST_DIR"));
    let event: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    serde_json::from_str(event["Records"][0]["body"].as_str().unwrap()).unwrap()
}

/// A sample's body after a change.
fn changed(name: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut body = sample(name);
    change(&mut body);
    body.to_string()
}

fn read(body: &str) -> Feedback {
    match parse(body).unwrap() {
        Parsed::Feedback { feedback, unreadable: 0 } => feedback,
        other => panic!("{other:?}"),
    }
}

fn addresses_of(feedback: &Feedback) -> Vec<&str> {
    feedback.recipients.iter().map(EmailAddress::as_str).collect()
}

fn at(text: &str) -> OffsetDateTime {
    OffsetDateTime::parse(text, &Rfc3339).unwrap()
}

#[test]
fn a_delivery_is_read() {
    let feedback = read(&sample("delivered").to_string());
    assert_eq!(feedback.event, Event::Delivered);
    assert_eq!(feedback.job_id.as_ref().unwrap().as_str(), "01936a1e-7c4d-7a10-9f3e-5b2d8c6e4f01");
    assert!(feedback.ses_message_id.ends_with("-000000"));
    assert_eq!(feedback.sent_at, at("2026-11-23T09:30:00.887Z"));
    assert_eq!(feedback.at, at("2026-11-23T09:30:02.318Z"));
    assert_eq!(addresses_of(&feedback), ["ada@example.com"]);
    assert_eq!(feedback.event.suppresses(), None);
}

#[test]
fn acceptance_is_read() {
    let feedback = read(&sample("sent").to_string());
    assert_eq!(feedback.event, Event::Sent);
    assert_eq!(feedback.job_id.as_ref().unwrap().as_str(), "01936a1e-7c4d-7a10-9f3e-5b2d8c6e4f05");
    assert_eq!((feedback.sent_at, feedback.at), (at("2026-11-23T09:30:00.887Z"), feedback.sent_at));
    assert_eq!(addresses_of(&feedback), ["ada@example.com"]);
    assert_eq!((feedback.event.suppresses(), feedback.event.detail()), (None, None));
}

#[test]
fn absurd_dates_are_taken() {
    for (text, taken) in [
        ("0000-01-01T00:00:00Z", at("0000-01-01T00:00:00Z")),
        ("9999-12-31T23:59:59.999Z", at("9999-12-31T23:59:59.999Z")),
        ("1601-01-01T00:00:00Z", at("1601-01-01T00:00:00Z")),
        ("2026-11-23T11:30:02+02:00", at("2026-11-23T09:30:02Z")),
        // Not times at all, or beyond what RFC 3339 can write in UTC.
        ("0000-01-01T00:00:00+23:59", NOW),
        ("9999-12-31T23:59:59-23:59", NOW),
        ("2026-02-31T00:00:00Z", NOW),
        ("yesterday", NOW),
        ("", NOW),
    ] {
        let feedback = read(&changed("complained", |body| {
            body["detail"]["complaint"]["timestamp"] = json!(text);
            body["detail"]["mail"]["timestamp"] = json!(text);
        }));
        assert_eq!((feedback.at, feedback.sent_at), (taken, taken), "{text:?}");
    }
}

#[test]
fn encoded_tag_and_byte_order_mark_are_read() {
    for (tag, id) in
        [("b64-cmVjZWlwdC40Mg", "receipt.42"), ("receipt.42", "receipt.42"), ("a-1", "a-1")]
    {
        let body = changed("delivered", |body| {
            body["detail"]["mail"]["tags"]["job_id"] = json!([tag]);
        });
        for body in [format!("\u{feff}{body}"), body] {
            assert_eq!(read(&body).job_id.unwrap().as_str(), id);
        }
    }
}

#[test]
fn a_bounce_is_read() {
    let feedback = read(&sample("bounced").to_string());
    let detail = "Permanent/General".to_owned();
    assert_eq!(feedback.event, Event::Bounced { for_good: true, detail });
    assert_eq!(feedback.at, at("2026-11-23T09:30:03.102Z"));
    assert_eq!(addresses_of(&feedback), ["grace@example.com"]);
    assert_eq!(feedback.event.suppresses(), Some(SuppressionCause::Bounce));
}

#[test]
fn a_complaint_is_read() {
    let feedback = read(&sample("complained").to_string());
    assert_eq!(feedback.event, Event::Complained { detail: "abuse".to_owned() });
    assert_eq!(feedback.at, at("2026-11-23T10:05:41Z"));
    assert_eq!(addresses_of(&feedback), ["edsger@example.com"]);
    assert_eq!(feedback.event.suppresses(), Some(SuppressionCause::Complaint));
}

#[test]
fn a_rejection_is_read() {
    let feedback = read(&sample("rejected").to_string());
    assert_eq!(feedback.event, Event::Rejected { detail: "Bad content".to_owned() });
    assert_eq!(feedback.at, at("2026-11-23T09:30:01Z"), "when EventBridge got it");
    assert_eq!(addresses_of(&feedback), ["barbara@example.com"]);
    assert_eq!(feedback.event.suppresses(), None);
}

#[test]
fn only_a_permanent_bounce_is_for_good() {
    for (kind, subtype, for_good) in [
        ("Permanent", "General", true),
        ("Permanent", "NoEmail", true),
        ("Permanent", "Suppressed", true),
        ("Permanent", "OnAccountSuppressionList", true),
        ("Transient", "General", false),
        ("Transient", "MailboxFull", false),
        ("Transient", "MessageTooLarge", false),
        ("Undetermined", "Undetermined", false),
        ("Another", "Kind", false),
    ] {
        let feedback = read(&changed("bounced", |body| {
            body["detail"]["bounce"]["bounceType"] = json!(kind);
            body["detail"]["bounce"]["bounceSubType"] = json!(subtype);
        }));
        let detail = format!("{kind}/{subtype}");
        assert_eq!(feedback.event, Event::Bounced { for_good, detail });
    }
}

#[test]
fn a_complaint_needs_no_reason_and_a_correction_is_ignored() {
    let complaint = |kind: Value, subtype: Value| {
        parse(&changed("complained", |body| {
            body["detail"]["complaint"]["complaintFeedbackType"] = kind;
            body["detail"]["complaint"]["complaintSubType"] = subtype;
        }))
        .unwrap()
    };
    let detail = |parsed| match parsed {
        Parsed::Feedback { feedback, .. } => feedback.event.detail().unwrap().to_owned(),
        Parsed::Ignored => "ignored".to_owned(),
    };
    let listed = || json!("OnAccountSuppressionList");
    assert_eq!(detail(complaint(Value::Null, Value::Null)), "no reason given");
    assert_eq!(detail(complaint(Value::Null, listed())), "OnAccountSuppressionList");
    assert_eq!(detail(complaint(json!("abuse"), listed())), "abuse/OnAccountSuppressionList");
    assert_eq!(detail(complaint(json!("not-spam"), Value::Null)), "ignored");
}

#[test]
fn other_kinds_are_ignored_whatever_their_content() {
    for kind in ["Open", "Click", "DeliveryDelay", "Rendering Failure", "Subscription", "New"] {
        let body = json!({"detail": {"eventType": kind, "mail": 7}}).to_string();
        assert_eq!(parse(&body), Ok(Parsed::Ignored), "{kind}");
    }
}

#[test]
fn an_email_without_a_valid_tag_has_no_job() {
    for tag in [Value::Null, json!([]), json!("text"), json!([7]), json!(["no id"])] {
        let feedback = read(&changed("bounced", |body| {
            body["detail"]["mail"]["tags"]["job_id"] = tag.clone();
        }));
        assert_eq!(feedback.job_id, None, "{tag}");
        assert_eq!(addresses_of(&feedback), ["grace@example.com"]);
    }
    let untagged = changed("bounced", |body| {
        body["detail"]["mail"].as_object_mut().unwrap().remove("tags");
    });
    assert_eq!(read(&untagged).job_id, None);
}

#[test]
fn a_bounce_of_a_forwarded_email_is_about_both_addresses() {
    let feedback = read(&changed("bounced", |body| {
        body["detail"]["bounce"]["bouncedRecipients"][0]["emailAddress"] = json!("g@example.org");
    }));
    assert_eq!(addresses_of(&feedback), ["g@example.org", "grace@example.com"]);
}

#[test]
fn with_several_recipients_only_those_that_bounced_are_named() {
    let feedback = read(&changed("bounced", |body| {
        body["detail"]["mail"]["destination"] = json!(["ada@example.com", "grace@example.com"]);
    }));
    assert_eq!(addresses_of(&feedback), ["grace@example.com"]);
}

#[test]
fn an_invalid_address_is_left_out_and_counted() {
    let body = changed("bounced", |body| {
        body["detail"]["bounce"]["bouncedRecipients"] = json!([
            {"emailAddress": "ünïcode@example.com"},
            {"emailAddress": "grace@example.com"},
            {"emailAddress": 7},
            {},
        ]);
    });
    let Ok(Parsed::Feedback { feedback, unreadable: 3 }) = parse(&body) else { panic!() };
    assert_eq!(addresses_of(&feedback), ["grace@example.com"]);
}

#[test]
fn each_error_names_the_field() {
    assert_eq!(
        parse("ada@example.com").unwrap_err().to_string(),
        "the body is not JSON (line 1, column 1)"
    );
    assert_eq!(parse("[]").unwrap_err().to_string(), "`detail.eventType` is missing");
    for (path, value, why) in [
        ("/detail/eventType", json!(7), "`detail.eventType` is not a string"),
        ("/detail/mail/messageId", Value::Null, "`detail.mail.messageId` is missing"),
        ("/detail/mail/timestamp", Value::Null, "`detail.mail.timestamp` is missing"),
        ("/detail/mail/destination", Value::Null, "`detail.mail.destination` is missing"),
        ("/detail/bounce", json!("ada@example.com"), "`detail.bounce.bounceType` is missing"),
        ("/detail/bounce/timestamp", json!(1), "`detail.bounce.timestamp` is not a string"),
        (
            "/detail/bounce/bouncedRecipients",
            json!("ada@example.com"),
            "`detail.bounce.bouncedRecipients` is not a list",
        ),
    ] {
        let body = changed("bounced", |body| *body.pointer_mut(path).unwrap() = value);
        assert_eq!(parse(&body).unwrap_err().to_string(), why);
    }
}

#[test]
fn every_sample_is_read() {
    let folder = format!("{}/../../events", env!("CARGO_MANIFEST_DIR"));
    let mut kinds = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if let Some(name) = path.file_stem().unwrap().to_str().unwrap().strip_prefix("feedback-") {
            let feedback = read(&sample(name).to_string());
            assert_eq!(feedback.event.state().name(), name);
            kinds.push(name.to_owned());
        }
    }
    kinds.sort();
    assert_eq!(kinds, ["bounced", "complained", "delivered", "rejected", "sent"]);
}

/// Any JSON, with the names and some of the values of real events in it.
fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<i32>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        prop::sample::select(vec![
            "Bounce",
            "Delivery",
            "secret@example.com",
            "2026-11-23T09:30:02Z"
        ])
        .prop_map(Value::from),
    ];
    let names = prop::sample::select(vec![
        "detail",
        "eventType",
        "mail",
        "bounce",
        "timestamp",
        "messageId",
        "destination",
        "tags",
        "bounceType",
        "bouncedRecipients",
        "emailAddress",
        "delivery",
        "recipients",
        "job_id",
    ]);
    leaf.prop_recursive(5, 40, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(names.clone().prop_map(str::to_owned), inner, 0..8)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_body_parses_without_a_panic_and_errors_repeat_no_value(text in ".{0,200}", json in json_value(), nested: bool) {
        let body = if nested { json!({"detail": json}).to_string() } else { json.to_string() };
        for body in [text, body] {
            if let Err(error) = parse(&body) {
                prop_assert!(error.to_string().len() < 80 && !error.to_string().contains("secret"));
            }
        }
    }

    #[test]
    fn any_part_of_an_event_may_be_anything(kind in 0..4_usize, place in 0..200_usize, value in json_value()) {
        let mut body = sample(["delivered", "bounced", "complained", "rejected", "sent"][kind]);
        let mut places = Vec::new();
        collect(&body, &mut String::new(), &mut places);
        let place = &places[place % places.len()];
        *body.pointer_mut(place).unwrap() = value;
        if let Err(error) = parse(&body.to_string()) {
            prop_assert!(!error.to_string().contains('@'));
        }
    }
}

/// The JSON pointers of all values but the whole.
fn collect(value: &Value, at: &mut String, places: &mut Vec<String>) {
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.replace('/', "~1"), value)).collect()
        }
        Value::Array(items) => {
            items.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect()
        }
        _ => Vec::new(),
    };
    for (name, value) in inner {
        let length = at.len();
        at.push('/');
        at.push_str(&name);
        places.push(at.clone());
        collect(value, at, places);
        at.truncate(length);
    }
}
