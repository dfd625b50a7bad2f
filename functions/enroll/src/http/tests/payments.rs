//! The API with the real client of Stripe, over the stand-in in process: the cases from the field.

mod notices;
mod partner_bus;

use std::sync::Mutex;

use enrollment::{Adapters, enrollment::EnrollmentState};
use lambda::clock;
use stripe::{
    SecretsSource, Stripe,
    testing::{Account, Card, Event, Fault, InProcess, Request as StandInRequest, Rule},
    transport::{self, Transport},
};

use super::*;

const KEY: &str = "sk_test_1";
const CREATE: &str = "/v1/payment_intents";
const CONFIRM: &str = "/v1/payment_intents/*/confirm";

/// The keys, and those that an operator has replaced them with.
#[derive(Clone)]
struct Keys {
    old: Arc<Secrets>,
    new: Option<Arc<Secrets>>,
}

impl SecretsSource for Keys {
    async fn secrets(&self) -> Result<Arc<Secrets>, Unavailable> {
        Ok(Arc::clone(&self.old))
    }

    async fn newer_than(&self, _: &Arc<Secrets>) -> Result<Option<Arc<Secrets>>, Unavailable> {
        Ok(self.new.clone())
    }
}

/// The line to Stripe.
#[derive(Clone)]
struct Line {
    stand_in: InProcess,
    /// The response to the next call instead of the stand-in's.
    canned: Arc<Mutex<Option<transport::Response>>>,
    /// Calls of this path's end wait forever.
    hangs_at: Option<&'static str>,
}

impl Transport for Line {
    async fn send(&self, request: transport::Request) -> Result<transport::Response, Unavailable> {
        if self.hangs_at.is_some_and(|end| request.path.ends_with(end)) {
            std::future::pending::<()>().await;
        }
        let canned = self.canned.lock().unwrap().take();
        match canned {
            Some(response) => Ok(response),
            None => self.stand_in.send(request).await,
        }
    }
}

struct Deployed;

impl Adapters for Deployed {
    type Courses = World;
    type Enrollments = World;
    type Payments = Stripe<Keys, Line>;
    type EmailQueue = World;
    type Ledger = World;
}

/// The API, and Stripe's account behind it.
struct Shop {
    api: Api,
    line: Line,
}

fn keys(api_key: &str, webhook_secret: &str) -> Arc<Secrets> {
    let text = json!({"api_key": api_key, "webhook_secret": webhook_secret}).to_string();
    Arc::new(Secrets::parse(&text).unwrap())
}

fn shop() -> Shop {
    shop_with(Keys { old: Arc::clone(&KEYS), new: None }, None)
}

fn shop_with(keys: Keys, hangs_at: Option<&'static str>) -> Shop {
    shop_that(keys, hangs_at, AccessAfterRefund::Keep)
}

fn shop_that(keys: Keys, hangs_at: Option<&'static str>, access: AccessAfterRefund) -> Shop {
    let world = World::new(
        [course("priced", 4900, "open"), course("other", 4900, "open"), course("open", 0, "open")],
        Bank::Accepts,
    );
    let stand_in = InProcess::new(Account::new(KEY, clock::now()));
    let line = Line { stand_in, canned: Arc::default(), hangs_at };
    let ports: Ports<Deployed> = Ports {
        courses: world.clone(),
        enrollments: world.clone(),
        payments: Some(Stripe::over(line.clone(), keys, clock::instant)),
        email_queue: world.clone(),
        ledger: world.clone(),
    };
    Shop { api: Api { world, router: router(Arc::new(ports), access) }, line }
}

impl Shop {
    fn account<T>(&self, action: impl FnOnce(&mut Account) -> T) -> T {
        action(&mut self.line.stand_in.account())
    }

    fn fails(&self, fault: Fault, path: &str) {
        self.account(|account| account.inject(Rule::next(fault).on("POST", path)));
    }

    async fn buy(&self, method: &str) -> (u16, HeaderMap, Value) {
        self.buy_with(|body| body["payment_method"] = json!(method)).await
    }

    async fn buy_with(&self, change: impl FnOnce(&mut Value)) -> (u16, HeaderMap, Value) {
        let mut body = ada_pays();
        change(&mut body);
        self.api.call_whole("POST", "/enrollments", body).await
    }

    fn kept(&self) -> u32 {
        self.account(|account| account.counts("student_id", "s-1").kept)
    }

    fn state(&self) -> EnrollmentState {
        self.api.world.enrollments().pop().unwrap().state
    }

    async fn deliver(&self, event: &Event, keys: &Secrets) -> u16 {
        let signature = self.account(|account| account.sign(event, &keys.webhook_secrets[0]));
        let request = Request::builder()
            .method("POST")
            .uri("/webhooks/stripe")
            .header("stripe-signature", signature)
            .body(Body::from(event.body.clone()))
            .unwrap();
        self.api.send(request).await.0
    }
}

/// Case C03.
#[tokio::test]
async fn idempotency_error_is_503_and_the_student_gets_access_in_the_end() {
    let shop = shop();
    let message = "Keys for idempotent requests can only be used with the same parameters they were first used with.";
    let body = json!({"error": {"type": "idempotency_error", "message": message}}).to_string();
    *shop.line.canned.lock().unwrap() =
        Some(transport::Response { status: 400, is_replay: false, body: body.into_bytes() });
    let (status, headers, body) = shop.buy("pm_card_visa").await;
    assert_eq!((status, &body["status"]), (503, &json!("error")), "{body}");
    assert!(!headers.contains_key(RETRY_AFTER), "a retry would be refused too");
    assert!(!body.to_string().contains("idempotent"), "Stripe's text is for developers: {body}");
    assert_eq!(shop.state(), EnrollmentState::PaymentPending, "the attempt is kept");

    // The key's intent has succeeded: Stripe says so.
    let id = shop.api.world.enrollments()[0].id.to_string();
    let form = [
        ("amount", "4900"),
        ("currency", "usd"),
        ("payment_method", "pm_card_visa"),
        ("confirm", "true"),
        ("metadata[enrollment_id]", id.as_str()),
        ("metadata[student_id]", "s-1"),
        ("metadata[course_id]", "priced"),
        ("metadata[attempt]", "1"),
    ];
    let succeeded = shop.account(|account| {
        account.handle(&StandInRequest::post(CREATE, &form).api_key(KEY)).unwrap();
        let kind = "payment_intent.succeeded";
        account.take_events().into_iter().find(|event| event.kind == kind).unwrap()
    });
    assert_eq!(shop.deliver(&succeeded, &KEYS).await, 200);
    assert_eq!(shop.buy("pm_card_visa").await.0, 200);
    assert_eq!((shop.state(), shop.kept()), (EnrollmentState::Active, 1));
}

/// Case C06.
#[tokio::test]
async fn saved_500_of_create_does_not_stop_the_student() {
    for method in ["pm_card_visa", "pm_card_mastercard"] {
        let shop = shop();
        shop.fails(Fault::ErrorBefore(500), CREATE);
        let (status, headers, _) = shop.buy("pm_card_visa").await;
        assert_eq!((status, headers.contains_key(RETRY_AFTER)), (503, true));
        let (status, _, body) = shop.buy(method).await;
        assert_eq!(status, 201, "{body}");
        assert_eq!(shop.kept(), 1);
    }
}

#[tokio::test]
async fn saved_500_of_confirm_does_not_stop_the_student() {
    for (fault, method) in [
        (Fault::ErrorBefore(500), "pm_card_visa"),
        (Fault::ErrorAfter(500), "pm_card_visa"),
        (Fault::ErrorBefore(500), "pm_card_mastercard"),
        (Fault::ErrorAfter(500), "pm_card_mastercard"),
    ] {
        let shop = shop();
        shop.fails(fault, CONFIRM);
        assert_eq!(shop.buy("pm_card_visa").await.0, 503);
        let (status, _, body) = shop.buy(method).await;
        assert_eq!(status, 201, "{fault:?}: {body}");
        assert_eq!(shop.kept(), 1);
    }
}

/// Case C17.
#[tokio::test]
async fn payment_method_that_was_used_is_402_with_a_code_that_says_so() {
    let shop = shop();
    shop.account(|account| account.add_payment_method("pm_x", Card::Accepted));
    assert_eq!(shop.buy("pm_x").await.0, 201);
    let used = |body: &mut Value| {
        body["course_id"] = json!("other");
        body["payment_method"] = json!("pm_x");
    };
    let (status, _, body) = shop.buy_with(used).await;
    assert_eq!((status, &body["data"]["code"]), (402, &json!("payment_method_used")));
    assert!(!body.to_string().contains("PaymentMethod"), "{body}");
    let (status, _, body) = shop.buy_with(|body| body["course_id"] = json!("other")).await;
    assert_eq!((status, &body["data"]["code"]), (402, &json!("payment_method_unknown")));
    let again = |body: &mut Value| {
        body["course_id"] = json!("other");
        body["payment_method"] = json!("pm_card_visa");
    };
    assert_eq!(shop.buy_with(again).await.0, 201);
    assert_eq!(shop.kept(), 2, "one for each course");
}

/// Case C19.
#[tokio::test]
async fn another_card_after_a_closed_three_d_secure_window_is_201_at_once() {
    let shop = shop();
    let (status, _, body) = shop.buy("pm_card_authenticationRequired").await;
    assert_eq!((status, &body["data"]["payment"]), (402, &json!("requires_action")));
    assert_eq!(shop.buy("pm_card_visa").await.0, 201);
    assert_eq!(shop.kept(), 1);
    let first = shop.account(|account| account.intents("student_id", "s-1").remove(0));
    let waits = shop.account(|account| account.authenticate(&first, true));
    assert!(!waits, "the first intent is cancelled");
}

/// Case C20, with Stripe.
#[tokio::test]
async fn corrected_name_after_a_declined_card_is_201() {
    let shop = shop();
    assert_eq!(shop.buy("pm_card_chargeDeclined").await.0, 402);
    let corrected = |body: &mut Value| {
        body["name"] = json!("Ada Lovelace");
        body["payment_method"] = json!("pm_card_visa");
    };
    assert_eq!(shop.buy_with(corrected).await.0, 201);
}

/// Case C34.
#[tokio::test]
async fn ping_and_thin_event_are_acknowledged() {
    let shop = shop();
    let ping = shop.account(|account| {
        account.ping();
        account.take_events().remove(0)
    });
    assert_eq!(shop.deliver(&ping, &KEYS).await, 200);
    let body = r#"{"id":"evt_1","object":"v2.core.event","type":"v2.core.event_destination.ping","related_object":{"id":"ed_1"}}"#;
    assert_eq!(shop.deliver(&Event { body: body.to_owned(), ..ping }, &KEYS).await, 200);
}

#[tokio::test]
async fn key_that_stripe_refuses_is_503_without_its_text_and_the_attempt_is_kept() {
    let shop = shop();
    shop.account(|account| account.revoke_api_key(KEY));
    let (status, headers, body) = shop.buy("pm_card_visa").await;
    assert_eq!((status, headers.contains_key(RETRY_AFTER)), (503, false));
    assert!(!body.to_string().contains("API"), "{body}");
    assert_eq!(shop.state(), EnrollmentState::PaymentPending);
}

#[tokio::test]
async fn rolled_keys_are_read_again_without_a_cold_start() {
    let new = keys("sk_test_2", "whsec_2");
    let rolled = Keys { old: keys(KEY, "whsec_1"), new: Some(Arc::clone(&new)) };
    let shop = shop_with(rolled, None);
    shop.account(|account| {
        account.add_api_key("sk_test_2");
        account.revoke_api_key(KEY);
        account.ping();
    });
    assert_eq!(shop.buy("pm_card_visa").await.0, 201);
    let ping = shop.account(|account| account.events()[0].clone());
    for (keys, status) in [(&new, 200), (&keys(KEY, "whsec_1"), 200), (&keys(KEY, "whsec_3"), 403)]
    {
        assert_eq!(shop.deliver(&ping, keys).await, status);
    }
}

#[tokio::test]
async fn price_that_was_not_agreed_is_409_and_names_the_field() {
    let shop = shop();
    for (price, currency, field) in [(4800, "USD", "price"), (4900, "EUR", "currency")] {
        let agreed = |body: &mut Value| {
            body["price"] = json!(price);
            body["currency"] = json!(currency);
        };
        let (status, _, body) = shop.buy_with(agreed).await;
        assert_eq!(status, 409, "{body}");
        assert!(body["data"][field].is_string(), "{body}");
    }
    let (status, _, body) = shop.buy_with(|body| body["price"] = json!(4900)).await;
    assert_eq!(status, 422, "both or neither: {body}");
    assert_eq!(shop.kept(), 0);
}

/// Whatever hangs, the response comes before the invocation's time is over, and before API Gateway's.
#[tokio::test(start_paused = true)]
async fn slow_stripe_is_our_own_503_before_the_functions_timeout() {
    for hangs_at in ["/payment_intents", "/confirm"] {
        let shop = shop_with(Keys { old: Arc::clone(&KEYS), new: None }, Some(hangs_at));
        let started_at = clock::instant();
        let (status, headers, body) = shop.buy("pm_card_visa").await;
        assert_eq!((status, &headers[RETRY_AFTER]), (503, &"5".parse().unwrap()), "{body}");
        assert_eq!(started_at.elapsed() + RESERVED, TIMEOUT, "{hangs_at}");
        let mut free = ada();
        free["course_id"] = json!("open");
        assert_eq!(shop.api.call("POST", "/enrollments", free).await.0, 201);
    }
}

#[tokio::test(start_paused = true)]
async fn deadline_of_the_invocation_counts() {
    let shop = shop_with(Keys { old: Arc::clone(&KEYS), new: None }, Some("/payment_intents"));
    let soon = clock::now() + std::time::Duration::from_secs(5);
    let mut context = lambda_http::Context::default();
    context.deadline = u64::try_from(soon.unix_timestamp_nanos() / 1_000_000).unwrap();
    let request = Request::builder().method("POST").uri("/enrollments");
    let request = request.body(Body::from(ada_pays().to_string())).unwrap();
    let request = lambda_http::RequestExt::with_lambda_context(request, context);
    let started_at = clock::instant();
    assert_eq!(shop.api.send(request).await.0, 503);
    let passed = started_at.elapsed();
    assert!((3_900..=4_000).contains(&passed.as_millis()), "{passed:?}");
}
