//! Payments that succeed, payments that fail, and crashes during a payment.

use journeys::{
    DeployedStack, Student, eventually, processes,
    stripe::{self, StripeStandIn},
    webhook::call_webhook,
};
use serde_json::json;

/// The webhook secret of the local stack.
const WEBHOOK_SECRET: &str = "whsec_local";

async fn create_priced_course(stack: &DeployedStack) -> String {
    let course = json!({"title": "Payments", "price": 4900, "currency": "USD", "state": "open"});
    stack.create_course(course).await
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn repeated_request_for_a_priced_course_charges_once() {
    let stack = DeployedStack::shared().await;
    let (stripe, course) = (StripeStandIn::of(&stack), create_priced_course(&stack).await);
    let student = Student::named("Ada Lovelace");

    let (one, two) = tokio::join!(
        stack.buy(&student, &course, stripe::PAYS),
        stack.buy(&student, &course, stripe::PAYS),
    );
    let again = stack.buy(&student, &course, stripe::PAYS).await;

    for response in [&one, &two, &again] {
        assert!([200, 201, 503].contains(&response.status), "{:?}", response.body);
    }
    assert!([one.status, two.status].contains(&201));
    assert_eq!(again.status, 200, "{:?}", again.body);
    assert_eq!((stripe.charges(&student.id), stripe.confirmations(&student.id)), (1, 1));
    assert_eq!(stack.enrollment(&student, &course).await["payment"]["price"], 4900);
    stack.wait_for_email_to(&student.email).await;
    stack.only_email_to(&student.email).await;
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn declined_card_is_402_with_a_reason_and_another_card_can_pay() {
    let stack = DeployedStack::shared().await;
    let (stripe, course) = (StripeStandIn::of(&stack), create_priced_course(&stack).await);
    let student = Student::named("Grace Hopper");

    let declined = stack.buy(&student, &course, stripe::DECLINED).await;
    assert_eq!(declined.status, 402);
    assert_eq!(declined.body["data"]["code"], "insufficient_funds");
    assert_eq!(declined.body["data"]["message"], "Your card has insufficient funds.");
    assert_eq!(stripe.charges(&student.id), 0);

    let paid = stack.buy(&student, &course, stripe::PAYS).await;
    assert_eq!(paid.status, 201, "{:?}", paid.body);
    assert_eq!(stripe.charges(&student.id), 1);
    stack.wait_for_email_to(&student.email).await;
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn payment_that_requires_the_students_action_is_completed_by_the_webhook() {
    let stack = DeployedStack::shared().await;
    let (stripe, course) = (StripeStandIn::of(&stack), create_priced_course(&stack).await);
    let student = Student::named("Katherine Johnson");

    let first = stack.buy(&student, &course, stripe::REQUIRES_ACTION).await;
    assert_eq!(first.status, 402);
    assert_eq!(first.body["data"]["payment"], "requires_action");
    assert!(first.body["data"]["client_secret"].is_string());
    let other = stack.buy(&student, &course, stripe::PAYS).await;
    assert_eq!(other.status, 409, "{:?}", other.body);
    assert!(other.body["data"]["payment_method"].is_string());

    let intent = stripe.complete_action(&student.id);
    assert_eq!(call_webhook(&stack, &intent, "whsec_wrong").await.status, 403);
    assert_eq!(stack.enrollment(&student, &course).await["enrollment"]["state"], "payment_pending");
    for _ in 0..2 {
        let response = call_webhook(&stack, &intent, WEBHOOK_SECRET).await;
        assert_eq!(response.status, 200, "{:?}", response.body);
    }
    assert_eq!(stack.enrollment(&student, &course).await["enrollment"]["state"], "active");
    stack.wait_for_email_to(&student.email).await;
    stack.only_email_to(&student.email).await;
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn priced_course_during_an_outage_of_stripe_is_503_with_retry_after() {
    let stack = DeployedStack::shared().await;
    let (stripe, course) = (StripeStandIn::of(&stack), create_priced_course(&stack).await);
    let student = Student::named("Annie Easley");
    let response = stack.buy(&student, &course, stripe::DOWN).await;
    assert_eq!(response.status, 503);
    assert!(response.headers.contains_key("retry-after"));
    assert_eq!(stripe.charges(&student.id), 0);
    let free = stack.create_free_course("Free").await;
    assert_eq!(stack.enroll(&student, &free).await.status, 201);
}

/// Buys with a card for which Stripe gives no response, and kills the function while it waits.
async fn kill_during_payment(
    stack: &DeployedStack,
    stripe: &StripeStandIn,
    course: &str,
    card: &str,
) -> Student {
    let student = Student::named("Mary Jackson");
    let confirmed = eventually("a confirmation", async || {
        (stripe.confirmations(&student.id) > 0).then_some(())
    });
    let function = stack.output("EnrollFunctionName");
    let killer = async {
        confirmed.await;
        processes::kill_all(function);
    };
    let (response, ()) = tokio::join!(stack.buy(&student, course, card), killer);
    assert!(response.status >= 500, "{:?}", response.body);
    assert_eq!(stack.enrollment(&student, course).await["enrollment"]["state"], "payment_pending");
    student
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn enrollment_whose_function_was_killed_after_the_charge_is_finished_by_the_resumer() {
    let stack = DeployedStack::exclusive().await;
    let (stripe, course) = (StripeStandIn::of(&stack), create_priced_course(&stack).await);
    let student =
        kill_during_payment(&stack, &stripe, &course, stripe::CHARGES_WITHOUT_RESPONSE).await;
    stack.resume_when_overdue(&student, &course).await;
    assert_eq!(stack.enrollment(&student, &course).await["enrollment"]["state"], "active");
    assert_eq!(stripe.charges(&student.id), 1);
    stack.wait_for_email_to(&student.email).await;
    stack.only_email_to(&student.email).await;
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn enrollment_whose_function_was_killed_before_the_charge_fails_and_is_never_charged() {
    let stack = DeployedStack::exclusive().await;
    let (stripe, course) = (StripeStandIn::of(&stack), create_priced_course(&stack).await);
    let student = kill_during_payment(&stack, &stripe, &course, stripe::NO_RESPONSE).await;
    stack.resume_when_overdue(&student, &course).await;
    assert_eq!(stack.enrollment(&student, &course).await["enrollment"]["state"], "payment_failed");
    assert_eq!(stripe.charges(&student.id), 0);
    assert_eq!(stack.buy(&student, &course, stripe::PAYS).await.status, 201);
    assert_eq!(stripe.charges(&student.id), 1);
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn payment_for_a_deleted_course_is_refunded_once_with_an_email() {
    let stack = DeployedStack::exclusive().await;
    let (stripe, course) = (StripeStandIn::of(&stack), create_priced_course(&stack).await);
    let student =
        kill_during_payment(&stack, &stripe, &course, stripe::CHARGES_WITHOUT_RESPONSE).await;
    stack.delete_course(&course).await;
    stack.resume_when_overdue(&student, &course).await;
    assert_eq!(stack.enrollment(&student, &course).await["enrollment"]["state"], "refunded");
    assert_eq!((stripe.charges(&student.id), stripe.refunds(&student.id)), (0, 1));
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
