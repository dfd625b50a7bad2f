//! The stand-in for Stripe, one per stack: what it was asked, what it does next, and its webhook calls.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex, PoisonError},
};

use serde_json::json;
use stripe::{
    Secrets,
    testing::{Account, Counts, Event, Fault, Rule, Server},
    webhook,
};
use time::OffsetDateTime;

use crate::{DeployedStack, HttpResponse, Student, eventually};

/// The payment succeeds.
pub const PAYS: &str = "pm_card_visa";
/// The card is declined.
pub const DECLINED: &str = "pm_card_chargeDeclinedInsufficientFunds";
/// The student's bank asks for the student's confirmation.
pub const REQUIRES_ACTION: &str = "pm_card_authenticationRequired";

/// The keys of the local stack.
const SECRETS: &str = r#"{"api_key":"sk_test_local","webhook_secret":"whsec_local"}"#;

/// By the address that the functions of the stack were deployed with.
static RUNNING: LazyLock<Mutex<HashMap<&'static str, Server>>> = LazyLock::new(Mutex::default);

/// The stand-in, at the address that the functions were deployed with.
#[derive(Debug, Clone)]
pub struct Stripe(Server);

impl Stripe {
    /// The stand-in of the stack. Starts it, unless another journey has.
    pub fn of(stack: &DeployedStack) -> Self {
        // A journey that could not start its stand-in fails alone.
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        let url = &stack.description.function_environment["STRIPE_API_URL"];
        let address = url.trim_start_matches("http://");
        let server = running.entry(address).or_insert_with(|| {
            let keys = Secrets::parse(SECRETS).expect("the literal is a secret");
            Server::start(address, keys.api_key.expose())
                .unwrap_or_else(|error| panic!("Stripe at {address}: {error}"))
        });
        Self(server.clone())
    }

    /// Does something with the account, between two requests.
    pub fn with<T>(&self, action: impl FnOnce(&mut Account) -> T) -> T {
        self.0.with(action)
    }

    /// Counts over a student's payment intents.
    pub fn counts(&self, student: &Student) -> Counts {
        self.with(|account| account.counts("student_id", &student.id))
    }

    /// A student's payment intents, the oldest first.
    pub fn intents(&self, student: &Student) -> Vec<String> {
        self.with(|account| account.intents("student_id", &student.id))
    }

    /// The next call of this method and path about a student's payment intents fails.
    pub fn fail(&self, student: &Student, fault: Fault, method: &str, path: &str) {
        let rule = Rule::next(fault).on(method, path).about("student_id", &student.id);
        self.with(|account| account.inject(rule));
    }

    /// Whether a confirmation of a student's payment intent was asked for, with or without effect.
    pub fn confirmation_was_asked_for(&self, student: &Student) -> bool {
        let paths: Vec<_> = self
            .intents(student)
            .iter()
            .map(|intent| format!("/v1/payment_intents/{intent}/confirm"))
            .collect();
        self.with(|account| account.calls().iter().any(|call| paths.contains(&call.path)))
    }

    /// Completes what the student's bank asks for.
    pub fn authenticate(&self, student: &Student) {
        let intent = self.intents(student).pop().expect("the student has a payment intent");
        let waited = self.with(|account| account.authenticate(&intent, true));
        assert!(waited, "the payment intent does not wait for the student");
    }

    /// The last event of this type about a student.
    pub fn event(&self, student: &Student, kind: &str) -> Event {
        let about = |event: &&Event| event.kind == kind && event.body.contains(&student.id);
        self.with(|account| account.events().iter().rev().find(about).cloned())
            .expect("there was such an event")
    }
}

impl DeployedStack {
    /// The name of Stripe's partner event bus.
    pub fn stripe_event_bus(&self) -> &'static str {
        "aws.partner/stripe.com/ed_local"
    }

    /// Puts an event on the queue of Stripe's events, as the rule of the partner event bus does. The local AWS delivers no
    /// event of a partner, and nobody else may send one with a partner's source.
    pub async fn put_stripe_event(&self, event: &Event) {
        let body = event.in_envelope(self.stripe_event_bus());
        self.put_message(self.output("StripeEventQueueUrl"), &body).await;
    }

    /// The pattern of the rule on Stripe's partner event bus.
    pub async fn stripe_event_pattern(&self) -> String {
        let rule = json!({"Name": self.output("StripeEventRuleName"), "EventBusName": self.stripe_event_bus()});
        let rule = self.call_eventbridge("DescribeRule", &rule).await;
        rule["EventPattern"].as_str().expect("the rule has a pattern").to_owned()
    }

    /// Waits until no message of the queue of Stripe's events contains this text.
    pub async fn wait_until_stripe_event_is_handled(&self, mention: &str) {
        let queue = self.output("StripeEventQueueUrl");
        eventually(&format!("a queue of Stripe's events without {mention}"), async || {
            self.emulator.messages(queue, mention).await.is_empty().then_some(())
        })
        .await;
    }

    /// Delivers an event to the stack's webhook, signed with the stack's secret.
    pub async fn deliver(&self, event: &Event) -> HttpResponse {
        self.deliver_signed_with(event, SECRETS).await
    }

    /// Delivers an event to the stack's webhook, signed with the webhook secret of these keys.
    pub async fn deliver_signed_with(&self, event: &Event, keys: &str) -> HttpResponse {
        let keys = Secrets::parse(keys).expect("these are a secret");
        let now = OffsetDateTime::now_utc();
        let signature = webhook::sign(&keys.webhook_secrets[0], event.body.as_bytes(), now);
        let header = [("stripe-signature", signature.as_str())];
        self.call_with_headers("POST", "/webhooks/stripe", &header, event.body.clone()).await
    }
}
