//! What an operator of payments does, with only the permissions of the template's policy.

use journeys::{
    DeployedStack, Signer, Student,
    operator::{AWS_FAILED, CommandOutput, NEEDS_PERSON, registrar_as},
    payments::{self, Stripe},
};
use serde_json::{Value, json};
use stripe::testing::Fault;

/// The exit code if the action does not fit the enrollment.
const REFUSED: u8 = 2;

async fn act(stack: &DeployedStack, args: &[&str]) -> CommandOutput {
    let args = [&["enrollment"], args].concat();
    registrar_as(stack, &stack.description.payments_operator, &args).await
}

async fn shown(stack: &DeployedStack, student: &Student, course: &str) -> Value {
    let output = act(stack, &["show", &student.id, course, "--json"]).await;
    output.expect_without("@");
    serde_json::from_str(&output.out).expect("one JSON object")
}

async fn create_priced_course(stack: &DeployedStack) -> String {
    let course = json!({"title": "Operated", "price": 4900, "currency": "USD", "state": "open"});
    stack.create_course(course).await
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn student_is_unenrolled_with_a_refund_and_buys_again() {
    let stack = DeployedStack::exclusive().await;
    let (stripe, course) = (Stripe::of(&stack), create_priced_course(&stack).await);
    let student = Student::named("Ada Lovelace");
    assert_eq!(stack.buy(&student, &course, payments::PAYS).await.status, 201);
    stack.wait_for_email_state(&student, &course, "sent").await;

    let end = ["unenroll", &student.id, &course, "--refund", "full", "--reason", "asked by phone"];
    let nameless = act(&stack, &end).await;
    nameless.expect(REFUSED, &[]);
    assert!(nameless.err.contains("the current one is 1"), "{nameless:?}");
    let end = [&end[..], &["--attempt", "1"]].concat();
    act(&stack, &end).await.expect(0, &["the resumer pays back the charge"]);
    // The schedule may have run the resumer.
    act(&stack, &end).await.expect(0, &["nothing to do: the enrollment is `refund"]);

    stack.run_resumer().await;
    let counts = stripe.counts(&student);
    assert_eq!((counts.kept, counts.refunds), (0, 1));
    assert_eq!(stack.enrollment(&student, &course).await["enrollment"]["state"], "refunded");
    let again = stack.buy(&student, &course, payments::PAYS).await;
    assert_eq!(again.status, 201, "{:?}", again.body);
    assert_eq!(stripe.counts(&student).kept, 1);
    let late = act(&stack, &end).await;
    late.expect(REFUSED, &[]);
    assert!(late.err.contains("the current payment attempt is 2, not 1"), "{late:?}");
    assert_eq!(stack.enrollment(&student, &course).await["enrollment"]["state"], "active");

    let shown = shown(&stack, &student, &course).await;
    let [entry] = &shown["history"].as_array().expect("a history")[..] else { panic!("{shown}") };
    assert_eq!(entry["what"], "unenrolled_with_refund", "{shown}");
    assert_eq!((&entry["attempt"], &entry["reason"]), (&json!(1), &json!("asked by phone")));
    assert!(entry["by"].as_str().is_some_and(|by| by.contains("payments-operator")), "{shown}");
    assert_eq!(shown["payment"]["attempt"], 2, "{shown}");
    let kinds: Vec<_> = shown["emails"].as_array().expect("emails").iter().collect();
    assert!(kinds.iter().any(|email| email["kind"] == "refund_notice"), "{shown}");
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn email_is_corrected_and_resent_to_the_new_address() {
    let stack = DeployedStack::exclusive().await;
    let course = stack.create_free_course("Misspelled").await;
    let student = Student::named("Ada Lovelace");
    let right = Student::named("Ada King").email;
    assert_eq!(stack.enroll(&student, &course).await.status, 201);
    stack.wait_for_email_to(&student.email).await;

    let place = [student.id.as_str(), course.as_str()];
    let correct = [&["correct"], &place[..], &["--email", &right, "--reason", "a typo"]].concat();
    act(&stack, &correct).await.expect(0, &["address_corrected"]).expect_without("@");
    act(&stack, &correct).await.expect(0, &["nothing to do"]);
    let resend = [&["resend"], &place[..], &["--reason", "a typo"]].concat();
    act(&stack, &resend).await.expect(0, &["the email is enqueued within a minute"]);
    stack.run_resumer().await;
    stack.wait_for_email_to(&right).await;
    stack.only_email_to(&right).await;
    stack.only_email_to(&student.email).await;

    act(&stack, &["show", place[0], place[1]])
        .await
        .expect(0, &["address_corrected", "email_resent", "a typo"])
        .expect_without("@");
    act(&stack, &["show", place[0], place[1], "--personal"]).await.expect(0, &[&right]);
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn unfinished_payment_is_retried_and_an_enrollment_that_is_stuck_is_resolved() {
    let stack = DeployedStack::exclusive().await;
    let (stripe, course) = (Stripe::of(&stack), create_priced_course(&stack).await);
    let student = Student::named("Grace Hopper");
    let place = [student.id.as_str(), course.as_str()];
    let retry = ["retry", place[0], place[1]];
    act(&stack, &retry).await.expect(REFUSED, &[]);

    // Charged, and the response is lost.
    stripe.fail(&student, Fault::SilenceAfter, "POST", "/v1/payment_intents/*/confirm");
    let response = stack.buy(&student, &course, payments::PAYS).await;
    assert_eq!(response.status, 503, "{:?}", response.body);
    // The item is no longer what was agreed. It is due a minute after it began.
    stack.change_agreed_price(&student, &course, 100).await;
    act(&stack, &retry).await.expect(0, &["due now", "payment_pending"]);
    stack.run_resumer().await;
    let why = [&["show"], &place[..]].concat();
    act(&stack, &why).await.expect(NEEDS_PERSON, &["stuck (amount_differs)", "attempt 1"]);
    let refused = act(&stack, &retry).await;
    refused.expect(REFUSED, &[]);
    assert!(refused.err.contains("resolve it"), "{refused:?}");
    act(&stack, &["list", "--stuck"]).await.expect(0, &[&student.id, "amount_differs"]);

    let fail = [&["resolve"], &place[..], &["--fail", "--reason", "not paid, it seems"]].concat();
    act(&stack, &fail).await.expect(0, &["the resumer carries it out"]);
    stack.run_resumer().await;
    act(&stack, &why).await.expect(NEEDS_PERSON, &["not_failed", "by resumer"]);
    let grant = [&["resolve"], &place[..], &["--grant", "--reason", "it is paid"]].concat();
    act(&stack, &grant).await.expect(0, &["the resumer carries it out"]);
    act(&stack, &grant).await.expect(0, &["nothing to do"]);
    stack.run_resumer().await;
    assert_eq!(stack.enrollment(&student, &course).await["enrollment"]["state"], "active");
    assert_eq!(stripe.counts(&student).kept, 1);
    stack.wait_for_email_to(&student.email).await;
    stack.only_email_to(&student.email).await;
    act(&stack, &grant).await.expect(0, &["nothing to do: the enrollment is `active`"]);
    act(&stack, &retry).await.expect(REFUSED, &[]);
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn access_is_granted_without_a_payment_and_ended_again() {
    let stack = DeployedStack::exclusive().await;
    let (stripe, course) = (Stripe::of(&stack), create_priced_course(&stack).await);
    let student = Student::named("Joan Clarke");
    let place = [student.id.as_str(), course.as_str()];
    let grant = [&["grant"], &place[..], &["--reason", "a scholarship"]].concat();
    let nameless = act(&stack, &grant).await;
    nameless.expect(REFUSED, &[]);
    assert!(nameless.err.contains("the name and the address are needed"), "{nameless:?}");
    let details = ["--name", &student.name, "--email", &student.email];
    act(&stack, &[&grant[..], &details].concat()).await.expect(0, &["the student has access"]);
    stack.run_resumer().await;
    stack.wait_for_email_to(&student.email).await;
    let end = [&["unenroll"], &place[..], &["--reason", "it was for a year"]].concat();
    act(&stack, &end).await.expect(0, &["nothing is paid back"]);
    assert_eq!(stack.enrollment(&student, &course).await["enrollment"]["state"], "unenrolled");
    let bought = stack.buy(&student, &course, payments::PAYS).await;
    assert_eq!(bought.status, 201, "{:?}", bought.body);
    assert_eq!(stripe.counts(&student).kept, 1);
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn route_of_operators_acts_and_names_its_caller() {
    let stack = DeployedStack::shared().await;
    let course = stack.create_free_course("By Route").await;
    let student = Student::named("Hedy Lamarr");
    assert_eq!(stack.enroll(&student, &course).await.status, 201);
    let credentials = stack.description.payments_operator.clone();
    let signer = Signer { credentials, ..stack.caller.clone() };
    let path = format!("/operator/enrollments/{course}");
    let body = json!({"student_id": student.id, "action": "unenroll", "reason": "asked by phone"});
    for changed in [true, false] {
        let response = stack.call(&signer, "POST", &path, body.to_string()).await;
        assert_eq!(response.status, 200, "{:?}", response.body);
        assert_eq!(response.body["data"]["changed"], changed, "{:?}", response.body);
    }
    let shown = shown(&stack, &student, &course).await;
    assert_eq!(shown["history"][0]["what"], "unenrolled", "{shown}");
    let by = shown["history"][0]["by"].as_str().expect("somebody");
    assert!(by.contains("payments-operator"), "{shown}");
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn other_operators_change_no_enrollment_and_this_one_handles_no_emails() {
    let stack = DeployedStack::shared().await;
    let course = stack.create_free_course("Not Theirs").await;
    let student = Student::named("Annie Easley");
    assert_eq!(stack.enroll(&student, &course).await.status, 201);
    let place = [student.id.as_str(), course.as_str()];
    let end = [&["enrollment", "unenroll"], &place[..], &["--reason", "not allowed"]].concat();
    let description = stack.description;
    for credentials in [
        &description.email_operator,
        &description.reader,
        &description.operator,
        &description.caller,
    ] {
        let output = registrar_as(&stack, credentials, &end).await;
        output.expect(AWS_FAILED, &[]);
        let err = output.err.to_lowercase().replace(' ', "");
        assert!(err.contains("accessdenied"), "{output:?}");
    }
    assert_eq!(stack.enrollment(&student, &course).await["enrollment"]["state"], "active");
    for command in [&["dead-letters", "list"][..], &["holds"], &["suppressions", "list"]] {
        let output = registrar_as(&stack, &description.payments_operator, command).await;
        output.expect(AWS_FAILED, &[]);
    }
}
