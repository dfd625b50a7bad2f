//! Log events that an alarm counts: what an operator must look at.

use enrollment::{
    Enrollment, Orphan,
    enrollment::StuckReason,
    payment::{IntentId, ProviderObjectId, ProviderRefusal},
};
use lambda::log_events::{
    DISPUTE_LOST, ENROLLMENT_STUCK, PAYMENT_DISPUTED, PAYMENT_ORPHANED, PAYMENT_PROVIDER_REFUSED,
    REFUND_FAILED, REFUNDED_AT_STRIPE,
};

pub(super) fn provider_refused(refusal: &ProviderRefusal) {
    tracing::error!(
        event = PAYMENT_PROVIDER_REFUSED,
        operation = refusal.operation,
        status = refusal.status,
        error_type = refusal.error_type,
        code = refusal.code,
        "the payment provider refuses us; the payment is kept as it is",
    );
}

pub(super) fn orphaned(orphan: &Orphan) {
    let refund_requested = orphan.refund_requested;
    let refund =
        if refund_requested { "a refund was requested" } else { "each request of a refund failed" };
    tracing::error!(
        event = PAYMENT_ORPHANED,
        intent_id = %orphan.intent,
        refund_requested,
        "a charge belongs to an attempt that was over; {refund}",
    );
}

/// The resumer makes another refund if the enrollment still waits for one; otherwise nobody does.
pub(super) fn refund_failed(intent: &IntentId) {
    tracing::error!(
        event = REFUND_FAILED,
        intent_id = %intent,
        "a refund failed, and the charge is kept again",
    );
}

pub(super) fn refunded_at_stripe(intent: &IntentId, in_full: bool, recorded: &Enrollment) {
    tracing::error!(
        event = REFUNDED_AT_STRIPE,
        intent_id = %intent,
        in_full,
        state = recorded.state.as_str(),
        "a charge was refunded at Stripe, and not by us",
    );
}

pub(super) fn payment_disputed(
    intent: &IntentId,
    dispute: &ProviderObjectId,
    recorded: &Enrollment,
) {
    tracing::error!(
        event = PAYMENT_DISPUTED,
        intent_id = %intent,
        dispute_id = %dispute,
        state = recorded.state.as_str(),
        "a student disputes a charge; answer it at Stripe",
    );
}

pub(super) fn dispute_lost(
    intent: &IntentId,
    dispute: &ProviderObjectId,
    in_full: bool,
    recorded: &Enrollment,
) {
    tracing::error!(
        event = DISPUTE_LOST,
        intent_id = %intent,
        dispute_id = %dispute,
        in_full,
        state = recorded.state.as_str(),
        "a dispute is lost, and the student has the charge or a part of it back",
    );
}

pub(super) fn stuck(reason: StuckReason) {
    tracing::error!(
        event = ENROLLMENT_STUCK,
        why = reason.as_str(),
        "a payment cannot be settled; nothing is granted",
    );
}
