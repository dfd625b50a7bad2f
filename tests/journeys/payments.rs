//! Students who pay, banks that decline, and crashes in between.

use journeys::{
    Student, World, eventually,
    payments::{self, Stripe},
};
use serde_json::json;

/// What the local stack's secret says.
const WEBHOOK_SECRET: &str = "whsec_local";

async fn priced(world: &World) -> String {
    let course = json!({"title": "Payments", "price": 4900, "currency": "USD", "state": "open"});
    world.course(course).await
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn a_paid_course_is_charged_once_however_often_it_is_asked_for() {
    let world = World::open().await;
    let (stripe, course) = (Stripe::at(&world), priced(&world).await);
    let student = Student::named("Ada Lovelace");

    let (one, two) = tokio::join!(
        world.buy(&student, &course, payments::OK),
        world.buy(&student, &course, payments::OK),
    );
    let again = world.buy(&student, &course, payments::OK).await;

    for answer in [&one, &two, &again] {
        assert!([200, 201, 503].contains(&answer.status), "{:?}", answer.body);
    }
    assert!([one.status, two.status].contains(&201));
    assert_eq!(again.status, 200, "{:?}", again.body);
    assert_eq!((stripe.charges(&student.id), stripe.confirmations(&student.id)), (1, 1));
    assert_eq!(world.enrollment(&student, &course).await["payment"]["price"], 4900);
    world.email_to(&student.email).await;
    world.only_email_to(&student.email).await;
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn a_declined_card_is_answered_in_plain_words_and_another_can_be_tried() {
    let world = World::open().await;
    let (stripe, course) = (Stripe::at(&world), priced(&world).await);
    let student = Student::named("Grace Hopper");

    let declined = world.buy(&student, &course, payments::DECLINED).await;
    assert_eq!(declined.status, 402);
    assert_eq!(declined.body["data"]["code"], "insufficient_funds");
    assert_eq!(declined.body["data"]["message"], "Your card has insufficient funds.");
    assert_eq!(stripe.charges(&student.id), 0);

    let paid = world.buy(&student, &course, payments::OK).await;
    assert_eq!(paid.status, 201, "{:?}", paid.body);
    assert_eq!(stripe.charges(&student.id), 1);
    world.email_to(&student.email).await;
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn a_payment_that_waits_for_the_student_is_finished_by_the_webhook() {
    let world = World::open().await;
    let (stripe, course) = (Stripe::at(&world), priced(&world).await);
    let student = Student::named("Katherine Johnson");

    let asked = world.buy(&student, &course, payments::ACTION).await;
    assert_eq!(asked.status, 402);
    assert_eq!(asked.body["data"]["payment"], "requires_action");
    assert!(asked.body["data"]["client_secret"].is_string());
    let other = world.buy(&student, &course, payments::OK).await;
    assert_eq!(other.status, 409, "{:?}", other.body);
    assert!(other.body["data"]["payment_method"].is_string());

    let intent = stripe.student_acts(&student.id);
    assert_eq!(payments::tell(&world, &intent, "whsec_wrong").await.status, 403);
    assert_eq!(world.enrollment(&student, &course).await["enrollment"]["state"], "payment_pending");
    for _ in 0..2 {
        let told = payments::tell(&world, &intent, WEBHOOK_SECRET).await;
        assert_eq!(told.status, 200, "{:?}", told.body);
    }
    assert_eq!(world.enrollment(&student, &course).await["enrollment"]["state"], "active");
    world.email_to(&student.email).await;
    world.only_email_to(&student.email).await;
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn without_stripe_a_student_is_told_to_ask_again() {
    let world = World::open().await;
    let (stripe, course) = (Stripe::at(&world), priced(&world).await);
    let student = Student::named("Annie Easley");
    let answer = world.buy(&student, &course, payments::DOWN).await;
    assert_eq!(answer.status, 503);
    assert!(answer.headers.contains_key("retry-after"));
    assert_eq!(stripe.charges(&student.id), 0);
    let free = world.open_course("Free all the same").await;
    assert_eq!(world.enroll(&student, &free).await.status, 201);
}

/// Buys with a card after which Stripe is silent, kills the function while it waits, and lets the
/// resumer find out.
async fn die_while_paying(world: &World, stripe: &Stripe, course: &str, card: &str) -> Student {
    let student = Student::named("Mary Jackson");
    let confirmed = eventually("a confirmation", async || {
        (stripe.confirmations(&student.id) > 0).then_some(())
    });
    let function = world.stack.output("EnrollFunctionName");
    let killer = async {
        confirmed.await;
        payments::kill(function);
    };
    let (answer, ()) = tokio::join!(world.buy(&student, course, card), killer);
    assert!(answer.status >= 500, "{:?}", answer.body);
    assert_eq!(world.enrollment(&student, course).await["enrollment"]["state"], "payment_pending");
    student
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn a_function_killed_after_the_charge_is_made_up_for_by_the_resumer() {
    let world = World::open_alone().await;
    let (stripe, course) = (Stripe::at(&world), priced(&world).await);
    let student = die_while_paying(&world, &stripe, &course, payments::CHARGED_AND_SILENT).await;
    world.resume(&student, &course).await;
    assert_eq!(world.enrollment(&student, &course).await["enrollment"]["state"], "active");
    assert_eq!(stripe.charges(&student.id), 1);
    world.email_to(&student.email).await;
    world.only_email_to(&student.email).await;
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn a_function_killed_before_the_charge_charges_nothing_later() {
    let world = World::open_alone().await;
    let (stripe, course) = (Stripe::at(&world), priced(&world).await);
    let student = die_while_paying(&world, &stripe, &course, payments::SILENT).await;
    world.resume(&student, &course).await;
    assert_eq!(world.enrollment(&student, &course).await["enrollment"]["state"], "payment_failed");
    assert_eq!(stripe.charges(&student.id), 0);
    assert_eq!(world.buy(&student, &course, payments::OK).await.status, 201);
    assert_eq!(stripe.charges(&student.id), 1);
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn what_was_paid_for_a_course_that_is_gone_is_refunded_once_and_said_so() {
    let world = World::open_alone().await;
    let (stripe, course) = (Stripe::at(&world), priced(&world).await);
    let student = die_while_paying(&world, &stripe, &course, payments::CHARGED_AND_SILENT).await;
    world.delete_course(&course).await;
    world.resume(&student, &course).await;
    assert_eq!(world.enrollment(&student, &course).await["enrollment"]["state"], "refunded");
    assert_eq!((stripe.charges(&student.id), stripe.refunds(&student.id)), (0, 1));
    let email = world.email_to(&student.email).await;
    assert_eq!(email.subject, "Your payment for Payments is refunded");
    world.only_email_to(&student.email).await;
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn the_resumer_enqueues_the_email_that_an_outage_of_the_queue_left_out() {
    let world = World::open_alone().await;
    let course = world.open_course("Resumed").await;
    let student = Student::named("Dorothy Vaughan");
    let function = world.stack.output("EnrollFunctionName");
    let nowhere = [("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:1")];
    let answer = world
        .with_environment(function, &nowhere, async || world.enroll(&student, &course).await)
        .await;
    assert_eq!(answer.status, 201);
    assert!(world.emails_to(&student.email).await.is_empty());
    world.resume(&student, &course).await;
    world.email_to(&student.email).await;
    world.only_email_to(&student.email).await;
    let item = world.enrollment_item(&student, &course).await;
    assert!(!item.contains_key("resume_at"), "it is still in the index: {item:?}");
}
