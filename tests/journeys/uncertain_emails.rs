//! Emails that must not be sent, and emails with an unknown outcome.

use std::time::Duration;

use journeys::{
    DeployedStack, Student,
    faults::{Faults, Service::Ses},
    feedback::feedback_event,
    unique_id,
};
use serde_json::{Value, json};

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn job_for_a_bounced_recipient_is_suppressed_until_ses_removes_the_suppression() {
    let stack = DeployedStack::exclusive().await;
    let faults = Faults::in_front_of(&stack.description.endpoint);
    let student = Student::named("Nobody There");
    let job = |id: &str| {
        json!({"v": 1, "id": id, "to": student.email, "subject": "Again", "text": "Hello."})
            .to_string()
    };
    let course = stack.create_free_course("Nobody There").await;
    stack.put_feedback(&[feedback_event("bounced", &unique_id("job"), &student)]).await;
    stack.wait_until_feedback_is_handled(&student.email).await;
    let listed = json!({"SuppressedDestination": {
        "EmailAddress": student.email, "Reason": "BOUNCE", "LastUpdateTime": 1_780_000_000,
    }});
    faults.rule(Ses, "GetSuppressedDestination").respond(200, listed);

    let worker = stack.output("EmailWorkerFunctionName");
    stack
        .with_environment(worker, &faults.environment(), async || {
            let response = stack.enroll(&student, &course).await;
            assert_eq!(response.status, 201, "{:?}", response.body);
            let email = stack.wait_for_email_state(&student, &course, "suppressed").await;
            assert!(email["reason"].as_str().unwrap().contains("bounced"), "{email}");
            assert!(!email["failed_at"].is_null());
            stack.wait_until_not_queued(&student.email).await;
            assert!(faults.sends().is_empty(), "the suppressed job used a permit");

            // The local AWS lists no address. So it responds like SES after the address was removed from the list.
            faults.lift_all();
            stack.enqueue(job(&unique_id("job"))).await;
            stack.wait_for_email_to(&student.email).await;
            stack.only_email_to(&student.email).await;
            assert!(
                stack.suppression(&student.email).await.is_none(),
                "the suppression was not removed"
            );
        })
        .await;
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn at_most_once_email_whose_response_was_lost_is_unknown_until_a_feedback_event() {
    let stack = DeployedStack::exclusive().await;
    let faults = Faults::in_front_of(&stack.description.endpoint);
    let course = stack.create_free_course("At Most Once").await;
    let student = Student::named("Ada Lovelace");
    faults.rule(Ses, "SendEmail").mentioning(&student.email).after().cut();
    // An error of the server is not a refusal either.
    let other = Student::named("Grace Hopper");
    let send = faults.rule(Ses, "SendEmail").mentioning(&other.email).after();
    send.error(500, "InternalFailure", "SES has failed.");

    let worker = stack.output("EmailWorkerFunctionName");
    let mut environment = faults.environment();
    environment.push(("AT_MOST_ONCE_TEMPLATES", "enrollment-confirmation"));
    let response = stack
        .with_environment(worker, &environment, async || {
            let response = stack.enroll(&student, &course).await;
            assert_eq!(response.status, 201, "{:?}", response.body);
            stack.wait_for_email_state(&student, &course, "unknown").await;
            assert_eq!(stack.enroll(&other, &course).await.status, 201);
            stack.wait_for_email_state(&other, &course, "unknown").await;
            response
        })
        .await;

    let letter = stack.take_dead_letter(&student.email).await;
    assert_eq!(letter.attribute("error_code"), "outcome_unknown");
    stack.only_email_to(&student.email).await;
    let letter = stack.take_dead_letter(&other.email).await;
    assert_eq!(letter.attribute("error_code"), "outcome_unknown");
    stack.only_email_to(&other.email).await;
    let job = response.body["data"]["enrollment"]["id"].as_str().expect("it has an id");
    stack.put_feedback(&[feedback_event("delivered", job, &student)]).await;
    stack.wait_for_email_state(&student, &course, "delivered").await;
    assert_eq!(faults.sends().len(), 2);
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn send_event_settles_an_attempt_whose_response_was_lost() {
    let stack = DeployedStack::exclusive().await;
    let faults = Faults::in_front_of(&stack.description.endpoint);
    let course = stack.create_free_course("At Least Once").await;
    let student = Student::named("Ada Lovelace");
    faults.rule(Ses, "SendEmail").mentioning(&student.email).after().cut();

    let worker = stack.output("EmailWorkerFunctionName");
    stack
        .with_environment(worker, &faults.environment(), async || {
            let response = stack.enroll(&student, &course).await;
            assert_eq!(response.status, 201, "{:?}", response.body);
            // Less than the queue's own visibility timeout: the worker has returned it.
            stack.wait_until_job_is_postponed(&student.email, Duration::from_mins(3)).await;
            let email = stack.wait_for_email_state(&student, &course, "sending").await;
            assert_eq!(email["unanswered"], 1);

            let job = response.body["data"]["enrollment"]["id"].as_str().expect("it has an id");
            stack.put_feedback(&[feedback_event("sent", job, &student)]).await;
            let email = stack.wait_for_email_state(&student, &course, "sent").await;
            assert_eq!((&email["unanswered"], &email["feedback_at"]), (&Value::Null, &Value::Null));
        })
        .await;
    stack.only_email_to(&student.email).await;
    assert_eq!(faults.sends().len(), 1);
}
