//! Payment intents (Stripe API reference, "Payment Intents"; their states: Stripe docs, "How
//! `PaymentIntents` work").

use serde_json::{Value, json};

use super::{
    cards::{Card, Decline},
    currencies,
    errors::Problem,
    exchange::Request,
    methods,
    objects::{self, Charge, Intent, Status},
    store::Store,
};

/// Parameters of creation that this stand-in knows or may ignore.
const PARAMS: &str = "amount automatic_payment_methods capture_method confirm confirmation_method currency description metadata payment_method payment_method_types receipt_email statement_descriptor_suffix";

/// `POST /v1/payment_intents`.
pub(super) fn create(store: &mut Store, request: &Request, live: bool) -> Result<Value, Problem> {
    for (name, _) in &request.params {
        let root = name.split('[').next();
        if !PARAMS.split(' ').any(|known| Some(known) == root) {
            let problem = Problem::invalid(format!("Received unknown parameter: {name}"));
            return Err(problem.code("parameter_unknown").param(name));
        }
    }
    let amount = request.param("amount").ok_or_else(|| Problem::required("amount"))?;
    let currency = request.param("currency").ok_or_else(|| Problem::required("currency"))?;
    let amount = currencies::check(amount, currency)?;
    let types = request.params.iter().filter(|(name, _)| name.starts_with("payment_method_types["));
    let mut method_types: Vec<_> = types.map(|(_, value)| value.clone()).collect();
    if method_types.is_empty() {
        method_types.push("card".to_owned());
    }
    let method = request.param("payment_method");
    let method = method.map(|id| methods::resolve(store, id, live)).transpose()?;
    let status = match method {
        Some(_) => Status::RequiresConfirmation,
        None => Status::RequiresPaymentMethod,
    };
    let id = store.id("pi");
    let created = store.seconds();
    let intent = Intent {
        id: id.clone(),
        object: "payment_intent",
        livemode: live,
        created,
        amount,
        amount_received: 0,
        currency: currency.to_owned(),
        metadata: request.metadata(),
        payment_method_types: method_types,
        payment_method: method,
        status,
        client_secret: format!("{id}_secret_{created:x}"),
        next_action: Value::Null,
        last_payment_error: Value::Null,
        latest_charge: None,
        confirmations: 0,
    };
    store.intents.insert(id.clone(), intent);
    store.emit_intent(&id, "created");
    if request.param("confirm") == Some("true") {
        return confirm(store, &id, None, live);
    }
    retrieve(store, &id, live)
}

/// `GET /v1/payment_intents/:id`.
pub(super) fn retrieve(store: &mut Store, id: &str, live: bool) -> Result<Value, Problem> {
    store.intent(id, live).map(|intent| objects::json(intent))
}

/// `POST /v1/payment_intents/:id/confirm`.
pub(super) fn confirm(
    store: &mut Store,
    id: &str,
    method: Option<&str>,
    live: bool,
) -> Result<Value, Problem> {
    let intent = store.intent(id, live)?;
    let why = match intent.status {
        Status::Succeeded => "it has already succeeded after being previously confirmed",
        Status::Canceled => "it has a status of canceled",
        Status::Processing => "it has a status of processing",
        _ => "",
    };
    if !why.is_empty() {
        return Err(unexpected(
            intent,
            &format!("You cannot confirm this PaymentIntent because {why}."),
        ));
    }
    let method = match (method, intent.payment_method.clone()) {
        (Some(method), _) => methods::resolve(store, method, live)?,
        (None, Some(method)) => method,
        (None, None) => {
            let message = "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a payment method or ConfirmationToken.";
            return Err(unexpected(intent, message));
        }
    };
    let Some(card) = store.methods.get_mut(&method) else { return Err(methods::used()) };
    if card.used_with.as_ref().is_some_and(|with| with != id) {
        return Err(methods::used());
    }
    card.used_with = Some(id.to_owned());
    let card = card.behaviour;
    let intent = store.intent(id, live)?;
    intent.confirmations += 1;
    intent.payment_method = Some(method);
    intent.last_payment_error = Value::Null;
    match card {
        Card::Authenticated | Card::AuthenticatedThenDeclined(_) => {
            intent.enter(Status::RequiresAction);
            store.emit_intent(id, "requires_action");
        }
        Card::Processing => {
            intent.enter(Status::Processing);
            store.emit_intent(id, "processing");
        }
        Card::Declined(decline) => return Err(fail(store, id, &declined(decline))),
        Card::Accepted | Card::RefundPending | Card::RefundFails => succeed(store, id),
    }
    retrieve(store, id, live)
}

/// `POST /v1/payment_intents/:id/cancel`: possible "when it's in one of these statuses:
/// `requires_payment_method`, `requires_capture`, `requires_confirmation`, `requires_action` or, in rare
/// cases, `processing`" (Stripe API reference, "Cancel a `PaymentIntent`"); not in `processing` here.
pub(super) fn cancel(store: &mut Store, id: &str, live: bool) -> Result<Value, Problem> {
    let intent = store.intent(id, live)?;
    if matches!(intent.status, Status::Succeeded | Status::Canceled | Status::Processing) {
        let status = objects::json(&intent.status);
        let status = status.as_str().unwrap_or_default();
        let message = format!(
            "You cannot cancel this PaymentIntent because it has a status of {status}. Only a PaymentIntent with one of the following statuses may be canceled: requires_payment_method, requires_capture, requires_confirmation, requires_action."
        );
        return Err(unexpected(intent, &message));
    }
    intent.enter(Status::Canceled);
    store.emit_intent(id, "canceled");
    retrieve(store, id, live)
}

/// The student does what the bank asks, or fails to. Whether an intent waited for it.
pub(super) fn authenticate(store: &mut Store, id: &str, success: bool) -> bool {
    let Some(card) = waiting(store, id, Status::RequiresAction) else { return false };
    match card {
        _ if !success => {
            // Stripe docs, "Error codes", `payment_intent_authentication_failure`.
            let message = "The provided PaymentMethod has failed authentication. You can provide payment_method_data or a new PaymentMethod to attempt to fulfill this PaymentIntent again.";
            let problem = Problem::invalid(message).code("payment_intent_authentication_failure");
            fail(store, id, &problem);
        }
        Card::AuthenticatedThenDeclined(decline) => drop(fail(store, id, &declined(decline))),
        _ => succeed(store, id),
    }
    true
}

/// What was processing is over. Whether an intent was.
pub(super) fn settle(store: &mut Store, id: &str, success: bool) -> bool {
    let processes = waiting(store, id, Status::Processing).is_some();
    match (processes, success) {
        (false, _) => {}
        (true, true) => succeed(store, id),
        (true, false) => drop(fail(store, id, &declined(Decline::GENERIC))),
    }
    processes
}

fn waiting(store: &Store, id: &str, status: Status) -> Option<Card> {
    let intent = store.intents.get(id).filter(|intent| intent.status == status)?;
    store.methods.get(intent.payment_method.as_ref()?).map(|method| method.behaviour)
}

fn succeed(store: &mut Store, id: &str) {
    let charge = charge(store, id, true);
    if let Some(intent) = store.intents.get_mut(id) {
        intent.enter(Status::Succeeded);
        intent.last_payment_error = Value::Null;
    }
    store.emit_intent(id, "succeeded");
    store.emit_charge(&charge, "succeeded");
}

/// The intent needs another payment method. The error, with the intent in it (Stripe API reference,
/// "Errors", `payment_intent`).
fn fail(store: &mut Store, id: &str, problem: &Problem) -> Problem {
    let charge = charge(store, id, false);
    let Some(intent) = store.intents.get_mut(id) else { return problem.clone() };
    let method = intent.payment_method.take();
    let method = method.and_then(|method| store.methods.get(&method)).map(objects::json);
    let problem = problem.clone().with("payment_method", json!(method));
    intent.enter(Status::RequiresPaymentMethod);
    intent.last_payment_error = problem.error().clone();
    let object = objects::json(intent);
    store.emit_intent(id, "payment_failed");
    store.emit_charge(&charge, "failed");
    problem.with("charge", json!(charge)).with("payment_intent", object)
}

fn charge(store: &mut Store, id: &str, paid: bool) -> String {
    let charge_id = store.id("ch");
    let Some(intent) = store.intents.get_mut(id) else { return charge_id };
    intent.latest_charge = Some(charge_id.clone());
    let method = intent.payment_method.as_ref().and_then(|method| store.methods.get(method));
    let charge = Charge {
        id: charge_id.clone(),
        object: "charge",
        livemode: intent.livemode,
        payment_intent: intent.id.clone(),
        amount: intent.amount,
        amount_refunded: 0,
        currency: intent.currency.clone(),
        metadata: intent.metadata.clone(),
        paid,
        refunded: false,
        disputed: false,
        status: if paid { "succeeded" } else { "failed" },
        card: method.map_or(Card::Accepted, |method| method.behaviour),
        key: store.key.clone(),
    };
    store.charges.insert(charge_id.clone(), charge);
    charge_id
}

fn declined(decline: Decline) -> Problem {
    let problem = Problem::new(402, "card_error", decline.message).code(decline.code).executed();
    match decline.decline_code {
        Some(code) => problem.with("decline_code", json!(code)),
        None => problem,
    }
}

fn unexpected(intent: &Intent, message: &str) -> Problem {
    Problem::conflict(message)
        .code("payment_intent_unexpected_state")
        .with("payment_intent", objects::json(intent))
}
