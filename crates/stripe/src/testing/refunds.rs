//! Refunds (Stripe API reference, "Refunds"; Stripe docs, "Refund and cancel payments").

use serde_json::Value;

use super::{
    cards::Card,
    disputes,
    errors::Problem,
    exchange::Request,
    lists,
    objects::{Refund, json},
    store::Store,
};

/// `POST /v1/refunds`, of a payment intent or a charge, in full or in part.
pub(super) fn create(store: &mut Store, request: &Request, live: bool) -> Result<Value, Problem> {
    let charge_id = match (request.param("payment_intent"), request.param("charge")) {
        (Some(id), _) => paid_charge(store, id, live)?,
        (None, Some(id)) => id.to_owned(),
        (None, None) => {
            let message = "One of the following params should be provided for this request: payment_intent or charge.";
            return Err(Problem::invalid(message));
        }
    };
    let Some(charge) = store.charges.get(&charge_id).filter(|charge| charge.paid).cloned() else {
        return Err(Problem::missing(400, "charge", &charge_id));
    };
    let left = charge.amount - charge.amount_refunded;
    if left == 0 {
        // Stripe docs, "Error codes", `charge_already_refunded`.
        let problem = Problem::conflict(format!("Charge {charge_id} has already been refunded."));
        return Err(problem.code("charge_already_refunded"));
    }
    if disputes::blocks_refund(store, &charge_id) {
        // Stripe docs, "Error codes", `charge_disputed`.
        let problem = Problem::conflict(format!("Charge {charge_id} has been charged back."));
        return Err(problem.code("charge_disputed"));
    }
    let amount = match request.param("amount").map(str::parse) {
        None => left,
        Some(Ok(amount)) if amount > 0 => amount,
        Some(_) => {
            let problem = Problem::invalid("Invalid positive integer").param("amount");
            return Err(problem.code("parameter_invalid_integer"));
        }
    };
    if amount > left {
        let message = format!(
            "Refund amount ({amount}) is greater than unrefunded amount on charge ({left})"
        );
        return Err(Problem::conflict(message).param("amount"));
    }
    let refund = Refund {
        id: store.id("re"),
        object: "refund",
        charge: charge.id.clone(),
        payment_intent: charge.payment_intent.clone(),
        created: store.seconds(),
        amount,
        currency: charge.currency.clone(),
        metadata: request.metadata(),
        status: if charge.card == Card::RefundPending { "pending" } else { "succeeded" },
        failure_reason: None,
        livemode: live,
    };
    let object = json(&refund);
    store.refunds.insert(refund.id.clone(), refund);
    if let Some(charge) = store.charges.get_mut(&charge_id) {
        charge.amount_refunded += amount;
        charge.refunded = charge.amount_refunded == charge.amount;
    }
    store.emit("refund.created", live, &object);
    store.emit_charge(&charge_id, "refunded");
    Ok(object)
}

/// `GET /v1/refunds/:id`.
pub(super) fn retrieve(store: &Store, id: &str, live: bool) -> Result<Value, Problem> {
    let refund = store.refunds.get(id).filter(|refund| refund.livemode == live);
    refund.map(json).ok_or_else(|| Problem::missing(404, "refund", id))
}

/// `GET /v1/refunds`, of a payment intent or of all.
pub(super) fn page(store: &Store, request: &Request, live: bool) -> Result<Value, Problem> {
    let limit = lists::limit(request)?;
    let of = request.param("payment_intent");
    let refunds = store.refunds.values().rev().filter(|refund| refund.livemode == live);
    let refunds = refunds.filter(|refund| of.is_none_or(|intent| refund.payment_intent == intent));
    Ok(lists::page("/v1/refunds", refunds.map(json), limit))
}

/// A refund changes as its test card promises, unless a test has changed it.
pub(super) fn change(store: &mut Store, id: &str) {
    let refund = &store.refunds[id];
    match (store.charges[&refund.charge].card, refund.status) {
        (Card::RefundPending, "pending") => drop(settle(store, id)),
        (Card::RefundFails, "succeeded") => drop(fail(store, id, "expired_or_canceled_card")),
        _ => {}
    }
}

/// A pending refund succeeded. Whether it was pending.
pub(super) fn settle(store: &mut Store, id: &str) -> bool {
    let Some(refund) = store.refunds.get_mut(id).filter(|refund| refund.status == "pending") else {
        return false;
    };
    refund.status = "succeeded";
    updated(store, id);
    true
}

/// A refund failed, which it can after it was reported as succeeded; the amount is with the account
/// again (Stripe docs, "Refund and cancel payments", "Failed refunds"; test card 4000000000005126).
/// Whether it had not failed before.
pub(super) fn fail(store: &mut Store, id: &str, reason: &str) -> bool {
    let Some(refund) = store.refunds.get_mut(id).filter(|refund| refund.status != "failed") else {
        return false;
    };
    refund.status = "failed";
    refund.failure_reason = Some(reason.to_owned());
    let (charge, amount) = (refund.charge.clone(), refund.amount);
    if let Some(charge) = store.charges.get_mut(&charge) {
        charge.amount_refunded -= amount;
        charge.refunded = false;
    }
    updated(store, id);
    let (live, object) = (store.refunds[id].livemode, json(&store.refunds[id]));
    store.emit("refund.failed", live, &object);
    true
}

fn updated(store: &mut Store, id: &str) {
    let (live, object) = (store.refunds[id].livemode, json(&store.refunds[id]));
    store.emit("refund.updated", live, &object);
    store.emit("charge.refund.updated", live, &object);
}

pub(super) fn paid_charge(store: &mut Store, intent: &str, live: bool) -> Result<String, Problem> {
    let exists = store.intents.contains_key(intent);
    let missing = Problem::missing(400, "payment_intent", intent).or_other_mode(exists, live);
    let latest = store.intent(intent, live).map_err(|_| missing)?.latest_charge.clone();
    let paid = latest.filter(|id| store.charges.get(id).is_some_and(|charge| charge.paid));
    paid.ok_or_else(|| {
        let message =
            format!("This PaymentIntent ({intent}) does not have a successful charge to refund.");
        Problem::conflict(message).param("payment_intent")
    })
}
