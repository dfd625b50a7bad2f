//! SES's events about an email, from the feedback queue to the API's responses.

use std::time::Duration;

use journeys::{
    DeployedStack, Student,
    feedback::{feedback_event, sample_event},
    unique_id,
};
use serde_json::{Value, json};

const KINDS: [&str; 5] = ["sent", "delivered", "bounced", "complained", "rejected"];

/// Enrolls a student, waits for the email, and returns the ids of the course and of the email's job.
async fn enroll_and_send(stack: &DeployedStack, student: &Student) -> (String, String) {
    let course = stack.create_free_course("Feedback").await;
    let response = stack.enroll(student, &course).await;
    assert_eq!(response.status, 201, "{:?}", response.body);
    stack.wait_for_email_state(student, &course, "sent").await;
    let job = response.body["data"]["enrollment"]["id"]
        .as_str()
        .expect("an enrollment has an id")
        .to_owned();
    (course, job)
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn feedback_event_moves_an_email_forward_and_never_back() {
    let stack = DeployedStack::shared().await;
    let student = Student::named("Ada Lovelace");
    let (course, job) = enroll_and_send(&stack, &student).await;
    let sent = stack.wait_for_email_state(&student, &course, "sent").await;

    stack.put_feedback(&[feedback_event("delivered", &job, &student)]).await;
    let email = stack.wait_for_email_state(&student, &course, "delivered").await;
    assert_eq!(email["feedback_at"], "2026-11-23T09:30:02.318Z");
    assert_eq!(email["feedback"], Value::Null);
    // The worker wrote these fields, and the event does not change them.
    assert_eq!(email["ses_message_id"], sent["ses_message_id"]);
    assert_eq!(email["sent_at"], sent["sent_at"]);
    assert!(stack.suppression(&student.email).await.is_none());

    stack.put_feedback(&[feedback_event("bounced", &job, &student)]).await;
    let email = stack.wait_for_email_state(&student, &course, "bounced").await;
    assert_eq!(email["feedback"], "Permanent/General");
    let suppression =
        stack.suppression(&student.email).await.expect("a permanent bounce suppresses");
    assert_eq!(suppression["cause"].as_s().unwrap(), "bounce");
    assert!(!format!("{suppression:?}").contains(&student.email));

    // Repeated and late events.
    let late =
        ["bounced", "delivered", "delivered"].map(|kind| feedback_event(kind, &job, &student));
    stack.put_feedback(&late).await;
    stack.wait_until_feedback_is_handled(&job).await;
    assert_eq!(stack.wait_for_email_state(&student, &course, "bounced").await, email);

    stack.only_email_to(&student.email).await;
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn feedback_events_in_any_order_have_the_same_result() {
    let stack = DeployedStack::shared().await;
    for order in [["delivered", "bounced", "complained"], ["complained", "bounced", "delivered"]] {
        let student = Student::named("Grace Hopper");
        let (course, job) = enroll_and_send(&stack, &student).await;
        for kind in order {
            stack.put_feedback(&[feedback_event(kind, &job, &student)]).await;
            stack.wait_until_feedback_is_handled(&job).await;
        }
        let email = stack.wait_for_email_state(&student, &course, "complained").await;
        assert_eq!(email["feedback"], "abuse");
        let suppression = stack.suppression(&student.email).await.expect("a complaint suppresses");
        assert_eq!(suppression["cause"].as_s().unwrap(), "complaint");
    }
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn email_that_ses_discarded_is_rejected_and_suppresses_nobody() {
    let stack = DeployedStack::shared().await;
    let student = Student::named("Barbara Liskov");
    let (course, job) = enroll_and_send(&stack, &student).await;

    stack.put_feedback(&[feedback_event("rejected", &job, &student)]).await;

    let email = stack.wait_for_email_state(&student, &course, "rejected").await;
    assert_eq!(email["feedback"], "Bad content");
    assert!(stack.suppression(&student.email).await.is_none());
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn poison_event_is_returned_and_does_not_stop_its_batch() {
    let stack = DeployedStack::shared().await;
    let (ada, alan) = (Student::named("Ada"), Student::named("Alan"));
    let (adas, adas_job) = enroll_and_send(&stack, &ada).await;
    let (alans, alans_job) = enroll_and_send(&stack, &alan).await;
    let poison = unique_id("poison");

    stack
        .put_feedback(&[
            feedback_event("delivered", &adas_job, &ada),
            json!({"detail": {"eventType": "Bounce", "of": poison}}).to_string(),
            feedback_event("delivered", &alans_job, &alan),
            // For an email that is not in the ledger. It is handled, not returned.
            feedback_event("delivered", &unique_id("unknown"), &alan),
        ])
        .await;

    stack.wait_for_email_state(&ada, &adas, "delivered").await;
    stack.wait_for_email_state(&alan, &alans, "delivered").await;
    for mention in [&adas_job, &alans_job, &alan.email] {
        stack.wait_until_feedback_is_handled(mention).await;
    }
    // SQS delivers it again until its receive count makes it a dead letter.
    stack.wait_until_feedback_is_returned(&poison).await;
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn message_that_is_not_an_event_becomes_a_dead_letter() {
    let stack = DeployedStack::exclusive().await;
    let poison = unique_id("poison");
    // A message that is returned is visible again after a second instead of minutes.
    let queue = stack.output("EmailFeedbackQueueUrl");
    stack
        .with_visibility_timeout(queue, Duration::from_secs(1), async || {
            stack.put_feedback(&[format!("not an event: {poison}")]).await;
            stack.wait_for_feedback_dead_letter(&poison).await;
        })
        .await;
    stack.wait_until_feedback_is_handled(&poison).await;
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn event_rule_matches_only_feedback_about_emails_of_this_stack() {
    let stack = DeployedStack::shared().await;
    let pattern = stack.feedback_pattern().await;
    let matches = async |event: &Value| stack.pattern_matches(&pattern, event).await;
    let set = "ses:configuration-set";
    // The worker sends with this configuration set.
    let ours = &stack.description.function_environment["SES_CONFIGURATION_SET"];
    for kind in KINDS {
        let mut event = sample_event(kind);
        assert!(!matches(&event).await, "{kind} of another configuration set");
        event["detail"]["mail"]["tags"][set] = json!([ours]);
        assert!(matches(&event).await, "{kind}");

        for (field, other) in [("source", "registrar"), ("detail-type", "Email Opened")] {
            let mut event = event.clone();
            event[field] = json!(other);
            assert!(!matches(&event).await, "{kind} with another {field}");
        }
    }
}
