//! Payments that succeed, payments that fail, and crashes during a payment.

use journeys::{
    DeployedStack, Student, eventually,
    payments::{self, Stripe},
    processes,
};
use serde_json::{Value, json};
use stripe::testing::{Event, Fault};

const CREATE: &str = "/v1/payment_intents";
const CONFIRM: &str = "/v1/payment_intents/*/confirm";

/// The types of the events that are not ignored (docs/payments.md, "The webhook").
const READ_BY_STACK: [&str; 7] = [
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.canceled",
    "refund.failed",
    "charge.refunded",
    "charge.dispute.created",
    "charge.dispute.closed",
];

async fn create_priced_course(stack: &DeployedStack) -> String {
    let course = json!({"title": "Payments", "price": 4900, "currency": "USD", "state": "open"});
    stack.create_course(course).await
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn repeated_request_for_a_priced_course_charges_once() {
    let stack = DeployedStack::shared().await;
    let (stripe, course) = (Stripe::of(&stack), create_priced_course(&stack).await);
    let student = Student::named("Ada Lovelace");

    let (one, two) = tokio::join!(
        stack.buy(&student, &course, payments::PAYS),
        stack.buy(&student, &course, payments::PAYS),
    );
    let again = stack.buy(&student, &course, payments::PAYS).await;

    for response in [&one, &two, &again] {
        assert!([200, 201, 503].contains(&response.status), "{:?}", response.body);
    }
    assert!([one.status, two.status].contains(&201));
    assert_eq!(again.status, 200, "{:?}", again.body);
    let counts = stripe.counts(&student);
    assert_eq!((counts.intents, counts.confirmations, counts.kept), (1, 1, 1));
    assert_eq!(stack.enrollment(&student, &course).await["payment"]["price"], 4900);
    stack.wait_for_email_to(&student.email).await;
    stack.only_email_to(&student.email).await;
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn declined_card_is_402_with_a_reason_and_another_card_can_pay() {
    let stack = DeployedStack::shared().await;
    let (stripe, course) = (Stripe::of(&stack), create_priced_course(&stack).await);
    let student = Student::named("Grace Hopper");

    let declined = stack.buy(&student, &course, payments::DECLINED).await;
    assert_eq!(declined.status, 402);
    assert_eq!(declined.body["data"]["code"], "insufficient_funds");
    assert_eq!(declined.body["data"]["message"], "Your card has insufficient funds.");
    assert_eq!(stripe.counts(&student).kept, 0);

    let unknown = stack.buy(&student, &course, "pm_unknown").await;
    assert_eq!(unknown.status, 402);
    assert_eq!(unknown.body["data"]["code"], "payment_method_unknown");

    let paid = stack.buy(&student, &course, payments::PAYS).await;
    assert_eq!(paid.status, 201, "{:?}", paid.body);
    assert_eq!(stripe.counts(&student).kept, 1);
    stack.wait_for_email_to(&student.email).await;
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn price_that_the_student_did_not_agree_to_is_409_and_charges_nothing() {
    let stack = DeployedStack::shared().await;
    let (stripe, course) = (Stripe::of(&stack), create_priced_course(&stack).await);
    let student = Student::named("Joan Clarke");
    let shown = stack.call(&stack.caller, "GET", &format!("/courses/{course}"), "").await;
    assert_eq!(shown.body["data"]["course"]["price"], 4900);
    let mut request = student.enrollment_request(&course);
    request["payment_method"] = json!(payments::PAYS);
    request["price"] = json!(3900);
    request["currency"] = json!("USD");
    let differs = stack.call(&stack.caller, "POST", "/enrollments", request.to_string()).await;
    assert_eq!(differs.status, 409, "{:?}", differs.body);
    assert!(differs.body["data"]["price"].is_string());
    assert_eq!(stripe.counts(&student).intents, 0);
    request["price"] = json!(4900);
    let agreed = stack.call(&stack.caller, "POST", "/enrollments", request.to_string()).await;
    assert_eq!(agreed.status, 201, "{:?}", agreed.body);
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn payment_that_requires_the_students_action_is_completed_by_the_webhook() {
    let stack = DeployedStack::shared().await;
    let (stripe, course) = (Stripe::of(&stack), create_priced_course(&stack).await);
    let student = Student::named("Katherine Johnson");

    let first = stack.buy(&student, &course, payments::REQUIRES_ACTION).await;
    assert_eq!(first.status, 402);
    assert_eq!(first.body["data"]["payment"], "requires_action");
    assert!(first.body["data"]["client_secret"].is_string());

    stripe.authenticate(&student);
    let event = stripe.event(&student, "payment_intent.succeeded");
    let other_keys = r#"{"api_key":"sk_test_local","webhook_secret":"whsec_wrong"}"#;
    assert_eq!(stack.deliver_signed_with(&event, other_keys).await.status, 403);
    assert_eq!(stack.enrollment(&student, &course).await["enrollment"]["state"], "payment_pending");
    for _ in 0..2 {
        let response = stack.deliver(&event).await;
        assert_eq!(response.status, 200, "{:?}", response.body);
    }
    assert_eq!(stack.enrollment(&student, &course).await["enrollment"]["state"], "active");
    stack.wait_for_email_to(&student.email).await;
    stack.only_email_to(&student.email).await;
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn payment_that_requires_the_students_action_is_completed_by_an_event_of_the_partner_bus() {
    let stack = DeployedStack::shared().await;
    let (stripe, course) = (Stripe::of(&stack), create_priced_course(&stack).await);
    let student = Student::named("Mary Jackson");
    assert_eq!(stack.buy(&student, &course, payments::REQUIRES_ACTION).await.status, 402);
    stripe.authenticate(&student);
    let event = stripe.event(&student, "payment_intent.succeeded");
    for _ in 0..2 {
        stack.put_stripe_event(&event).await;
        stack.wait_until_stripe_event_is_handled(&event.id).await;
        let found = stack.enrollment(&student, &course).await;
        assert_eq!(found["enrollment"]["state"], "active", "{found}");
    }
    stack.wait_for_email_to(&student.email).await;
    stack.only_email_to(&student.email).await;
    assert_eq!(stripe.counts(&student).kept, 1);
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn rule_of_the_partner_bus_passes_the_events_that_are_read() {
    let stack = DeployedStack::shared().await;
    let bus = stack.stripe_event_bus();
    let pattern = stack.stripe_event_pattern().await;
    let event = |kind: &str, source: &str| {
        let body = json!({"id": "evt_1", "type": kind}).to_string();
        let event = Event { id: "evt_1".to_owned(), kind: kind.to_owned(), body };
        serde_json::from_str::<Value>(&event.in_envelope(source)).expect("an envelope is JSON")
    };
    for kind in READ_BY_STACK {
        assert!(stack.pattern_matches(&pattern, &event(kind, bus)).await, "{kind}");
    }
    let (kind, other) = (READ_BY_STACK[0], "aws.partner/stripe.com/ed_other");
    for event in [event("customer.created", bus), event(kind, other), event(kind, "aws.ses")] {
        assert!(!stack.pattern_matches(&pattern, &event).await, "{event}");
    }
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn closed_three_d_secure_window_costs_nothing_and_another_card_pays_at_once() {
    let stack = DeployedStack::shared().await;
    let (stripe, course) = (Stripe::of(&stack), create_priced_course(&stack).await);
    let student = Student::named("Hedy Lamarr");
    let asked = stack.buy(&student, &course, payments::REQUIRES_ACTION).await;
    assert_eq!(asked.status, 402, "{:?}", asked.body);
    let paid = stack.buy(&student, &course, payments::PAYS).await;
    assert_eq!(paid.status, 201, "{:?}", paid.body);
    stripe.event(&student, "payment_intent.canceled");
    let counts = stripe.counts(&student);
    assert_eq!((counts.intents, counts.kept), (2, 1));
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn priced_course_during_an_outage_of_stripe_is_503_with_retry_after() {
    let stack = DeployedStack::shared().await;
    let (stripe, course) = (Stripe::of(&stack), create_priced_course(&stack).await);
    let student = Student::named("Annie Easley");
    stripe.fail(&student, Fault::ErrorBefore(503), "POST", CREATE);
    let response = stack.buy(&student, &course, payments::PAYS).await;
    assert_eq!(response.status, 503);
    assert!(response.headers.contains_key("retry-after"));
    assert_eq!(stripe.counts(&student).kept, 0);
    let free = stack.create_free_course("Free").await;
    assert_eq!(stack.enroll(&student, &free).await.status, 201);
    let again = stack.buy(&student, &course, payments::PAYS).await;
    assert_eq!(again.status, 201, "{:?}", again.body);
}

/// Buys while Stripe gives no response to the confirmation, and kills the function while it waits.
async fn kill_during_payment(
    stack: &DeployedStack,
    stripe: &Stripe,
    course: &str,
    fault: Fault,
) -> Student {
    let student = Student::named("Mary Jackson");
    stripe.fail(&student, fault, "POST", CONFIRM);
    let confirmed = eventually("a confirmation", async || {
        stripe.confirmation_was_asked_for(&student).then_some(())
    });
    let function = stack.output("EnrollFunctionName");
    let killer = async {
        confirmed.await;
        processes::kill_all(function, &stack.description.endpoint);
    };
    let (response, ()) = tokio::join!(stack.buy(&student, course, payments::PAYS), killer);
    assert!(response.status >= 500, "{:?}", response.body);
    assert_eq!(stack.enrollment(&student, course).await["enrollment"]["state"], "payment_pending");
    student
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn enrollment_whose_function_was_killed_after_the_charge_is_finished_by_the_resumer() {
    let stack = DeployedStack::exclusive().await;
    let (stripe, course) = (Stripe::of(&stack), create_priced_course(&stack).await);
    let student = kill_during_payment(&stack, &stripe, &course, Fault::SilenceAfter).await;
    stack.resume_when_overdue(&student, &course).await;
    assert_eq!(stack.enrollment(&student, &course).await["enrollment"]["state"], "active");
    assert_eq!(stripe.counts(&student).kept, 1);
    stack.wait_for_email_to(&student.email).await;
    stack.only_email_to(&student.email).await;
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn enrollment_whose_function_was_killed_before_the_charge_fails_and_is_never_charged() {
    let stack = DeployedStack::exclusive().await;
    let (stripe, course) = (Stripe::of(&stack), create_priced_course(&stack).await);
    let student = kill_during_payment(&stack, &stripe, &course, Fault::SilenceBefore).await;
    stack.resume_when_overdue(&student, &course).await;
    assert_eq!(stack.enrollment(&student, &course).await["enrollment"]["state"], "payment_failed");
    assert_eq!(stripe.counts(&student).charges, 0);
    assert_eq!(stack.buy(&student, &course, payments::PAYS).await.status, 201);
    assert_eq!(stripe.counts(&student).kept, 1);
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn payment_for_a_deleted_course_is_refunded_once_with_an_email() {
    let stack = DeployedStack::exclusive().await;
    let (stripe, course) = (Stripe::of(&stack), create_priced_course(&stack).await);
    let student = kill_during_payment(&stack, &stripe, &course, Fault::SilenceAfter).await;
    stack.delete_course(&course).await;
    stack.resume_when_overdue(&student, &course).await;
    assert_eq!(stack.enrollment(&student, &course).await["enrollment"]["state"], "refunded");
    let counts = stripe.counts(&student);
    assert_eq!((counts.kept, counts.refunds), (0, 1));
    let email = stack.wait_for_email_to(&student.email).await;
    assert_eq!(email.subject, "Your payment for Payments is refunded");
    stack.only_email_to(&student.email).await;
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn email_job_that_an_outage_of_sqs_prevented_is_queued_by_the_resumer() {
    let stack = DeployedStack::exclusive().await;
    let course = stack.create_free_course("Resumed").await;
    let student = Student::named("Dorothy Vaughan");
    let function = stack.output("EnrollFunctionName");
    let nowhere = [("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:1")];
    let response = stack
        .with_environment(function, &nowhere, async || stack.enroll(&student, &course).await)
        .await;
    assert_eq!(response.status, 201);
    assert!(stack.emails_to(&student.email).await.is_empty());
    stack.resume_when_overdue(&student, &course).await;
    stack.wait_for_email_to(&student.email).await;
    stack.only_email_to(&student.email).await;
    let item = stack.enrollment_item(&student, &course).await;
    assert!(!item.contains_key("resume_at"), "the item is still in the index: {item:?}");
}
