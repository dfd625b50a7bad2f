//! The client against the stand-in, without sockets; and once over HTTP.

use enrollment::{CourseId, StudentId, payment::Payment};
use serde_json::json;
use time::Duration as Span;

use super::*;
use crate::testing::{self, Account, Card, Fault, InProcess, Rule, Server};

const KEY: &str = "sk_test_1";
const CREATE: &str = "/v1/payment_intents";
const CONFIRM: &str = "/v1/payment_intents/*/confirm";
const REFUND: &str = "/v1/refunds";

fn secrets(api_key: &str) -> Arc<Secrets> {
    let text = json!({"api_key": api_key, "webhook_secret": "whsec_1"}).to_string();
    Arc::new(Secrets::parse(&text).unwrap())
}

#[expect(clippy::disallowed_methods, reason = "a test's clock")]
fn clock() -> Instant {
    Instant::now()
}

/// A student's attempt.
struct Attempt {
    student_id: StudentId,
    course_id: CourseId,
    payment: Payment,
}

impl Attempt {
    fn with(method: &str, price: u32) -> Self {
        let payment = json!({
            "attempt": 2, "price": price, "currency": "USD", "method": method,
            "started_at": "2026-01-01T00:00:00Z",
        });
        Self {
            student_id: "s-1".parse().unwrap(),
            course_id: "rust-101".parse().unwrap(),
            payment: serde_json::from_value(payment).unwrap(),
        }
    }

    fn charge(&self) -> Charge<'_> {
        let id = json!("0198c0de-0000-7000-8000-000000000001");
        Charge {
            enrollment_id: serde_json::from_value(id).unwrap(),
            student_id: &self.student_id,
            course_id: &self.course_id,
            payment: &self.payment,
        }
    }
}

/// The client and the account that it calls.
struct World {
    transport: InProcess,
    stripe: Stripe<Arc<Secrets>, InProcess>,
}

fn world() -> World {
    let now = time::OffsetDateTime::from_unix_timestamp(1_795_000_000).unwrap();
    let transport = InProcess::new(Account::new(KEY, now));
    let stripe = Stripe::over(transport.clone(), secrets(KEY), clock);
    World { transport, stripe }
}

impl World {
    fn fails(&self, fault: Fault, method: &str, path: &str) {
        self.transport.account().inject(Rule::next(fault).on(method, path));
    }

    fn forget_keys(&self) {
        self.transport.account().advance(testing::KEPT_FOR);
    }

    async fn create(&self, method: &str) -> Result<Created, PaymentError> {
        self.stripe.create(Attempt::with(method, 4900).charge()).await
    }

    async fn created(&self, method: &str) -> IntentId {
        match self.create(method).await.unwrap() {
            Created::Intent(intent) => intent.id,
            Created::Declined(why) => panic!("{why:?}"),
        }
    }

    async fn confirm(&self, id: &IntentId) -> Result<Intent, PaymentError> {
        self.stripe.confirm(Attempt::with("pm_x", 4900).charge(), id).await
    }

    async fn paid(&self, method: &str) -> IntentId {
        let id = self.created(method).await;
        assert_eq!(self.confirm(&id).await.unwrap().status, IntentStatus::Succeeded);
        id
    }

    fn kept(&self) -> u32 {
        self.transport.account().counts("student_id", "s-1").kept
    }
}

fn refusal(error: PaymentError) -> (u16, String, String) {
    match error {
        PaymentError::Refused(why) => (why.status, why.error_type, why.code),
        other => panic!("{other:?}"),
    }
}

fn code(created: Result<Created, PaymentError>) -> String {
    match created {
        Ok(Created::Declined(why)) => why.code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn create_sends_every_field_and_does_not_confirm() {
    let world = world();
    let Created::Intent(intent) = world.create("pm_card_visa").await.unwrap() else { panic!() };
    assert_eq!(intent.status, IntentStatus::AwaitingConfirmation);
    assert_eq!((u64::from(intent.money.amount), intent.livemode), (4900, false));
    let account = world.transport.account();
    for (name, value) in [
        ("enrollment_id", "0198c0de-0000-7000-8000-000000000001"),
        ("student_id", "s-1"),
        ("course_id", "rust-101"),
        ("attempt", "2"),
    ] {
        assert_eq!(account.intents(name, value), [intent.id.as_str()], "{name}");
    }
    let key = account.calls()[0].key.clone();
    assert_eq!(key.as_deref(), Some("0198c0de-0000-7000-8000-000000000001-2-create"));
    assert_eq!(account.counts("student_id", "s-1").confirmations, 0);
}

#[tokio::test]
async fn replayed_response_is_looked_up() {
    let world = world();
    let id = world.paid("pm_card_visa").await;
    let Created::Intent(again) = world.create("pm_card_visa").await.unwrap() else { panic!() };
    assert_eq!((again.id, again.status), (id.clone(), IntentStatus::Succeeded));
    world.transport.account().advance(Span::days(30));
    assert_eq!(world.stripe.find(&id).await.unwrap().status, IntentStatus::Succeeded, "any age");
}

#[tokio::test]
async fn payment_method_that_is_unknown_or_used_is_the_students_and_says_which() {
    let world = world();
    assert_eq!(code(world.create("pm_unknown").await), "payment_method_unknown");
    world.forget_keys();
    world.transport.account().add_payment_method("pm_x", Card::Accepted);
    world.paid("pm_x").await;
    world.forget_keys();
    let declined = world.create("pm_x").await;
    let Ok(Created::Declined(why)) = declined else { panic!("{declined:?}") };
    assert_eq!(why.code, "payment_method_used");
    assert!(!why.message.contains("PaymentMethod"), "{}", why.message);
}

#[tokio::test]
async fn payment_method_that_was_used_meanwhile_declines_the_intent() {
    let world = world();
    world.transport.account().add_payment_method("pm_x", Card::Accepted);
    let id = world.created("pm_x").await;
    {
        let mut account = world.transport.account();
        let form = [
            ("amount", "100"),
            ("currency", "usd"),
            ("payment_method", "pm_x"),
            ("confirm", "true"),
        ];
        let other = testing::Request::post(CREATE, &form).api_key(KEY);
        assert_eq!(account.handle(&other).unwrap().status, 200);
    }
    let IntentStatus::Declined(why) = world.confirm(&id).await.unwrap().status else { panic!() };
    assert_eq!(why.code, "payment_method_used");
    assert_eq!(world.stripe.cancel(&id).await.unwrap().status, IntentStatus::Cancelled);
}

#[tokio::test]
async fn payment_method_of_the_other_mode_is_our_mistake() {
    let live = secrets("sk_live_1");
    let world = world();
    world.transport.account().add_api_key("sk_live_1");
    world.transport.account().add_payment_method("pm_test", Card::Accepted);
    let world = World { stripe: Stripe::over(world.transport.clone(), live, clock), ..world };
    let (status, kind, code) = refusal(world.create("pm_test").await.unwrap_err());
    assert_eq!(
        (status, kind.as_str(), code.as_str()),
        (400, "invalid_request_error", "resource_missing")
    );
}

#[tokio::test]
async fn declined_confirm_returns_the_banks_code_and_the_text_for_students() {
    let world = world();
    let id = world.created("pm_card_chargeDeclinedInsufficientFunds").await;
    for _ in 0..2 {
        let IntentStatus::Declined(why) = world.confirm(&id).await.unwrap().status else {
            panic!()
        };
        assert_eq!(why.code, "insufficient_funds");
        assert_eq!(why.message, "Your card has insufficient funds.");
    }
}

#[tokio::test]
async fn failed_authentication_shows_no_text_for_developers() {
    let world = world();
    let id = world.created("pm_card_authenticationRequired").await;
    let asked = world.confirm(&id).await.unwrap().status;
    assert!(
        matches!(asked, IntentStatus::RequiresAction { client_secret } if !client_secret.is_empty())
    );
    assert!(world.transport.account().authenticate(id.as_str(), false));
    let IntentStatus::Declined(why) = world.stripe.find(&id).await.unwrap().status else {
        panic!()
    };
    assert_eq!(why.code, "payment_intent_authentication_failure");
    assert!(!why.message.contains("PaymentMethod"), "{}", why.message);
}

#[tokio::test]
async fn cancel_of_a_paid_or_cancelled_intent_returns_it_as_it_is() {
    let world = world();
    let id = world.paid("pm_card_visa").await;
    assert_eq!(world.stripe.cancel(&id).await.unwrap().status, IntentStatus::Succeeded);
    world.forget_keys();
    let id = world.created("pm_card_mastercard").await;
    for _ in 0..2 {
        assert_eq!(world.stripe.cancel(&id).await.unwrap().status, IntentStatus::Cancelled);
    }
}

#[tokio::test]
async fn failure_of_create_that_is_saved_for_the_key_spends_it() {
    for fault in [Fault::ErrorBefore(500), Fault::ErrorAfter(500), Fault::DependencyFailed] {
        let world = world();
        world.fails(fault, "POST", CREATE);
        let first = world.create("pm_card_visa").await.unwrap_err();
        assert!(!matches!(first, PaymentError::KeyIsSpent), "{first:?}");
        for _ in 0..2 {
            let again = world.create("pm_card_visa").await.unwrap_err();
            assert!(matches!(again, PaymentError::KeyIsSpent), "{fault:?}: {again:?}");
        }
    }
}

#[tokio::test]
async fn failure_of_confirm_that_is_saved_for_the_key_does_not_stop_the_student() {
    for (fault, confirmations) in [(Fault::ErrorBefore(500), 1), (Fault::ErrorAfter(500), 1)] {
        let world = world();
        world.transport.account().add_payment_method("pm_x", Card::Accepted);
        let id = world.created("pm_x").await;
        world.fails(fault, "POST", CONFIRM);
        let lost = world.confirm(&id).await.unwrap_err();
        assert!(matches!(lost, PaymentError::Unavailable(_)), "{lost:?}");
        assert_eq!(world.confirm(&id).await.unwrap().status, IntentStatus::Succeeded);
        let counts = world.transport.account().counts("student_id", "s-1");
        assert_eq!((counts.confirmations, counts.kept), (confirmations, 1), "{fault:?}");
    }
}

#[tokio::test]
async fn what_says_later_is_unavailable_and_what_refuses_us_is_refused() {
    for fault in [
        Fault::SilenceBefore,
        Fault::ErrorBefore(502),
        Fault::RateLimit,
        Fault::LockTimeout,
        Fault::KeyInUse,
    ] {
        let world = world();
        world.fails(fault, "POST", CREATE);
        let error = world.create("pm_card_visa").await.unwrap_err();
        assert!(matches!(error, PaymentError::Unavailable(_)), "{fault:?}: {error:?}");
        assert!(world.create("pm_card_visa").await.is_ok(), "{fault:?}");
    }
    for (fault, status) in
        [(Fault::Unauthorized, 401), (Fault::Forbidden, 403), (Fault::DependencyFailed, 424)]
    {
        let world = world();
        world.fails(fault, "POST", CREATE);
        assert_eq!(refusal(world.create("pm_card_visa").await.unwrap_err()).0, status);
    }
}

/// Case C03.
#[tokio::test]
async fn idempotency_error_is_our_mistake_and_not_the_students() {
    let world = world();
    world.create("pm_card_visa").await.unwrap();
    let (status, kind, _) = refusal(world.create("pm_card_mastercard").await.unwrap_err());
    assert_eq!((status, kind.as_str()), (400, "idempotency_error"));
}

#[tokio::test]
async fn invalid_amount_is_our_mistake_and_the_error_shows_no_value() {
    let world = world();
    let error = world.stripe.create(Attempt::with("pm_card_visa", 1).charge()).await.unwrap_err();
    let expected = "creating a payment was refused: status 400, type `invalid_request_error`, code `amount_too_small`";
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn refund_is_read_until_it_is_settled_and_made_again_under_a_fresh_key() {
    let world = world();
    let id = world.paid("pm_card_pendingRefund").await;
    let pending = world.stripe.refund(&id, 1).await.unwrap();
    assert_eq!(pending.status, RefundStatus::Pending);
    world.transport.account().fail_refund(pending.id.as_str(), "lost_or_stolen_card");
    for failed in [world.stripe.refund(&id, 1).await, world.stripe.find_refund(&pending.id).await] {
        assert_eq!(failed.unwrap().status, RefundStatus::Failed);
    }
    let second = world.stripe.refund(&id, 2).await.unwrap();
    assert_ne!(second.id, pending.id);
    assert!(world.transport.account().settle_refund(second.id.as_str()));
    assert_eq!(world.stripe.find_refund(&second.id).await.unwrap().status, RefundStatus::Succeeded);
    assert_eq!(world.kept(), 0);
}

#[tokio::test]
async fn charge_that_is_refunded_already_returns_that_refund() {
    let world = world();
    let id = world.paid("pm_card_visa").await;
    let first = world.stripe.refund(&id, 1).await.unwrap();
    assert_eq!(world.stripe.refund(&id, 2).await.unwrap(), first, "under another key");
    world.forget_keys();
    assert_eq!(world.stripe.refund(&id, 1).await.unwrap(), first, "after its key is forgotten");
}

#[tokio::test]
async fn refund_whose_failure_is_saved_is_found_or_spends_its_key() {
    let world = world();
    let id = world.paid("pm_card_visa").await;
    world.fails(Fault::ErrorBefore(500), "POST", REFUND);
    assert!(world.stripe.refund(&id, 1).await.is_err());
    let spent = world.stripe.refund(&id, 1).await.unwrap_err();
    assert!(matches!(spent, PaymentError::KeyIsSpent), "{spent:?}");
    world.fails(Fault::ErrorAfter(500), "POST", REFUND);
    assert!(world.stripe.refund(&id, 2).await.is_err());
    assert_eq!(world.stripe.refund(&id, 2).await.unwrap().status, RefundStatus::Succeeded);
    assert_eq!(world.kept(), 0);
}

/// Keys that an operator has replaced.
struct Rolled {
    old: Arc<Secrets>,
    new: Arc<Secrets>,
}

impl SecretsSource for Rolled {
    async fn secrets(&self) -> Result<Arc<Secrets>, Unavailable> {
        Ok(Arc::clone(&self.old))
    }

    async fn newer_than(&self, _: &Arc<Secrets>) -> Result<Option<Arc<Secrets>>, Unavailable> {
        Ok(Some(Arc::clone(&self.new)))
    }
}

#[tokio::test]
async fn rolled_key_is_read_again_and_the_call_succeeds() {
    let transport = world().transport;
    transport.account().add_api_key("sk_test_2");
    transport.account().revoke_api_key(KEY);
    let rolled = Rolled { old: secrets(KEY), new: secrets("sk_test_2") };
    let stripe = Stripe::over(transport, rolled, clock);
    let unknown = stripe.find(&"pi_unknown".parse().unwrap()).await.unwrap_err();
    assert_eq!(refusal(unknown).0, 404, "and not 401");
}

#[tokio::test]
async fn silent_stripe_is_not_called_for_a_while() {
    let world = world();
    world.transport.account().inject(Rule::next(Fault::SilenceBefore).always());
    for _ in 0..10 {
        assert!(world.create("pm_card_visa").await.is_err());
    }
    let calls = world.transport.account().calls().len();
    assert_eq!(calls, usize::try_from(crate::breaker::MAX_FAILURES).unwrap());
}

/// The same over HTTP: headers, forms, replays, and a timeout of the clock of tokio.
#[tokio::test]
async fn client_over_http_pays_and_notices_a_replay() {
    let server = Server::start("127.0.0.1:0", KEY).unwrap();
    let stripe = Stripe::new(&server.url(), secrets(KEY), clock);
    let attempt = Attempt::with("pm_card_visa", 4900);
    let charge = attempt.charge();
    let Created::Intent(created) = stripe.create(charge).await.unwrap() else { panic!() };
    let confirmed = stripe.confirm(charge, &created.id).await.unwrap();
    assert_eq!(confirmed.status, IntentStatus::Succeeded);
    let Created::Intent(again) = stripe.create(charge).await.unwrap() else { panic!() };
    assert_eq!(again, confirmed, "the replay is looked up");
    assert_eq!(server.with(|account| account.counts("student_id", "s-1").charges), 1);
}

#[tokio::test]
async fn silence_over_http_ends_with_the_timeout() {
    let server = Server::start("127.0.0.1:0", KEY).unwrap();
    server.with(|account| account.inject(Rule::next(Fault::SilenceBefore).always()));
    let request = Request {
        operation: "testing",
        method: "GET",
        path: CREATE.to_owned(),
        api_key: secrets(KEY).api_key.clone(),
        idempotency_key: None,
        form: String::new(),
        timeout: Duration::from_millis(50),
    };
    let error = Https::new(&server.url()).send(request).await.unwrap_err().to_string();
    assert!(error.starts_with("testing failed: deadline has elapsed"), "{error}");
}
