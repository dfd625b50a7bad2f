//! What other systems learn from the event bus.

use std::{fs, sync::LazyLock};

use journeys::{
    DeployedStack, Student,
    announcements::Listener,
    eventually,
    faults::{Faults, Service::EventBridge},
    feedback::feedback_event,
    operator::registrar_as,
    payments::{self, Stripe},
};
use jsonschema::Validator;
use serde_json::{Value, json};

static SCHEMAS: LazyLock<[Validator; 2]> = LazyLock::new(|| {
    ["enrollment", "email"].map(|name| {
        let path = format!("{}/../docs/events/{name}.schema.json", env!("CARGO_MANIFEST_DIR"));
        let schema = serde_json::from_str(&fs::read_to_string(path).expect("a schema"));
        jsonschema::draft202012::new(&schema.expect("JSON")).expect("a schema")
    })
});

/// Each event fits its schema, belongs to the enrollment, and says nothing about the person.
async fn hear(
    stack: &DeployedStack,
    listener: &Listener,
    student: &Student,
    id: &str,
    kinds: &[&str],
) -> Vec<Value> {
    let events = stack.hear(listener, id, kinds).await;
    for event in &events {
        assert!(SCHEMAS.iter().any(|schema| schema.is_valid(event)), "{event:#}");
        let text = event.to_string();
        assert!(!text.contains(&student.email) && !text.contains(&student.name), "{event:#}");
    }
    events
}

fn of_enrollment(events: &[Value]) -> impl Iterator<Item = &Value> {
    events.iter().map(|event| &event["detail"]).filter(|detail| detail["version"].is_u64())
}

fn id_of(response: &journeys::HttpResponse) -> String {
    let id = response.body["data"]["enrollment"]["id"].as_str();
    id.unwrap_or_else(|| panic!("{:?}", response.body)).to_owned()
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn free_enrollment_and_what_becomes_of_its_email_are_announced() {
    let stack = DeployedStack::exclusive().await;
    let listener = stack.listen().await;
    let (course, student) = (stack.create_free_course("Heard of").await, Student::named("Ada L."));
    let enrolled = stack.enroll(&student, &course).await;
    let id = id_of(&enrolled);
    stack.wait_for_email_state(&student, &course, "sent").await;
    hear(&stack, &listener, &student, &id, &["enrollment.activated", "email.sent"]).await;

    stack.put_feedback(&[feedback_event("delivered", &id, &student)]).await;
    stack.wait_for_email_state(&student, &course, "delivered").await;
    stack.put_feedback(&[feedback_event("bounced", &id, &student)]).await;
    let kinds = ["enrollment.activated", "email.sent", "email.delivered", "email.bounced"];
    let events = hear(&stack, &listener, &student, &id, &kinds).await;

    let [activated, sent, _, bounced] = &events[..] else { panic!("{events:#?}") };
    assert_eq!(activated["detail"]["student_id"], json!(student.id));
    assert_eq!(activated["detail"]["state"], "active");
    assert_eq!(activated["detail"]["id"], json!(format!("{id}:0:enrollment.activated")));
    assert_eq!(sent["detail"]["job_id"], json!(id));
    assert_eq!(bounced["detail"]["cause"], "Permanent/General");
    stack.stop_listening(listener).await;
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn payments_refunds_and_the_end_of_access_are_announced_in_their_order() {
    let stack = DeployedStack::exclusive().await;
    let listener = stack.listen().await;
    let (_stripe, student) = (Stripe::of(&stack), Student::named("Grace H."));
    let course = json!({"title": "Sold", "price": 4900, "currency": "USD", "state": "open"});
    let course = stack.create_course(course).await;
    let declined = stack.buy(&student, &course, payments::DECLINED).await;
    assert_eq!(declined.status, 402, "{:?}", declined.body);
    let bought = stack.buy(&student, &course, payments::PAYS).await;
    assert_eq!(bought.status, 201, "{:?}", bought.body);
    let id = id_of(&bought);
    stack.wait_for_email_state(&student, &course, "sent").await;
    let end =
        ["enrollment", "unenroll", &student.id, &course, "--refund", "full", "--attempt", "2"];
    let end = [&end[..], &["--reason", "asked by phone"]].concat();
    registrar_as(&stack, &stack.description.payments_operator, &end).await.expect(0, &[]);
    stack.run_resumer().await;

    // The events of the confirmation email and of the refund notice come between them.
    let kinds = [
        "enrollment.payment_failed",
        "enrollment.activated",
        "enrollment.unenrolled",
        "enrollment.refunded",
    ];
    let events = eventually("the refund", async || {
        let events = stack.events_heard(&listener, &id).await;
        let is_refund = |event: &Value| event["detail-type"] == "enrollment.refunded";
        events.iter().any(is_refund).then_some(events)
    })
    .await;
    let events: Vec<_> =
        events.into_iter().filter(|event| event["detail"]["version"].is_u64()).collect();
    let heard: Vec<_> = events.iter().map(|event| &event["detail-type"]).collect();
    assert_eq!(heard, kinds);
    let versions: Vec<_> =
        of_enrollment(&events).map(|detail| detail["version"].as_u64()).collect();
    assert!(versions.is_sorted(), "{versions:?}");
    let attempts: Vec<_> = of_enrollment(&events).map(|detail| &detail["attempt"]).collect();
    assert_eq!(attempts, [1, 2, 2, 2]);
    for event in &events {
        assert!(SCHEMAS[0].is_valid(event), "{event:#}");
        assert_eq!(
            (&event["detail"]["price"], &event["detail"]["currency"]),
            (&json!(4900), &json!("USD"))
        );
        assert!(!event.to_string().contains("asked by phone"), "{event:#}");
    }
    stack.stop_listening(listener).await;
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn events_that_the_bus_refuses_or_does_not_hear_arrive_later_and_in_their_order() {
    let stack = DeployedStack::exclusive().await;
    let listener = stack.listen().await;
    let faults = Faults::in_front_of(&stack.description.endpoint);
    let function = stack.output("AnnouncerFunctionName").to_owned();
    let course = stack.create_free_course("Refused").await;
    stack
        .with_environment(&function, &faults.environment(), async || {
            // Four attempts in two invocations: the first two are of one.
            let student = Student::named("Alan T.");
            let refusal = json!({"FailedEntryCount": 1, "Entries": [
                {"ErrorCode": "ThrottlingException", "ErrorMessage": "later"},
            ]});
            let rule = faults.rule(EventBridge, "PutEvents").mentioning(&student.id);
            let rule = rule.up_to(4).respond(200, refusal);
            let id = id_of(&stack.enroll(&student, &course).await);
            let kinds = ["enrollment.activated", "email.sent"];
            let events = eventually("both events", async || {
                let events = stack.events_heard(&listener, &id).await;
                (events.len() >= kinds.len()).then_some(events)
            })
            .await;
            // The email's events come by another stream, and do not wait.
            let mut heard: Vec<_> = events.iter().map(|event| &event["detail-type"]).collect();
            heard.sort_by_key(ToString::to_string);
            heard.dedup();
            assert_eq!(heard, ["email.sent", "enrollment.activated"], "{events:#?}");
            assert_eq!(rule.caught().len(), 4);

            faults.close(EventBridge).await;
            let student = Student::named("Barbara L.");
            let id = id_of(&stack.enroll(&student, &course).await);
            stack.wait_for_email_state(&student, &course, "sent").await;
            stack.put_feedback(&[feedback_event("delivered", &id, &student)]).await;
            stack.wait_for_email_state(&student, &course, "delivered").await;
            assert!(stack.events_heard(&listener, &id).await.is_empty());
            faults.open(EventBridge).await;
            let events = eventually("all three events", async || {
                let events = stack.events_heard(&listener, &id).await;
                (events.len() >= 3).then_some(events)
            })
            .await;
            let of_email: Vec<_> = events
                .iter()
                .map(|event| &event["detail-type"])
                .filter(|kind| kind.to_string().contains("email"))
                .collect();
            assert_eq!(of_email[..2], ["email.sent", "email.delivered"], "{events:#?}");
        })
        .await;
    stack.stop_listening(listener).await;
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn nothing_is_lost_to_a_bus_that_does_not_exist() {
    let stack = DeployedStack::exclusive().await;
    let course = stack.create_free_course("Unheard").await;
    let function = stack.output("AnnouncerFunctionName").to_owned();
    let student = Student::named("Joan C.");
    // The function reaches the bus again only when the listener is there: until then an event would be heard by nobody.
    let nowhere = [("AWS_ENDPOINT_URL_EVENTBRIDGE", "http://127.0.0.1:1")];
    let (id, listener) = stack
        .with_environment(&function, &nowhere, async || {
            let meanwhile = async || {
                let id = id_of(&stack.enroll(&student, &course).await);
                stack.wait_until_logged("announcer", "\"the event bus does not exist\"").await;
                id
            };
            // It is known for a minute that the bus exists. The change makes a new environment, which does not know it.
            let here = [("AWS_ENDPOINT_URL_EVENTBRIDGE", stack.description.endpoint.as_str())];
            let id = stack
                .without_event_bus(async || {
                    stack.with_environment(&function, &here, meanwhile).await
                })
                .await;
            (id, stack.listen().await)
        })
        .await;
    let events = eventually("both events", async || {
        let events = stack.events_heard(&listener, &id).await;
        (events.len() >= 2).then_some(events)
    })
    .await;
    assert!(of_enrollment(&events).count() >= 1, "{events:#?}");
    stack.stop_listening(listener).await;
}
