//! The log events that alarms count, and the filters of template.yaml that count them.
//!
//! One test in a process of its own: `tracing` remembers per call site whether any subscriber is
//! interested.
#![allow(clippy::unwrap_used)]

use std::{
    fmt::{self, Write},
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode},
};
use enrollment::{
    Adapters, Course, Ports,
    outside::AccessAfterRefund,
    testing::{Bank, Dependency, World},
};
use lambda::clock;
use serde_json::{Value, json};
use stripe::{
    Secrets, Stripe,
    testing::{Account, Event as StripeEvent, InProcess},
};
use tower::ServiceExt;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    instrument::WithSubscriber,
    span,
};

const KEY: &str = "sk_test_1";
const SECRET: &str = r#"{"api_key":"sk_test_1","webhook_secret":"whsec_1"}"#;

/// Keeps each line of the log as `name=value; name=value; `.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, "{field}={value:?}; ").unwrap();
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

struct Deployed;

impl Adapters for Deployed {
    type Courses = World;
    type Enrollments = World;
    type Payments = Stripe<Arc<Secrets>, InProcess>;
    type EmailQueue = World;
    type Ledger = World;
}

struct Shop {
    world: World,
    stripe: InProcess,
    router: Router,
}

fn shop() -> Shop {
    let course: Course = serde_json::from_value(json!({
        "course_id": "c", "title": "T", "price": 4900, "currency": "USD", "state": "open",
    }))
    .unwrap();
    let world = World::new([course], Bank::Accepts);
    let stripe = InProcess::new(Account::new(KEY, clock::now()));
    let secrets = Arc::new(Secrets::parse(SECRET).unwrap());
    let ports: Ports<Deployed> = Ports {
        courses: world.clone(),
        enrollments: world.clone(),
        payments: Some(Stripe::over(stripe.clone(), secrets, clock::instant)),
        email_queue: world.clone(),
        ledger: world.clone(),
    };
    Shop { world, stripe, router: enroll::router(Arc::new(ports), AccessAfterRefund::Keep) }
}

impl Shop {
    async fn buy(&self) -> StatusCode {
        let body = json!({
            "student_id": "s-1", "course_id": "c", "email": "ada@example.com", "name": "Ada",
            "payment_method": "pm_card_visa",
        });
        self.post(body.to_string()).await
    }

    async fn post(&self, body: String) -> StatusCode {
        let request = Request::post("/enrollments").body(Body::from(body)).unwrap();
        self.router.clone().oneshot(request).await.unwrap().status()
    }

    /// Something is charged for this enrollment and attempt, and Stripe's event arrives.
    async fn charged(&self, enrollment_id: &str, attempt: &str, amount: &str) -> StatusCode {
        let form = [
            ("amount", amount),
            ("currency", "usd"),
            ("payment_method", "pm_card_visa"),
            ("confirm", "true"),
            ("metadata[enrollment_id]", enrollment_id),
            ("metadata[student_id]", "s-1"),
            ("metadata[course_id]", "c"),
            ("metadata[attempt]", attempt),
        ];
        let request = stripe::testing::Request::post("/v1/payment_intents", &form).api_key(KEY);
        let event = {
            let mut account = self.stripe.account();
            account.handle(&request).unwrap();
            let is_it = |event: &StripeEvent| event.kind == "payment_intent.succeeded";
            account.take_events().into_iter().rfind(is_it).unwrap()
        };
        self.deliver(&event.body).await
    }

    async fn deliver(&self, body: &str) -> StatusCode {
        let secret = &Secrets::parse(SECRET).unwrap().webhook_secrets[0];
        let signature = stripe::webhook::sign(secret, body.as_bytes(), clock::now());
        let request = Request::post("/webhooks/stripe").header("stripe-signature", signature);
        let request = request.body(Body::from(body.to_owned())).unwrap();
        self.router.clone().oneshot(request).await.unwrap().status()
    }

    async fn deliver_last(&self, kind: &str) -> StatusCode {
        let event = {
            let account = self.stripe.account();
            account.events().iter().rfind(|event| event.kind == kind).unwrap().clone()
        };
        self.deliver(&event.body).await
    }

    fn enrollment_id(&self) -> String {
        self.world.enrollments()[0].id.to_string()
    }
}

/// The only event that this logs, except for the line of its request; it has these fields, and no text of Stripe's.
async fn assert_logged(action: impl Future<Output = StatusCode>, event: &str, fields: &[&str]) {
    let log = Log::default();
    action.with_subscriber(log.clone()).await;
    let lines = log.0.lock().unwrap().clone();
    let of_request = |line: &&String| line.contains("event=\"request\"; ");
    let lines: Vec<_> =
        lines.iter().filter(|line| line.contains("event=") && !of_request(line)).collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains(&format!("event={event:?}; ")), "{lines:?}");
    for field in fields {
        assert!(lines[0].contains(&format!("{field}=")), "{field}: {lines:?}");
    }
    assert!(!lines[0].contains("API Key"), "{lines:?}");
    let template = include_str!("../../../template.yaml");
    let filter = format!("'{{ $.fields.event = \"{event}\" }}'");
    let counted = template.split("LogGroupName: !Ref EnrollLogGroup").skip(1);
    let counted = counted.filter_map(|rest| rest.trim_start().strip_prefix("FilterPattern: "));
    assert_eq!(counted.filter(|rest| rest.starts_with(&filter)).count(), 1, "{event}");
}

/// The line of the request has these texts.
async fn assert_request(action: impl Future<Output = StatusCode>, texts: &[&str]) {
    let log = Log::default();
    action.with_subscriber(log.clone()).await;
    let lines = log.0.lock().unwrap().clone();
    let lines: Vec<_> = lines.iter().filter(|line| line.contains("event=\"request\"; ")).collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    for text in texts {
        assert!(lines[0].contains(text), "{text}: {lines:?}");
    }
    for other in ["ada@example.com", "s-1"] {
        assert!(!lines[0].contains(other), "{lines:?}");
    }
}

#[tokio::test]
async fn requests_and_events_log_what_an_operator_must_look_at() {
    let measured = shop();
    let new = ["status=201; ", "enrollment=\"enrolled\"; ", "took_ms=", "stripe_ms="];
    assert_request(measured.buy(), &new).await;
    // Two endpoints, each with a limit of its own.
    let calls = capacity::usage::STRIPE_CALLS_PER_ENDPOINT as usize;
    assert_eq!(measured.stripe.account().calls().len(), 2 * calls);
    assert_request(measured.buy(), &["status=200; ", "enrollment=\"already_enrolled\"; "]).await;
    measured.world.take_down(Dependency::Tables);
    let down = ["status=503; ", "enrollment=\"unavailable\"; "];
    assert_request(measured.buy(), &down).await;
    assert_request(measured.post("not JSON".to_owned()), &["enrollment=\"refused\"; "]).await;

    let refused = shop();
    refused.stripe.account().revoke_api_key(KEY);
    let fields = ["operation", "status", "error_type", "code"];
    assert_logged(refused.buy(), "payment_provider_refused", &fields).await;

    let shop = shop();
    assert_eq!(shop.buy().await, StatusCode::CREATED);
    let id = shop.enrollment_id();
    assert_logged(
        shop.charged(&id, "1", "4900"),
        "payment_orphaned",
        &["intent_id", "refund_requested"],
    )
    .await;
    let nobody = "0198c0de-0000-7000-8000-000000000001";
    let fields = ["intent_id", "enrollment_id"];
    assert_logged(shop.charged(nobody, "1", "4900"), "payment_without_enrollment", &fields).await;

    let refund = json!({"id": "re_1", "payment_intent": "pi_1", "status": "failed", "metadata": {"created_by": "registrar"}});
    let event: Value = json!({"type": "refund.failed", "data": {"object": refund}});
    assert_logged(shop.deliver(&event.to_string()), "refund_failed", &["intent_id"]).await;

    let intent = shop.stripe.account().intents("student_id", "s-1").remove(0);
    let dispute = shop.stripe.account().dispute(&intent).unwrap();
    let fields = ["intent_id", "dispute_id", "state"];
    assert_logged(shop.deliver_last("charge.dispute.created"), "payment_disputed", &fields).await;
    assert!(shop.stripe.account().close_dispute(&dispute, "lost"));
    assert_logged(shop.deliver_last("charge.dispute.closed"), "dispute_lost", &fields).await;
    let again = self::shop();
    assert_eq!(again.buy().await, StatusCode::CREATED);
    let intent = again.stripe.account().intents("student_id", "s-1").remove(0);
    assert!(again.stripe.account().refund_in_dashboard(&intent, Some(900)));
    let fields = ["intent_id", "in_full", "state"];
    assert_logged(again.deliver_last("charge.refunded"), "refunded_at_stripe", &fields).await;

    // An attempt without an id, and a charge for it of another amount.
    let stuck = self::shop();
    stuck
        .stripe
        .account()
        .inject(stripe::testing::Rule::next(stripe::testing::Fault::DependencyFailed));
    assert_eq!(stuck.buy().await, StatusCode::SERVICE_UNAVAILABLE);
    let id = stuck.enrollment_id();
    assert_logged(stuck.charged(&id, "1", "5900"), "enrollment_stuck", &["why"]).await;
}
