//! Requests to pay, over a bank without the details of Stripe. `payments.rs` has those.

use super::*;

#[tokio::test]
async fn paid_enrollment_is_active_and_shows_its_payment() {
    let api = paying(Bank::Accepts);
    let (status, body) = api.call("POST", "/enrollments", ada_pays()).await;
    assert_eq!(status, 201);
    assert_eq!(body["data"]["enrollment"]["state"], "active");
    assert_eq!(api.world.jobs().len(), 1);
    let (status, body) = api.call("GET", "/enrollments/priced?student_id=s-1", "").await;
    assert_eq!(status, 200);
    assert_eq!(body["data"]["payment"]["price"], 4900);
    assert!(!body.to_string().contains("pm_card"), "the payment method is not shown");
}

#[tokio::test]
async fn payment_not_made_returns_402_with_the_reason_or_the_next_step() {
    for (bank, field, value) in [
        (Bank::Declines, "code", "insufficient_funds"),
        (Bank::AsksTheStudent, "client_secret", "pi_1_secret"),
    ] {
        let api = paying(bank);
        let (returned, body) = api.call("POST", "/enrollments", ada_pays()).await;
        assert_eq!((returned, &body["status"]), (402, &json!("fail")));
        assert_eq!(body["data"][field], value);
        assert!(api.world.jobs().is_empty());
    }
}

#[tokio::test]
async fn declined_payment_can_be_retried_with_another_card() {
    let api = paying(Bank::Declines);
    assert_eq!(api.call("POST", "/enrollments", ada_pays()).await.0, 402);
    let (_, shown) = api.call("GET", "/enrollments/priced?student_id=s-1", "").await;
    assert_eq!(shown["data"]["enrollment"]["state"], "payment_failed");
    assert_eq!(shown["data"]["payment"]["failure"]["code"], "insufficient_funds");
    api.world.set_bank(Bank::Accepts);
    let mut other = ada_pays();
    other["payment_method"] = json!("pm_other");
    assert_eq!(api.call("POST", "/enrollments", other).await.0, 201);
}

#[tokio::test]
async fn payment_that_the_bank_processes_is_503_with_any_card() {
    let api = paying(Bank::Processes);
    let (status, headers, _) = api.call_whole("POST", "/enrollments", ada_pays()).await;
    assert_eq!((status, &headers[RETRY_AFTER]), (503, &"5".parse().unwrap()));
    let mut other = ada_pays();
    other["payment_method"] = json!("pm_other");
    assert_eq!(api.call("POST", "/enrollments", other).await.0, 503);
}

#[tokio::test]
async fn new_price_does_not_change_a_payment_in_progress() {
    let api = paying(Bank::Processes);
    api.call("POST", "/enrollments", ada_pays()).await;
    let dearer = json!({"title": "T", "price": 9900, "currency": "USD", "state": "open"});
    assert_eq!(api.call("PUT", "/courses/priced", dearer).await.0, 200);
    assert_eq!(api.call("POST", "/enrollments", ada_pays()).await.0, 503);
    let (_, shown) = api.call("GET", "/enrollments/priced?student_id=s-1", "").await;
    assert_eq!(shown["data"]["payment"]["price"], 4900);
}

#[tokio::test]
async fn priced_course_without_payment_method_returns_422() {
    let mut body = ada_pays();
    body.as_object_mut().unwrap().remove("payment_method");
    let (status, body) = paying(Bank::Accepts).call("POST", "/enrollments", body).await;
    assert_eq!(status, 422);
    assert_eq!(body["data"], json!({"payment_method": "is missing, and this course has a price"}));
}

#[tokio::test]
async fn webhook_activates_a_waiting_enrollment_once() {
    let api = paying(Bank::AsksTheStudent);
    api.call("POST", "/enrollments", ada_pays()).await;
    let path = "/enrollments/priced?student_id=s-1";
    let (_, shown) = api.call("GET", path, "").await;
    assert_eq!(shown["data"]["enrollment"]["state"], "payment_pending");
    let event = json!({"type": "payment_intent.succeeded", "data": {"object": {
        "id": "pi_1", "status": "succeeded", "amount": 4900, "currency": "usd", "livemode": true,
        "metadata": {
            "student_id": "s-1", "course_id": "priced", "attempt": "1",
            "enrollment_id": shown["data"]["enrollment"]["id"],
        },
    }}});
    assert_eq!(api.webhook(&event, false).await, 403, "unsigned");
    assert_eq!(api.webhook(&json!({"type": "novel", "data": {"object": {}}}), true).await, 200);
    for _ in 0..2 {
        assert_eq!(api.webhook(&event, true).await, 200);
        let (_, shown) = api.call("GET", path, "").await;
        assert_eq!(shown["data"]["enrollment"]["state"], "active");
    }
    assert_eq!(api.world.jobs().len(), 1);
    api.world.take_down(Dependency::Tables);
    assert_eq!(api.webhook(&event, true).await, 503, "so that Stripe sends it again");
}

#[tokio::test]
async fn webhook_without_payments_returns_503() {
    assert_eq!(free().webhook(&json!({}), true).await, 503);
}
