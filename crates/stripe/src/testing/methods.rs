//! Payment methods (Stripe API reference, "Payment Methods").

use serde_json::{Value, json};

use super::{
    cards::{self, Card},
    errors::Problem,
    exchange::Request,
    objects::{self, PaymentMethod},
    store::Store,
};

/// Puts a card into the account, as Stripe.js would: the payment method may be used once.
pub(super) fn add(store: &mut Store, id: String, live: bool, card: Card, number: &str) {
    let card_object = json!({"brand": "visa", "last4": number.get(12..)});
    let method = PaymentMethod {
        id: id.clone(),
        object: "payment_method",
        livemode: live,
        created: store.seconds(),
        r#type: "card",
        card: card_object,
        behaviour: card,
        used_with: None,
    };
    store.methods.insert(id, method);
}

/// `POST /v1/payment_methods` with a test card's number.
pub(super) fn create(store: &mut Store, request: &Request, live: bool) -> Result<Value, Problem> {
    let kind = request.param("type").filter(|kind| *kind == "card");
    kind.ok_or_else(|| Problem::required("type"))?;
    let number = request.param("card[number]").ok_or_else(|| Problem::required("card"))?;
    let number: String = number.chars().filter(char::is_ascii_digit).collect();
    let Some((card, number)) = cards::of_number(&number).filter(|_| !live) else {
        let problem = Problem::new(402, "card_error", "Your card number is incorrect.");
        return Err(problem.code("incorrect_number").param("number").executed());
    };
    let id = store.id("pm");
    add(store, id.clone(), live, card, number);
    Ok(objects::json(&store.methods[&id]))
}

/// The payment method of a parameter. A shared test id, such as `pm_card_visa`, becomes a payment
/// method of its own each time, so it may be used often (Stripe docs, "Test your integration").
pub(super) fn resolve(store: &mut Store, id: &str, live: bool) -> Result<String, Problem> {
    let shared = cards::of_shared(id);
    if let Some((card, number)) = shared.filter(|_| !live) {
        let id = store.id("pm");
        add(store, id.clone(), live, card, number);
        return Ok(id);
    }
    let Some(method) = store.methods.get(id).filter(|method| method.livemode == live) else {
        let exists = shared.is_some() || store.methods.contains_key(id);
        return Err(Problem::missing(400, "payment_method", id).or_other_mode(exists, live));
    };
    if method.used_with.is_some() { Err(used()) } else { Ok(id.to_owned()) }
}

/// A payment method without a customer is single use, declined or not. The rule is in the error's own
/// text, which is for developers; public reports show it with the type `invalid_request_error` and
/// without a code.
pub(super) fn used() -> Problem {
    Problem::conflict(
        "The provided PaymentMethod was previously used with a PaymentIntent without Customer attachment, shared with a connected account without Customer attachment, or was detached from a Customer. It may not be used again. To use a PaymentMethod multiple times, you must attach it to a Customer first.",
    )
}
