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

mod courses;
mod enrolling;
mod lists;
mod paying;
mod payments;
mod samples;
mod students;

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
        let caller = caller::Caller::Signed(Some(by));
        let request = Request::builder().method(method).uri(path).extension(caller);
        let request =
            headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    async fn send(&self, request: Request<Body>) -> (u16, HeaderMap, Value) {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        let (status, body) = (parts.status.as_u16(), serde_json::from_slice(&bytes).unwrap());
        openapi::conformance::check(method.as_str(), &path, status, &parts.headers, &body);
        (status, parts.headers, body)
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
async fn unknown_path_or_method_returns_a_jsend_fail() {
    let api = free();
    assert_eq!(api.call("GET", "/nowhere", "").await.0, 404);
    let (status, body) = api.call("DELETE", "/courses/open", "").await;
    assert_eq!(status, 405);
    assert_eq!(body["status"], "fail");
}
