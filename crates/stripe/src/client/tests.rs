//! The client against recorded responses, over real HTTP on a loopback socket.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    thread::JoinHandle,
};

use enrollment::{
    EnrollmentId,
    payment::{IntentStatus, Payment},
};
use serde_json::json;

use super::*;
use crate::secret::Secrets;

struct Recorded {
    request_line: String,
    headers: String,
    body: String,
}

/// Serves one connection with these responses, in order; then returns the requests.
fn stripe(
    responses: Vec<(u16, &'static str, serde_json::Value)>,
) -> (String, JoinHandle<Vec<Recorded>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut stream = stream;
        responses.into_iter().map(|response| serve(&mut reader, &mut stream, response)).collect()
    });
    (url, server)
}

fn serve(
    reader: &mut impl BufRead,
    stream: &mut impl Write,
    (status, header, response): (u16, &str, serde_json::Value),
) -> Recorded {
    let mut request_line = String::new();
    reader.read_line(&mut request_line).unwrap();
    let mut headers = String::new();
    while !headers.ends_with("\r\n\r\n") && headers != "\r\n" {
        reader.read_line(&mut headers).unwrap();
    }
    let length = headers
        .lines()
        .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let response = response.to_string();
    let length = response.len();
    write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n{header}\r\n{response}")
        .unwrap();
    Recorded {
        request_line,
        headers: headers.to_lowercase(),
        body: String::from_utf8(body).unwrap(),
    }
}

fn intent_is(status: &str) -> serde_json::Value {
    json!({"id": "pi_1", "status": status, "client_secret": "pi_1_secret", "last_payment_error": null})
}

fn declined() -> serde_json::Value {
    let error = json!({"code": "card_declined", "decline_code": "insufficient_funds", "message": "Your card has insufficient funds."});
    json!({"id": "pi_1", "status": "requires_payment_method", "last_payment_error": error})
}

fn failed(code: &str) -> serde_json::Value {
    json!({"error": {"code": code, "message": "Your card has insufficient funds."}})
}

/// Makes a call against these responses.
async fn ask<T>(
    responses: Vec<(u16, &'static str, serde_json::Value)>,
    call: impl AsyncFnOnce(&Stripe<Secrets>, Charge<'_>) -> Result<T, Unavailable>,
) -> (Result<T, Unavailable>, Vec<Recorded>) {
    let (url, server) = stripe(responses);
    let secrets = Secrets::parse(r#"{"api_key":"sk_1","webhook_secret":"whsec_1"}"#).unwrap();
    let payment: Payment = serde_json::from_value(json!({
        "attempt": 2, "price": 4900, "currency": "USD", "method": "pm_card",
        "started_at": "2026-01-01T00:00:00Z",
    }))
    .unwrap();
    let (student_id, course_id) = ("s-1".parse().unwrap(), "rust-101".parse().unwrap());
    let enrollment_id: EnrollmentId =
        serde_json::from_value(json!("0198c0de-0000-7000-8000-000000000001")).unwrap();
    let charge =
        Charge { enrollment_id, student_id: &student_id, course_id: &course_id, payment: &payment };
    let stripe = Stripe::new(url, secrets);
    let result = call(&stripe, charge).await;
    (result, server.join().unwrap())
}

fn pi() -> IntentId {
    "pi_1".parse().unwrap()
}

#[tokio::test]
async fn create_sends_every_field_and_does_not_confirm() {
    let (created, requests) =
        ask(vec![(200, "", intent_is("requires_confirmation"))], async |s, c| s.create(c).await)
            .await;
    let intent = Intent { id: pi(), status: IntentStatus::AwaitingConfirmation };
    assert_eq!(created.unwrap(), Created::Intent(intent));
    let Recorded { request_line, headers, body } = &requests[0];
    assert_eq!(request_line, "POST /v1/payment_intents HTTP/1.1\r\n");
    assert!(headers.contains("authorization: bearer sk_1\r\n"), "{headers}");
    assert!(
        headers.contains("idempotency-key: 0198c0de-0000-7000-8000-000000000001-2-create\r\n"),
        "{headers}"
    );
    for field in
        ["amount=4900", "currency=usd", "payment_method=pm_card", "metadata%5Battempt%5D=2"]
    {
        assert!(body.contains(field), "{body}");
    }
    assert!(!body.contains("confirm"), "{body}");
}

#[tokio::test]
async fn replayed_response_is_looked_up() {
    let (created, requests) = ask(
        vec![
            (200, "idempotent-replayed: true\r\n", intent_is("requires_confirmation")),
            (200, "", intent_is("succeeded")),
        ],
        async |s, c| s.create(c).await,
    )
    .await;
    let intent = Intent { id: pi(), status: IntentStatus::Succeeded };
    assert_eq!(created.unwrap(), Created::Intent(intent));
    assert_eq!(requests[1].request_line, "GET /v1/payment_intents/pi_1 HTTP/1.1\r\n");
}

#[tokio::test]
async fn unknown_payment_method_is_refused() {
    let (created, _) =
        ask(vec![(404, "", failed("resource_missing"))], async |s, c| s.create(c).await).await;
    let Ok(Created::Refused(why)) = created else { panic!("{created:?}") };
    assert_eq!(why.code, "resource_missing");
}

#[tokio::test]
async fn declined_confirm_returns_the_banks_code() {
    let (confirmed, requests) =
        ask(vec![(402, "", failed("card_declined")), (200, "", declined())], async |s, c| {
            s.confirm(c, &pi()).await
        })
        .await;
    let IntentStatus::Declined(why) = confirmed.unwrap().status else { panic!("not declined") };
    assert_eq!(why.code, "insufficient_funds");
    assert_eq!(requests[0].request_line, "POST /v1/payment_intents/pi_1/confirm HTTP/1.1\r\n");
}

#[tokio::test]
async fn cancel_of_a_paid_intent_returns_its_status() {
    let (cancelled, _) = ask(
        vec![
            (400, "", failed("payment_intent_unexpected_state")),
            (200, "", intent_is("succeeded")),
        ],
        async |s, c| s.cancel(c, &pi()).await,
    )
    .await;
    assert_eq!(cancelled.unwrap().status, IntentStatus::Succeeded);
}

#[tokio::test]
async fn refund_of_a_refunded_charge_succeeds() {
    for response in [(200, "", json!({})), (400, "", failed("charge_already_refunded"))] {
        let (refunded, requests) = ask(vec![response], async |s, c| s.refund(c, &pi()).await).await;
        refunded.unwrap();
        assert!(requests[0].headers.contains("-2-refund\r\n"));
    }
    let (refused, _) =
        ask(vec![(400, "", failed("other"))], async |s, c| s.refund(c, &pi()).await).await;
    assert!(refused.is_err());
}

#[tokio::test]
async fn error_that_the_student_cannot_fix_is_unavailable_and_shows_no_value() {
    for status in [401, 409, 429, 500, 503] {
        let (created, _) =
            ask(vec![(status, "", failed("some_code"))], async |s, c| s.create(c).await).await;
        let error = created.unwrap_err().to_string();
        let expected =
            format!("creating a payment failed: Stripe responded {status} some_code (at ");
        assert!(error.starts_with(&expected), "{error}");
    }
    let (created, _) = ask(vec![(200, "", json!("<html>"))], async |s, c| s.create(c).await).await;
    assert!(!created.unwrap_err().to_string().contains("html"));
}
