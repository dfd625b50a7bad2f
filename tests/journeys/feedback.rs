//! What SES tells of an email, from the feedback queue to what the API says of it.

use std::time::Duration;

use journeys::{
    Student, World,
    feedback::{sample, told_of},
    world::unique,
};
use serde_json::{Value, json};

const KINDS: [&str; 4] = ["delivered", "bounced", "complained", "rejected"];

/// Enrolls a student, waits for the email, and returns the course and the email's job.
async fn sent(world: &World, student: &Student) -> (String, String) {
    let course = world.open_course("What Became of It").await;
    let answer = world.enroll(student, &course).await;
    assert_eq!(answer.status, 201, "{:?}", answer.body);
    world.email_state(student, &course, "sent").await;
    let job = answer.body["data"]["enrollment"]["id"]
        .as_str()
        .expect("an enrollment has an id")
        .to_owned();
    (course, job)
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn an_email_moves_on_by_what_is_told_of_it_and_never_back() {
    let world = World::open().await;
    let student = Student::named("Ada Lovelace");
    let (course, job) = sent(&world, &student).await;
    let sent = world.email_state(&student, &course, "sent").await;

    world.tell(&[told_of("delivered", &job, &student)]).await;
    let email = world.email_state(&student, &course, "delivered").await;
    assert_eq!(email["feedback_at"], "2026-11-23T09:30:02.318Z");
    assert_eq!(email["feedback"], Value::Null);
    // The worker knew these first.
    assert_eq!(email["ses_message_id"], sent["ses_message_id"]);
    assert_eq!(email["sent_at"], sent["sent_at"]);
    assert!(world.suppression(&student.email).await.is_none());

    world.tell(&[told_of("bounced", &job, &student)]).await;
    let email = world.email_state(&student, &course, "bounced").await;
    assert_eq!(email["feedback"], "Permanent/General");
    let suppression = world.suppression(&student.email).await.expect("it bounced for good");
    assert_eq!(suppression["cause"].as_s().unwrap(), "bounce");
    assert!(!format!("{suppression:?}").contains(&student.email));

    // Again, and too late.
    let late = ["bounced", "delivered", "delivered"].map(|kind| told_of(kind, &job, &student));
    world.tell(&late).await;
    world.feedback_is_taken(&job).await;
    assert_eq!(world.email_state(&student, &course, "bounced").await, email);

    world.only_email_to(&student.email).await;
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn the_order_of_events_does_not_matter() {
    let world = World::open().await;
    for order in [["delivered", "bounced", "complained"], ["complained", "bounced", "delivered"]] {
        let student = Student::named("Grace Hopper");
        let (course, job) = sent(&world, &student).await;
        for kind in order {
            world.tell(&[told_of(kind, &job, &student)]).await;
            world.feedback_is_taken(&job).await;
        }
        let email = world.email_state(&student, &course, "complained").await;
        assert_eq!(email["feedback"], "abuse");
        let suppression = world.suppression(&student.email).await.expect("they complained");
        assert_eq!(suppression["cause"].as_s().unwrap(), "complaint");
    }
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn what_ses_threw_away_is_rejected_and_suppresses_nobody() {
    let world = World::open().await;
    let student = Student::named("Barbara Liskov");
    let (course, job) = sent(&world, &student).await;

    world.tell(&[told_of("rejected", &job, &student)]).await;

    let email = world.email_state(&student, &course, "rejected").await;
    assert_eq!(email["feedback"], "Bad content");
    assert!(world.suppression(&student.email).await.is_none());
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn a_poison_event_takes_nothing_with_it_and_is_not_lost() {
    let world = World::open().await;
    let (ada, alan) = (Student::named("Ada"), Student::named("Alan"));
    let (adas, adas_job) = sent(&world, &ada).await;
    let (alans, alans_job) = sent(&world, &alan).await;
    let poison = unique("poison");

    world
        .tell(&[
            told_of("delivered", &adas_job, &ada),
            json!({"detail": {"eventType": "Bounce", "of": poison}}).to_string(),
            told_of("delivered", &alans_job, &alan),
            // About an email that the ledger does not know: there is nothing to give back.
            told_of("delivered", &unique("unknown"), &alan),
        ])
        .await;

    world.email_state(&ada, &adas, "delivered").await;
    world.email_state(&alan, &alans, "delivered").await;
    for mention in [&adas_job, &alans_job, &alan.email] {
        world.feedback_is_taken(mention).await;
    }
    // It comes again until its queue has enough of it: then it is a dead letter.
    world.feedback_is_given_back(&poison).await;
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn what_is_no_event_ends_in_the_dead_letter_queue() {
    let world = World::open_alone().await;
    let poison = unique("poison");
    // What is given back comes back at once, in place of after minutes.
    let queue = world.stack.output("EmailFeedbackQueueUrl");
    world
        .with_visibility_timeout(queue, Duration::from_secs(1), async || {
            world.tell(&[format!("not an event: {poison}")]).await;
            world.feedback_is_dead(&poison).await;
        })
        .await;
    world.feedback_is_taken(&poison).await;
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn the_rule_takes_what_is_told_of_this_stacks_emails_and_nothing_else() {
    let world = World::open().await;
    let pattern = world.feedback_pattern().await;
    let takes = async |event: &Value| world.pattern_takes(&pattern, event).await;
    let set = "ses:configuration-set";
    // What the worker sends by.
    let ours = &world.stack.function_environment["SES_CONFIGURATION_SET"];
    for kind in KINDS {
        let mut event = sample(kind);
        assert!(!takes(&event).await, "{kind} of another configuration set");
        event["detail"]["mail"]["tags"][set] = json!([ours]);
        assert!(takes(&event).await, "{kind}");

        for (field, other) in [("source", "registrar"), ("detail-type", "Email Opened")] {
            let mut event = event.clone();
            event[field] = json!(other);
            assert!(!takes(&event).await, "{kind} with another {field}");
        }
    }
}
