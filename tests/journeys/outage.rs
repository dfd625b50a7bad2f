//! What a broken dependency costs, and what it does not.

use std::time::Duration;

use journeys::{Student, World};

/// Nothing listens there.
const NOWHERE: &str = "http://127.0.0.1:1";

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn without_the_queue_a_student_is_enrolled_all_the_same() {
    let world = World::open_alone().await;
    let course = world.open_course("While SQS Is Away").await;
    let (before, during, after) =
        (Student::named("Before"), Student::named("During"), Student::named("After"));
    assert_eq!(world.enroll(&before, &course).await.status, 201);

    let function = world.stack.output("EnrollFunctionName");
    let answer = world
        .with_environment(function, &[("AWS_ENDPOINT_URL_SQS", NOWHERE)], async || {
            world.enroll(&during, &course).await
        })
        .await;

    assert_eq!(answer.status, 201, "{:?}", answer.body);
    assert_eq!(answer.body["data"]["enrollment"]["state"], "active");
    let item = world.enrollment_item(&during, &course).await;
    assert!(item.contains_key("resume_at"), "nothing would finish {item:?}");
    assert!(item.contains_key("resume_shard"), "the index does not list {item:?}");

    assert_eq!(world.enroll(&after, &course).await.status, 201);
    world.email_to(&after.email).await;
    assert!(world.emails_to(&during.email).await.is_empty(), "the queue was not away");
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn without_the_provider_an_email_waits_and_is_then_sent_once() {
    let world = World::open_alone().await;
    let course = world.open_course("While SES Is Away").await;
    let student = Student::named("Ada Lovelace");

    let function = world.stack.output("EmailWorkerFunctionName");
    world
        .with_environment(function, &[("AWS_ENDPOINT_URL_SESV2", NOWHERE)], async || {
            assert_eq!(world.enroll(&student, &course).await.status, 201);
            // The first back-off is half a minute. Left to the queue, it would be six.
            world.job_is_put_off(&student.email, Duration::from_mins(1)).await;
        })
        .await;

    world.email_to(&student.email).await;
    world.only_email_to(&student.email).await;
    world.email_state(&student, &course, "sent").await;
}
