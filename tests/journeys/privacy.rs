//! What is kept about a student: exported with only the permissions of the template's policy, and for how long.

use journeys::{
    DeployedStack, Student,
    feedback::feedback_event,
    operator::{AWS_FAILED, CommandOutput, registrar_as},
    payments::{self, Stripe},
    unique_id,
};
use serde_json::{Value, json};
use time::OffsetDateTime;

async fn act(stack: &DeployedStack, args: &[&str]) -> CommandOutput {
    registrar_as(stack, &stack.description.privacy_operator, args).await
}

async fn create_priced_course(stack: &DeployedStack) -> String {
    let course = json!({"title": "Private", "price": 4900, "currency": "USD", "state": "open"});
    stack.create_course(course).await
}

/// A job of another producer to the student.
fn job_to(student: &Student) -> String {
    let id = unique_id("receipt");
    json!({"v": 1, "id": id, "to": student.email, "subject": "A receipt", "text": "Plain text."})
        .to_string()
}

/// A message on each queue that keeps messages, and a suppression in the stack. The local AWS has no suppression list of
/// SES: every address is unknown to it.
async fn leave_traces(stack: &DeployedStack, student: &Student) {
    stack.put_dead_letter(job_to(student)).await;
    let event = feedback_event("bounced", &unique_id("job"), student);
    for queue in ["EmailFeedbackDeadLetterQueueUrl", "EmailFeedbackRuleDeadLetterQueueUrl"] {
        stack.put_message(stack.output(queue), &event).await;
    }
    stack.put_feedback(&[event]).await;
    stack.wait_until_feedback_is_handled(&student.email).await;
}

async fn exported(stack: &DeployedStack, student: &Student) -> Value {
    let output = act(stack, &["export", &student.id]).await;
    serde_json::from_str(&output.out).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn rows<'a>(document: &'a Value, field: &str) -> &'a [Value] {
    document[field].as_array().unwrap_or_else(|| panic!("no {field} in {document}"))
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn export_has_everything_about_a_student_and_nothing_about_another() {
    let stack = DeployedStack::exclusive().await;
    let _stripe = Stripe::of(&stack);
    let (free, priced) =
        (stack.create_free_course("Exported").await, create_priced_course(&stack).await);
    let (student, other) = (Student::named("Ada Lovelace"), Student::named("Grace Hopper"));
    for one in [&student, &other] {
        assert_eq!(stack.enroll(one, &free).await.status, 201);
        assert_eq!(stack.buy(one, &priced, payments::PAYS).await.status, 201);
        stack.wait_for_email_state(one, &free, "sent").await;
        stack.wait_for_email_state(one, &priced, "sent").await;
        // Until its message is deleted, it would be missed.
        stack.wait_until_not_queued(&one.email).await;
        stack.put_dead_letter(job_to(one)).await;
    }
    leave_traces(&stack, &student).await;

    let document = exported(&stack, &student).await;
    assert_eq!(document["format"], "registrar-export/1");
    assert_eq!(document["addresses"], json!([student.email]));
    assert_eq!(document["missed"], json!([]), "{document}");
    let enrollments = rows(&document, "enrollments");
    assert_eq!(enrollments.len(), 2, "{document}");
    assert!(enrollments.iter().all(|each| each["name"] == "Ada Lovelace"), "{document}");
    let paid = enrollments.iter().find(|each| each["course_id"] == priced.as_str());
    assert_eq!(paid.expect("the priced course")["payment"]["price"], 4900, "{document}");
    let emails = rows(&document, "emails");
    assert_eq!(emails.len(), 2, "{document}");
    assert!(emails.iter().all(|each| each["state"] == "sent"), "{document}");
    let [suppression] = rows(&document, "suppressions") else { panic!("{document}") };
    assert_eq!(suppression["in_stack"]["cause"], "bounce", "{document}");
    let mut queues: Vec<_> =
        rows(&document, "messages").iter().map(|each| &each["queue"]).collect();
    queues.sort_by_key(ToString::to_string);
    let expected =
        ["dead_delivery_events", "dead_letters", "dead_letters", "undelivered_delivery_events"];
    assert_eq!(queues, expected, "{document}");
    let text = document.to_string();
    assert!(!text.contains(&other.id) && !text.contains("Grace"), "{document}");

    let unknown = act(&stack, &["export", &unique_id("nobody")]).await;
    unknown.expect(0, &["\"enrollments\": []"]);
    assert!(unknown.err.contains("nothing is kept about this student"), "{unknown:?}");

    stack.take_dead_letters("@example.com").await;
    for queue in ["EmailFeedbackDeadLetterQueueUrl", "EmailFeedbackRuleDeadLetterQueueUrl"] {
        stack.purge(stack.output(queue)).await;
    }
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn forgotten_student_leaves_no_trace_and_may_enroll_anew() {
    let stack = DeployedStack::exclusive().await;
    let stripe = Stripe::of(&stack);
    let course =
        json!({"title": "Seated", "price": 0, "currency": "USD", "state": "open", "seats": 1});
    let (free, priced) = (stack.create_course(course).await, create_priced_course(&stack).await);
    let student = Student::named(&unique_id("Ada"));
    assert_eq!(stack.enroll(&student, &free).await.status, 201);
    assert_eq!(stack.buy(&student, &priced, payments::PAYS).await.status, 201);
    for course in [&free, &priced] {
        stack.wait_for_email_state(&student, course, "sent").await;
    }
    stack.wait_until_not_queued(&student.email).await;
    leave_traces(&stack, &student).await;
    assert!(!stack.traces_of(&student).await.is_empty());

    let asked = ["forget", &student.id, "--reason", "asked by letter", "--suppressions"];
    let planned = act(&stack, &asked).await;
    planned.expect(0, &["deleted", "kept under a pseudonym", "nothing was changed"]);
    planned.expect_without("@");
    assert_eq!(rows(&exported(&stack, &student).await, "enrollments").len(), 2);
    let done = [&asked[..], &["--yes"]].concat();
    act(&stack, &done).await.expect(0, &["erased", "suppressions lifted"]).expect_without("@");
    assert_eq!(stack.traces_of(&student).await, [] as [String; 0]);
    act(&stack, &done).await.expect(0, &[]);

    // Late news of the payment finds it under the pseudonym.
    let event = stripe.event(&student, "payment_intent.succeeded");
    assert_eq!(stack.deliver(&event).await.status, 200);
    assert_eq!(stripe.counts(&student).refunds, 0, "the charge is accounted for");
    assert_eq!(stack.enroll(&student, &free).await.status, 201, "its seat is free");
    assert_eq!(stack.buy(&student, &priced, payments::PAYS).await.status, 201);
    stack.wait_until_not_queued(&student.email).await;
    assert_eq!(stack.emails_to(&student.email).await.len(), 4, "two before and two now");
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn enrollment_that_is_over_expires_and_a_later_payment_keeps_it() {
    let stack = DeployedStack::exclusive().await;
    let _stripe = Stripe::of(&stack);
    let (course, student) = (create_priced_course(&stack).await, Student::named("Joan Clarke"));
    let enroll = stack.output("EnrollFunctionName");
    stack
        .with_environment(enroll, &[("ENROLLMENT_RETENTION_DAYS", "40")], async || {
            let expiry = async || {
                let item = stack.enrollment_item(&student, &course).await;
                item.get("expires_at").map(|at| at.as_n().expect("a number").parse::<i64>())
            };
            let declined = stack.buy(&student, &course, payments::DECLINED).await;
            assert_eq!(declined.status, 402, "{:?}", declined.body);
            let at = expiry().await.expect("an expiry").expect("seconds since 1970");
            let days = (at - OffsetDateTime::now_utc().unix_timestamp()) / (24 * 60 * 60);
            assert!((39..=40).contains(&days), "{days}");
            let paid = stack.buy(&student, &course, payments::PAYS).await;
            assert_eq!(paid.status, 201, "{:?}", paid.body);
            assert_eq!(expiry().await, None);
        })
        .await;
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn other_operators_export_and_forget_nothing() {
    let stack = DeployedStack::shared().await;
    let student = Student::named("Annie Easley");
    let description = &stack.description;
    for credentials in [
        &description.caller,
        &description.operator,
        &description.email_operator,
        &description.payments_operator,
        &description.reader,
    ] {
        for command in [&["export"][..], &["forget", "--yes", "--reason", "not allowed"]] {
            let output =
                registrar_as(&stack, credentials, &[command, &[&student.id]].concat()).await;
            output.expect(AWS_FAILED, &[]);
            assert_eq!(output.out, "", "{output:?}");
            let err = output.err.to_lowercase().replace(' ', "");
            assert!(err.contains("accessdenied"), "{output:?}");
        }
    }
}
