//! The API over an in-memory world: every route, every status code.

use std::sync::LazyLock;

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, Request, header::RETRY_AFTER},
};
use enrollment::{
    Course,
    outside::{AccessAfterRefund, OutsideRefund},
    payment::{IntentId, PaymentError},
    testing::{Bank, Dependency, OUTAGE, World},
};
use serde_json::{Value, json};
use stripe::{Secrets, webhook::Event};
use tower::ServiceExt;
use unavailable::Unavailable;

use super::*;

mod lists;
mod payments;

static KEYS: LazyLock<Arc<Secrets>> = LazyLock::new(|| {
    let text = r#"{"api_key":"sk_test_1","webhook_secret":"whsec_1"}"#;
    Arc::new(Secrets::parse(text).unwrap())
});

impl WebhookKeys for World {
    async fn webhook_keys(&self) -> Result<Arc<Secrets>, Unavailable> {
        Ok(Arc::clone(&KEYS))
    }

    async fn newer_webhook_keys(
        &self,
        _: &Arc<Secrets>,
    ) -> Result<Option<Arc<Secrets>>, Unavailable> {
        Ok(None)
    }
}

/// Its events are of payments only; tests/payments.rs has notices.
impl PaymentReader for World {
    async fn find_attempt(&self, _: &IntentId) -> Result<Option<Event>, PaymentError> {
        Ok(None)
    }

    async fn refunds_of_others(&self, _: &IntentId) -> Result<Vec<OutsideRefund>, PaymentError> {
        Ok(Vec::new())
    }
}

/// The API over an in-memory world.
struct Api {
    world: World,
    router: Router,
}

fn course(id: &str, price: u32, state: &str) -> Course {
    let course =
        json!({"course_id": id, "title": "T", "price": price, "currency": "USD", "state": state});
    serde_json::from_value(course).unwrap()
}

fn world(bank: Bank) -> World {
    let courses =
        [course("open", 0, "open"), course("closed", 0, "closed"), course("priced", 4900, "open")];
    World::new(courses, bank)
}

/// With an open, a closed and a priced course, and without payments.
fn free() -> Api {
    let world = world(Bank::Accepts);
    let ports = Ports { payments: None, ..world.ports() };
    Api { world, router: router(Arc::new(ports), AccessAfterRefund::Keep) }
}

/// The same, with payments.
fn paying(bank: Bank) -> Api {
    serve(world(bank))
}

fn serve(world: World) -> Api {
    let router = router(Arc::new(world.ports()), AccessAfterRefund::Keep);
    Api { world, router }
}

fn ada() -> Value {
    json!({"student_id": "s-1", "course_id": "open", "email": "ada@example.com", "name": "Ada"})
}

fn ada_pays() -> Value {
    let mut body = ada();
    body["course_id"] = json!("priced");
    body["payment_method"] = json!("pm_card");
    body
}

impl Api {
    async fn call(&self, method: &str, path: &str, body: impl ToString) -> (u16, Value) {
        let (status, _, body) = self.call_whole(method, path, body).await;
        (status, body)
    }

    async fn call_whole(
        &self,
        method: &str,
        path: &str,
        body: impl ToString,
    ) -> (u16, HeaderMap, Value) {
        self.call_with(method, path, &[], body).await
    }

    /// As an operator or caller that API Gateway authorised.
    async fn call_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl ToString,
    ) -> (u16, HeaderMap, Value) {
        let by = "arn:aws:iam::123456789012:user/grace".parse().unwrap();
        let caller = operators::Caller(Some(by));
        let request = Request::builder().method(method).uri(path).extension(caller);
        let request =
            headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    async fn send(&self, request: Request<Body>) -> (u16, HeaderMap, Value) {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        (parts.status.as_u16(), parts.headers, serde_json::from_slice(&bytes).unwrap())
    }

    async fn webhook(&self, body: &Value, signed: bool) -> u16 {
        let body = body.to_string();
        let signature = if signed {
            let now = lambda::clock::now();
            stripe::webhook::sign(&KEYS.webhook_secrets[0], body.as_bytes(), now)
        } else {
            "t=1,v1=00".to_owned()
        };
        let request = Request::builder()
            .method("POST")
            .uri("/webhooks/stripe")
            .header("stripe-signature", signature)
            .body(Body::from(body))
            .unwrap();
        self.send(request).await.0
    }
}

#[tokio::test]
async fn health_returns_200() {
    let (status, body) = free().call("GET", "/", "").await;
    assert_eq!(status, 200);
    assert_eq!(body, json!({"status": "success", "message": "Registrar is up"}));
}

#[tokio::test]
async fn enroll_returns_201_then_200_with_the_same_body() {
    for path in ["/enrollments", "/add-user-to-course"] {
        let api = free();
        let (status, first) = api.call("POST", path, ada()).await;
        assert_eq!(status, 201);
        assert_eq!(first["status"], "success");
        assert_eq!(first["data"]["message"], "Enrolled Success");
        assert_eq!(first["data"]["enrollment"]["state"], "active");
        let (status, again) = api.call("POST", path, ada()).await;
        assert_eq!((status, again), (200, first));
        assert_eq!(api.world.jobs().len(), 1);
    }
}

#[tokio::test]
async fn error_that_the_caller_can_fix_names_the_field() {
    let with = |field: &str, value: Value| {
        let mut body = ada();
        body[field] = value;
        body.to_string()
    };
    let api = free();
    for (body, status, field, why) in [
        ("{".to_owned(), 400, "body", "is not JSON (line 1, column 1)"),
        ("[]".to_owned(), 400, "body", "is not a JSON object"),
        (" ".repeat(65_537), 413, "body", "is larger than 65536 bytes"),
        (with("email", json!("ada")), 422, "email", "is not an email address: it has no @"),
        (with("name", json!(7)), 422, "name", "is not a string"),
        (with("student_id", Value::Null), 422, "student_id", "is missing"),
        (with("course_id", json!("none")), 404, "course_id", "there is no course none"),
        (with("course_id", json!("closed")), 409, "course_id", "this course takes no new students"),
    ] {
        let (returned, response) = api.call("POST", "/enrollments", &body).await;
        let shown = &body[..body.len().min(80)];
        assert_eq!(returned, status, "{shown}");
        assert_eq!(response, json!({"status": "fail", "data": {field: why}}), "{shown}");
    }
    assert!(api.world.enrollments().is_empty());
}

#[tokio::test]
async fn text_that_cannot_be_shown_or_sent_is_422_and_its_character_is_named() {
    let api = free();
    for (field, value, character) in [
        ("name", "\u{200b}\u{200b}", "U+200B"),
        ("name", "Ada\u{202e}gnp.exe", "U+202E"),
        ("name", "Ada\u{ffff}", "U+FFFF"),
        ("name", "Ada https://evil.example", "link"),
        ("email", "\u{e9}@example.com", "U+00E9"),
        ("email", "ada@exam_ple.com", "U+005F"),
    ] {
        let mut body = ada();
        body[field] = json!(value);
        let (status, response) = api.call("POST", "/enrollments", body).await;
        assert_eq!(status, 422, "{value:?}");
        let why = response["data"][field].as_str().unwrap();
        assert!(why.contains(character), "{value:?}: {why}");
    }
    for (title, character) in [("\u{ffff}Rust 101", "U+FFFF"), ("Rust\u{2028}101", "U+2028")] {
        let course = json!({"title": title, "price": 0, "currency": "USD", "state": "open"});
        let (status, response) = api.call("PUT", "/courses/poison", course).await;
        assert_eq!(status, 422, "{title:?}");
        assert!(response["data"]["title"].as_str().unwrap().contains(character), "{response}");
    }
    assert!(api.world.enrollments().is_empty());
}

#[tokio::test]
async fn same_name_and_domain_in_another_form_are_the_same_enrollment() {
    let api = free();
    let as_written = |email: &str, name: &str| {
        let mut body = ada();
        body["email"] = json!(email);
        body["name"] = json!(name);
        body
    };
    let first = as_written("ada@b\u{fc}cher.example", "Am\u{e9}lie");
    assert_eq!(api.call("POST", "/enrollments", first).await.0, 201);
    let again = as_written("ada@BU\u{308}CHER.Example", "Ame\u{301}lie");
    let (status, body) = api.call("POST", "/enrollments", again).await;
    assert_eq!(status, 200);
    assert_eq!(body["data"]["enrollment"]["email"], "ada@xn--bcher-kva.example");
    assert_eq!(api.world.jobs()[0].to.as_str(), "ada@xn--bcher-kva.example");
}

#[tokio::test]
async fn body_that_begins_with_a_byte_order_mark_is_read() {
    let body = format!("\u{feff}{}", ada());
    assert_eq!(free().call("POST", "/enrollments", body).await.0, 201);
}

#[tokio::test]
async fn body_of_exactly_64_kb_is_accepted() {
    let body = ada().to_string();
    let padded = format!("{body}{}", " ".repeat(65_536 - body.len()));
    assert_eq!(free().call("POST", "/enrollments", padded).await.0, 201);
}

#[tokio::test]
async fn enroll_with_other_details_returns_409() {
    let api = free();
    api.call("POST", "/enrollments", ada()).await;
    let mut other = ada();
    other["email"] = json!("eve@example.com");
    let (status, body) = api.call("POST", "/enrollments", other).await;
    assert_eq!(status, 409);
    assert_eq!(
        body["data"],
        json!({"email": "is not the one that this student was enrolled with"})
    );
}

#[tokio::test]
async fn priced_course_without_payments_returns_503() {
    let mut body = ada();
    body["course_id"] = json!("priced");
    let (status, body) = free().call("POST", "/enrollments", body).await;
    assert_eq!(status, 503);
    assert_eq!(body["status"], "error");
    assert!(body["message"].as_str().unwrap().contains("payments are not configured"));
}

#[tokio::test]
async fn dependency_down_returns_503_without_its_details() {
    let api = free();
    api.world.take_down(Dependency::Tables);
    let (status, headers, body) = api.call_whole("POST", "/enrollments", ada()).await;
    assert_eq!(status, 503);
    assert_eq!(headers[RETRY_AFTER], "5");
    assert_eq!(body["status"], "error");
    assert!(!body.to_string().contains(OUTAGE));
}

#[tokio::test]
async fn enroll_succeeds_while_the_email_queue_is_down() {
    let api = free();
    api.world.take_down(Dependency::EmailQueue);
    assert_eq!(api.call("POST", "/enrollments", ada()).await.0, 201);
}

#[tokio::test]
async fn enrollment_shows_its_email_timeline() {
    let api = free();
    let (_, made) = api.call("POST", "/enrollments", ada()).await;
    let path = "/enrollments/open?student_id=s-1";
    let (status, body) = api.call("GET", path, "").await;
    assert_eq!(status, 200);
    assert_eq!(body["data"]["enrollment"], made["data"]["enrollment"]);
    assert_eq!(body["data"]["email"], json!({"state": "queued"}));

    let entry = json!({
        "state": "sent", "attempts": 1, "ses_message_id": "m-1", "sent_at": "2026-01-01T00:00:01Z",
        "first_attempt_at": "2026-01-01T00:00:00Z", "last_attempt_at": "2026-01-01T00:00:00Z",
    });
    let id = api.world.jobs()[0].id.clone();
    api.world.write_timeline(&id, serde_json::from_value(entry.clone()).unwrap());
    assert_eq!(api.call("GET", path, "").await.1["data"]["email"], entry);
}

#[tokio::test]
async fn enrollment_lookup_names_the_wrong_field() {
    let api = free();
    for (path, status, field) in [
        ("/enrollments/open", 422, "student_id"),
        ("/enrollments/open?student_id=a%20b", 422, "student_id"),
        ("/enrollments/a%20b?student_id=s-1", 422, "course_id"),
        ("/enrollments/%FF?student_id=s-1", 422, "course_id"),
        ("/enrollments/open?student_id=s-1", 404, "course_id"),
    ] {
        let (returned, body) = api.call("GET", path, "").await;
        assert_eq!(returned, status, "{path}");
        assert!(body["data"][field].is_string(), "{path}: {body}");
    }
}

#[tokio::test]
async fn course_is_created_replaced_and_read() {
    let api = free();
    let course = json!({"title": "Rust 101", "price": 0, "currency": "EUR", "state": "open"});
    let (status, put) = api.call("PUT", "/courses/rust-101", &course).await;
    assert_eq!(status, 201);
    assert_eq!(put["data"]["course"]["course_id"], "rust-101");
    assert_eq!(api.call("PUT", "/courses/rust-101", &course).await, (200, put.clone()));
    assert_eq!(api.call("GET", "/courses/rust-101", "").await, (200, put));
    assert_eq!(api.call("GET", "/courses/none", "").await.0, 404);
    let (status, body) = api.call("PUT", "/courses/rust-101", json!({"price": -1})).await;
    assert_eq!(status, 422);
    assert_eq!(body["data"].as_object().unwrap().len(), 4, "{body}");
}

#[tokio::test]
async fn enrollment_outside_the_times_of_a_course_is_409_that_names_the_time() {
    let api = free();
    for (field, opens, closes, why) in [
        (
            "opens_at",
            "9998-01-01T00:00:00Z",
            "9999-01-01T00:00:00Z",
            "opens at 9998-01-01T00:00:00Z",
        ),
        (
            "closes_at",
            "1998-01-01T00:00:00Z",
            "1999-01-01T00:00:00Z",
            "closed at 1999-01-01T00:00:00Z",
        ),
    ] {
        let course = json!({
            "title": "T", "price": 0, "currency": "USD", "state": "open", "opens_at": opens,
            "closes_at": closes,
        });
        let (_, put) = api.call("PUT", "/courses/timed", course).await;
        assert_eq!(put["data"]["course"]["opens_at"], opens);
        let mut body = ada();
        body["course_id"] = json!("timed");
        let (status, body) = api.call("POST", "/enrollments", body).await;
        assert_eq!(status, 409);
        assert_eq!(body["data"], json!({field: format!("this course {why}")}));
    }
    assert!(api.world.enrollments().is_empty());
}

#[tokio::test]
async fn course_is_changed_only_in_the_version_that_if_match_names() {
    let api = free();
    let course = |title| json!({"title": title, "price": 0, "currency": "USD", "state": "open"});
    let put = async |headers: &[(&str, &str)], title| {
        let answer = api.call_with("PUT", "/courses/versioned", headers, course(title)).await;
        let tag = answer.1.get("etag").map(|tag| tag.to_str().unwrap().to_owned());
        (answer.0, tag.unwrap_or_default(), answer.2)
    };
    let status_and_tag = async |headers: &[(&str, &str)], title| {
        let (status, tag, _) = put(headers, title).await;
        (status, tag)
    };
    let of = |status: u16, tag: &str| (status, tag.to_owned());
    let (none, any) = (("if-none-match", "*"), ("if-match", "*"));
    assert_eq!(status_and_tag(&[any], "One").await, of(412, ""));
    assert_eq!(status_and_tag(&[("if-match", "\"1\"")], "One").await, of(412, ""));
    assert_eq!(status_and_tag(&[none], "One").await, of(201, "\"1\""));
    let (status, tag, body) = put(&[none], "One").await;
    assert_eq!((status, tag.as_str()), (412, "\"1\""));
    assert!(body["data"]["headers"].is_string(), "{body}");
    assert_eq!(status_and_tag(&[("if-match", "\"1\"")], "Two").await, of(200, "\"2\""));
    assert_eq!(status_and_tag(&[("if-match", "\"1\"")], "Two").await, of(200, "\"2\""), "repeated");
    assert_eq!(status_and_tag(&[("if-match", "\"1\"")], "Three").await, of(412, "\"2\""));
    assert_eq!(status_and_tag(&[("if-match", "W/\"2\"")], "Three").await, of(412, "\"2\""), "weak");
    assert_eq!(status_and_tag(&[("if-match", "\"a\", \"2\"")], "Three").await, of(200, "\"3\""));
    assert_eq!(status_and_tag(&[any], "Four").await, of(200, "\"4\""));
    assert_eq!(status_and_tag(&[], "Five").await, of(200, "\"5\""));
    for wrong in [&[("if-match", "5")][..], &[("if-none-match", "\"5\"")], &[any, none]] {
        let (status, _, body) = put(wrong, "Six").await;
        assert_eq!(status, 400, "{wrong:?}");
        assert!(body["data"]["headers"].is_string(), "{body}");
    }
    let (status, headers, body) = api.call_whole("GET", "/courses/versioned", "").await;
    assert_eq!((status, &headers["etag"]), (200, &"\"5\"".parse().unwrap()));
    assert_eq!(
        (&body["data"]["course"]["title"], &body["data"]["course"]["version"]),
        (&json!("Five"), &json!(5))
    );
}

#[tokio::test]
async fn price_change_is_in_the_history_with_its_author_and_not_in_the_course() {
    let api = free();
    let course = |price| json!({"title": "T", "price": price, "currency": "USD", "state": "open"});
    for price in [4900, 4900, 5900] {
        let (_, body) = api.call("PUT", "/courses/dear", course(price)).await;
        assert!(!body.to_string().contains("arn:"), "{body}");
    }
    let (_, shown) = api.call("GET", "/courses/dear", "").await;
    assert!(!shown.to_string().contains("arn:"), "callers see no operator: {shown}");
    let changes = api.world.price_changes();
    assert_eq!(changes.len(), 2);
    assert_eq!(changes[1].by.as_str(), "arn:aws:iam::123456789012:user/grace");
    assert_eq!(u64::from(changes[1].new.amount), 5900);
    let request = Request::builder().method("PUT").uri("/courses/dear");
    let nobody = api.send(request.body(Body::from(course(1).to_string())).unwrap()).await;
    assert_eq!(nobody.0, 403);
    assert_eq!(api.world.price_changes().len(), 2);
}

#[tokio::test]
async fn full_course_is_409_and_shows_its_seats() {
    let api = free();
    let course = json!({
        "title": "T", "price": 0, "currency": "USD", "state": "open", "seats": 1,
    });
    assert_eq!(api.call("PUT", "/courses/small", course.clone()).await.0, 201);
    let ask = async |student: &str| {
        let mut body = ada();
        body["course_id"] = json!("small");
        body["student_id"] = json!(student);
        api.call("POST", "/enrollments", body).await
    };
    assert_eq!(ask("s-1").await.0, 201);
    let (status, body) = ask("s-2").await;
    assert_eq!((status, &body["data"]["seats"]), (409, &json!("no seat of this course is free")));
    assert_eq!(ask("s-1").await.0, 200);
    let (_, shown) = api.call("GET", "/courses/small", "").await;
    assert_eq!(
        (&shown["data"]["course"]["seats"], &shown["data"]["seats_taken"]),
        (&json!(1), &json!(1))
    );
    let (_, plain) = api.call("GET", "/courses/open", "").await;
    assert_eq!(plain["data"]["seats_taken"], Value::Null);
    for (seats, why) in
        [(json!(1_000_001), "is more than 1000000"), (json!(1.5), "is not a whole number from 0")]
    {
        let mut wrong = course.clone();
        wrong["seats"] = seats;
        let (status, body) = api.call("PUT", "/courses/small", wrong).await;
        assert_eq!((status, &body["data"]["seats"]), (422, &json!(why)));
    }
}

#[tokio::test]
async fn unknown_path_or_method_returns_a_jsend_fail() {
    let api = free();
    assert_eq!(api.call("GET", "/nowhere", "").await.0, 404);
    let (status, body) = api.call("DELETE", "/courses/open", "").await;
    assert_eq!(status, 405);
    assert_eq!(body["status"], "fail");
}

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

/// The status for each sample event of the API, over a world with its courses and with payments.
const EVENTS: [(&str, u16); 14] = [
    ("health", 200),
    ("put-course", 201),
    ("get-course", 200),
    ("list-courses", 200),
    ("enroll", 201),
    ("enroll-custom-domain", 200),
    ("add-user-to-course", 200),
    ("get-enrollment", 200),
    ("list-enrollments", 200),
    ("enroll-paid", 201),
    ("stripe-webhook", 403),
    ("stripe-refunded", 403),
    // After the others: it ends the access of their student.
    ("list-roster", 200),
    ("operate-enrollment", 200),
];

#[tokio::test]
async fn every_sample_event_gets_its_status() {
    let api = serve(World::new([course("serverless-payments", 4900, "open")], Bank::Accepts));
    for (name, expected) in EVENTS {
        let path = format!("{}/../../events/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let event = std::fs::read_to_string(path).unwrap();
        let event = serde_json::from_str(&event).unwrap();
        let (status, body) = gateway::tests::respond(&api.router, event).await;
        assert_eq!(status, expected, "{name}: {body}");
    }
}

#[test]
fn every_sample_event_of_the_api_is_tested() {
    let folder = format!("{}/../../events", env!("CARGO_MANIFEST_DIR"));
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let event: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap();
        // The others belong to other functions, whose own tests read them.
        if event["rawPath"].is_string() {
            assert!(EVENTS.iter().any(|(known, _)| *known == name), "{name} is not tested");
        }
    }
}
