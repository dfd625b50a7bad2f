//! Whom not to write to, and what to do where nobody knows whether an email was sent.

use journeys::{
    Student, World,
    faults::{Faults, Service::Ses},
    feedback::told_of,
    world::unique,
};
use serde_json::json;

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn a_recipient_who_bounced_is_not_written_to_until_ses_would() {
    let world = World::open_alone().await;
    let faults = Faults::before(&world.stack.endpoint);
    let student = Student::named("Nobody There");
    let job = |id: &str| {
        json!({"v": 1, "id": id, "to": student.email, "subject": "Again", "text": "Hello."})
            .to_string()
    };
    world.tell(&[told_of("bounced", &unique("job"), &student)]).await;
    world.feedback_is_taken(&student.email).await;
    let listed = json!({"SuppressedDestination": {
        "EmailAddress": student.email, "Reason": "BOUNCE", "LastUpdateTime": 1_780_000_000,
    }});
    faults.rule(Ses, "GetSuppressedDestination").answer(200, listed);

    let worker = world.stack.output("EmailWorkerFunctionName");
    world
        .with_environment(worker, &faults.environment(), async || {
            let suppressed = unique("job");
            world.enqueue(job(&suppressed)).await;
            let letter = world.dead_letter(&suppressed).await;
            assert_eq!(letter.attribute("error_code"), "suppressed");
            assert_eq!(letter.attribute("attempts"), "1");
            assert!(!letter.attribute("first_attempt_at").is_empty());
            assert!(faults.sends().is_empty(), "it cost a permit");

            // The local AWS lists nobody, as SES does once the address was taken off its list.
            faults.lift_all();
            world.enqueue(job(&unique("job"))).await;
            world.email_to(&student.email).await;
            world.only_email_to(&student.email).await;
            assert!(world.suppression(&student.email).await.is_none(), "the copy stays");
        })
        .await;
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn at_most_once_an_email_whose_answer_was_lost_is_parked_until_ses_tells_of_it() {
    let world = World::open_alone().await;
    let faults = Faults::before(&world.stack.endpoint);
    let course = world.open_course("Once at Most").await;
    let student = Student::named("Ada Lovelace");
    faults.rule(Ses, "SendEmail").mentioning(&student.email).after().cut();

    let worker = world.stack.output("EmailWorkerFunctionName");
    let mut environment = faults.environment();
    environment.push(("AT_MOST_ONCE_TEMPLATES", "enrollment-confirmation"));
    let answer = world
        .with_environment(worker, &environment, async || {
            let answer = world.enroll(&student, &course).await;
            assert_eq!(answer.status, 201, "{:?}", answer.body);
            world.email_state(&student, &course, "unknown").await;
            answer
        })
        .await;

    let letter = world.dead_letter(&student.email).await;
    assert_eq!(letter.attribute("error_code"), "outcome_unknown");
    world.only_email_to(&student.email).await;
    let job = answer.body["data"]["enrollment"]["id"].as_str().expect("it has an id");
    world.tell(&[told_of("delivered", job, &student)]).await;
    world.email_state(&student, &course, "delivered").await;
    assert_eq!(faults.sends().len(), 1);
}
