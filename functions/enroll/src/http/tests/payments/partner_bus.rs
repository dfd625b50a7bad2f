//! Events of Stripe that came by EventBridge's partner bus.

use lambda_runtime::{Context, Diagnostic, LambdaEvent};

use super::*;
use crate::handler;

const BUS: &str = "aws.partner/stripe.com/ed_test_1";

fn messages(bodies: &[String]) -> Value {
    let records: Vec<_> = bodies
        .iter()
        .map(|body| json!({"messageId": "m-1", "body": body, "eventSource": "aws:sqs"}))
        .collect();
    json!({"Records": records})
}

impl Shop {
    async fn receive(&self, payload: Value) -> Result<Value, Diagnostic> {
        handler::handle(&self.api.router, LambdaEvent::new(payload, Context::default())).await
    }

    async fn receive_from(&self, source: &str, event: &Event) -> Result<Value, Diagnostic> {
        self.receive(messages(&[event.in_envelope(source)])).await
    }

    fn last_event(&self, kind: &str) -> Event {
        let found = self.account(|account| {
            account.events().iter().rev().find(|event| event.kind == kind).cloned()
        });
        found.unwrap_or_else(|| panic!("no {kind}"))
    }
}

/// A student's payment that only Stripe's event can complete.
async fn authenticated() -> (Shop, Event) {
    let shop = shop();
    assert_eq!(shop.buy("pm_card_authenticationRequired").await.0, 402);
    let intent = shop.account(|account| account.intents("student_id", "s-1").remove(0));
    assert!(shop.account(|account| account.authenticate(&intent, true)));
    let succeeded = shop.last_event("payment_intent.succeeded");
    (shop, succeeded)
}

#[tokio::test]
async fn event_of_the_partner_bus_needs_no_signature_and_may_come_twice() {
    let (shop, succeeded) = authenticated().await;
    for _ in 0..2 {
        shop.receive_from(BUS, &succeeded).await.unwrap();
        assert_eq!((shop.state(), shop.kept()), (EnrollmentState::Active, 1));
    }
}

#[tokio::test]
async fn the_webhook_takes_no_event_in_an_envelope_and_none_unsigned() {
    let (shop, succeeded) = authenticated().await;
    for body in [succeeded.in_envelope(BUS), messages(&[succeeded.in_envelope(BUS)]).to_string()] {
        let request = Request::builder().method("POST").uri("/webhooks/stripe");
        let request = request.body(Body::from(body)).unwrap();
        assert_eq!(shop.api.send(request).await.0, 403);
    }
    assert_eq!(shop.state(), EnrollmentState::PaymentPending);
}

#[tokio::test]
async fn what_is_not_one_event_of_stripes_bus_is_returned_to_the_queue_and_changes_nothing() {
    let (shop, succeeded) = authenticated().await;
    let event = succeeded.in_envelope(BUS);
    for (payload, why) in [
        (messages(&[succeeded.in_envelope("aws.partner/example.com/1")]), "partner bus"),
        (messages(&[succeeded.in_envelope("my.application")]), "partner bus"),
        (messages(&["{".to_owned()]), "not an event of EventBridge"),
        (messages(std::slice::from_ref(&succeeded.body)), "not an event of EventBridge"),
        (messages(&[]), "batch size"),
        (messages(&[event.clone(), event]), "batch size"),
        (json!({"Records": [1]}), "not one of SQS"),
    ] {
        let error = shop.receive(payload).await.unwrap_err();
        assert_eq!(error.error_type, "StripeEventFailed");
        assert!(error.error_message.contains(why), "{why}: {}", error.error_message);
    }
    assert_eq!(shop.state(), EnrollmentState::PaymentPending);
}

#[tokio::test]
async fn event_during_an_outage_is_returned_to_the_queue_and_handled_later() {
    let (shop, succeeded) = authenticated().await;
    shop.api.world.take_down(Dependency::Tables);
    let error = shop.receive_from(BUS, &succeeded).await.unwrap_err();
    assert!(error.error_message.contains("503"), "{}", error.error_message);
    shop.api.world.bring_up(Dependency::Tables);
    shop.receive_from(BUS, &succeeded).await.unwrap();
    assert_eq!(shop.state(), EnrollmentState::Active);
}

#[tokio::test]
async fn notice_of_the_partner_bus_is_recorded() {
    let shop = shop();
    assert_eq!(shop.buy("pm_card_visa").await.0, 201);
    let intent = shop.account(|account| account.intents("student_id", "s-1").remove(0));
    assert!(shop.account(|account| account.refund_in_dashboard(&intent, None)));
    shop.receive_from(BUS, &shop.last_event("charge.refunded")).await.unwrap();
    let history = shop.api.world.enrollments().pop().unwrap().history;
    assert_eq!(history.last().unwrap().by.as_str(), "stripe");
}

#[tokio::test]
async fn sample_event_is_handled() {
    let path = format!("{}/../../events/stripe-partner-bus.json", env!("CARGO_MANIFEST_DIR"));
    let event = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(shop().receive(event).await.unwrap(), Value::Null);
}
