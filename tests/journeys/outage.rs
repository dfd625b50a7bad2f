//! Outages of SQS and of SES, and their effect on enrollments and emails.

use std::time::Duration;

use journeys::{DeployedStack, Student};

/// Refuses connections.
const NOWHERE: &str = "http://127.0.0.1:1";

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn student_during_an_outage_of_sqs_is_enrolled() {
    let stack = DeployedStack::exclusive().await;
    let course = stack.create_free_course("While SQS Is Down").await;
    let (before, during, after) =
        (Student::named("Before"), Student::named("During"), Student::named("After"));
    assert_eq!(stack.enroll(&before, &course).await.status, 201);

    let function = stack.output("EnrollFunctionName");
    let response = stack
        .with_environment(function, &[("AWS_ENDPOINT_URL_SQS", NOWHERE)], async || {
            stack.enroll(&during, &course).await
        })
        .await;

    assert_eq!(response.status, 201, "{:?}", response.body);
    assert_eq!(response.body["data"]["enrollment"]["state"], "active");
    let item = stack.enrollment_item(&during, &course).await;
    assert!(item.contains_key("resume_at"), "the resumer would not finish {item:?}");
    assert!(item.contains_key("resume_shard"), "the item is not in the index: {item:?}");

    assert_eq!(stack.enroll(&after, &course).await.status, 201);
    stack.wait_for_email_to(&after.email).await;
    assert!(stack.emails_to(&during.email).await.is_empty(), "SQS was not down");
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn email_during_an_outage_of_ses_waits_and_is_sent_once_after_it() {
    let stack = DeployedStack::exclusive().await;
    let course = stack.create_free_course("While SES Is Down").await;
    let student = Student::named("Ada Lovelace");

    let function = stack.output("EmailWorkerFunctionName");
    stack
        .with_environment(function, &[("AWS_ENDPOINT_URL_SESV2", NOWHERE)], async || {
            assert_eq!(stack.enroll(&student, &course).await.status, 201);
            // The first back-off is half a minute. The visibility timeout would be six minutes.
            stack.wait_until_job_is_postponed(&student.email, Duration::from_mins(1)).await;
        })
        .await;

    stack.wait_for_email_to(&student.email).await;
    stack.only_email_to(&student.email).await;
    stack.wait_for_email_state(&student, &course, "sent").await;
}
