//! Disputes (Stripe API reference, "Disputes"; Stripe docs, "How disputes work").

use super::{
    objects::{Dispute, Metadata, json},
    store::Store,
};

/// A student disputes the charge of an intent, or a part of it. `None`: there is no charge, or it is disputed already.
pub(super) fn open(store: &mut Store, intent: &str, part: Option<u64>) -> Option<String> {
    let charge = store.intents.get(intent)?.latest_charge.clone()?;
    let found = store.charges.get_mut(&charge).filter(|found| found.paid && !found.disputed)?;
    found.disputed = true;
    let found = found.clone();
    let dispute = Dispute {
        id: store.id("du"),
        object: "dispute",
        livemode: found.livemode,
        created: store.seconds(),
        amount: part.unwrap_or(found.amount),
        charge,
        payment_intent: intent.to_owned(),
        currency: found.currency,
        metadata: Metadata::new(),
        reason: "fraudulent",
        status: "needs_response".to_owned(),
    };
    let (id, object) = (dispute.id.clone(), json(&dispute));
    store.disputes.insert(id.clone(), dispute);
    store.emit("charge.dispute.created", found.livemode, &object);
    Some(id)
}

/// A dispute ends with this status. `false`: it has ended before.
pub(super) fn close(store: &mut Store, id: &str, status: &str) -> bool {
    let open = |dispute: &&mut Dispute| dispute.status == "needs_response";
    let Some(dispute) = store.disputes.get_mut(id).filter(open) else { return false };
    status.clone_into(&mut dispute.status);
    let (live, object) = (dispute.livemode, json(dispute));
    store.emit("charge.dispute.closed", live, &object);
    true
}

/// Whether the charge is disputed, or was charged back.
pub(super) fn blocks_refund(store: &Store, charge: &str) -> bool {
    let blocks = |status: &str| matches!(status, "needs_response" | "lost");
    store.disputes.values().any(|dispute| dispute.charge == charge && blocks(&dispute.status))
}

/// Whether the bank has taken the charge back.
pub(super) fn is_lost(store: &Store, charge: &str) -> bool {
    store.disputes.values().any(|dispute| dispute.charge == charge && dispute.status == "lost")
}
