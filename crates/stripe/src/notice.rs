//! Events of Stripe's webhook about what follows a payment: refunds and disputes.
//!
//! A notice only names the payment intent. What is true now is read from Stripe, because events arrive late and out
//! of order, and a dispute has no metadata of ours (Stripe API reference, "The Dispute object").

use enrollment::{
    outside::DisputeStage,
    payment::{IntentId, ProviderObjectId},
};
use serde_json::Value;

use crate::webhook::{Data, Envelope, REFUND_MARK};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub intent: IntentId,
    pub news: News,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// The charge was refunded, in full or in part, by us or by others.
    Refunded,
    /// A refund failed, which it may days after it was made; the charge is kept again (Stripe docs, "Refund and
    /// cancel payments", "Failed refunds").
    RefundFailed { ours: bool },
    Disputed {
        dispute: ProviderObjectId,
        /// Never [`DisputeStage::LostInPart`]: an event does not say what was charged.
        stage: DisputeStage,
        /// Disputed: "usually the amount of the charge, but it can differ (usually because of currency fluctuation or
        /// because only part of the order is disputed)" (Stripe API reference, "The Dispute object", `amount`).
        amount: u64,
    },
}

/// The notice of a verified body. `None`: the event is of another type, or about a charge without an intent, which
/// was not made here.
pub fn read(body: &[u8]) -> Option<Notice> {
    let Envelope { kind, data } = serde_json::from_slice(body).ok()?;
    let Data { object } = data?;
    let news = match kind.as_str() {
        "charge.refunded" => News::Refunded,
        "refund.failed" => News::RefundFailed { ours: is_ours(&object["metadata"]) },
        "charge.dispute.created" => disputed(&object, DisputeStage::Opened)?,
        "charge.dispute.closed" => disputed(&object, closed(object["status"].as_str()?))?,
        _ => return None,
    };
    Some(Notice { intent: object["payment_intent"].as_str()?.parse().ok()?, news })
}

/// Whether we made the refund that has this metadata.
pub(crate) fn is_ours(metadata: &Value) -> bool {
    metadata[REFUND_MARK.0] == REFUND_MARK.1
}

fn disputed(object: &Value, stage: DisputeStage) -> Option<News> {
    let (dispute, amount) = (object["id"].as_str()?.parse().ok()?, object["amount"].as_u64()?);
    Some(News::Disputed { dispute, stage, amount })
}

/// Only a lost one takes the charge back: `warning_closed` is an inquiry that did not become a dispute (Stripe API
/// reference, "The Dispute object", `status`). If a dispute ends by a refund, there is an event about that.
fn closed(status: &str) -> DisputeStage {
    match status {
        "won" => DisputeStage::Won,
        "lost" => DisputeStage::Lost,
        _ => DisputeStage::Closed,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn news(kind: &str, object: &Value) -> Option<News> {
        let event = json!({"type": kind, "data": {"object": object}}).to_string();
        let notice = read(event.as_bytes())?;
        assert_eq!(notice.intent.as_str(), "pi_1");
        Some(notice.news)
    }

    #[test]
    fn refund_that_failed_names_its_intent_and_whether_it_is_ours() {
        let refund = |by: &str| json!({"id": "re_1", "payment_intent": "pi_1", "status": "failed", "metadata": {"created_by": by}});
        let failed = |by| news("refund.failed", &refund(by));
        assert_eq!(failed("registrar"), Some(News::RefundFailed { ours: true }));
        assert_eq!(failed("another system"), Some(News::RefundFailed { ours: false }));
        assert_eq!(news("refund.updated", &refund("registrar")), None);
    }

    #[test]
    fn dispute_has_its_stage() {
        let dispute = |status: &str| json!({"id": "du_1", "payment_intent": "pi_1", "amount": 4900, "status": status});
        for (kind, status, stage) in [
            ("charge.dispute.created", "needs_response", DisputeStage::Opened),
            ("charge.dispute.created", "warning_needs_response", DisputeStage::Opened),
            ("charge.dispute.closed", "won", DisputeStage::Won),
            ("charge.dispute.closed", "lost", DisputeStage::Lost),
            ("charge.dispute.closed", "warning_closed", DisputeStage::Closed),
        ] {
            let dispute_id = "du_1".parse().unwrap();
            let expected = News::Disputed { dispute: dispute_id, stage, amount: 4900 };
            assert_eq!(news(kind, &dispute(status)), Some(expected), "{kind}, {status}");
        }
        assert_eq!(news("charge.dispute.updated", &dispute("needs_response")), None);
    }

    #[test]
    fn charge_without_an_intent_is_not_ours() {
        assert_eq!(news("charge.refunded", &json!({"id": "ch_1", "payment_intent": null})), None);
        let charge = json!({"id": "ch_1", "payment_intent": "pi_1"});
        assert_eq!(news("charge.refunded", &charge), Some(News::Refunded));
        assert_eq!(read(b"{"), None);
    }
}
