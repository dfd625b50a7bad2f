//! Any bytes at the webhook, which needs no AWS signature: the header that Stripe signs by, and the body behind it.
//! The committed inputs are in `__fuzz__/signature/corpus` and `__fuzz__/event/corpus`; `make fuzz` looks for more.

use bolero::check;
use enrollment::{outside::DisputeStage, payment::IntentStatus};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::{
    Secrets,
    notice::{self, News, Notice},
    webhook::{self, Event, TOLERANCE, Unsigned, sign, verify},
};

const BODY: &[u8] = b"{}";

/// Stands for the signature of [`BODY`] in an input.
const SIGNATURE: &str = "SIGNATURE";

fn now() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_700_000_000).unwrap()
}

fn secrets(webhook_secret: &str) -> Secrets {
    let secret = json!({"api_key": "sk_test_1", "webhook_secret": webhook_secret});
    Secrets::parse(&secret.to_string()).unwrap()
}

#[test]
fn header_is_accepted_only_with_the_signature_of_this_body_at_this_time() {
    let (keys, other_keys) = (secrets("whsec_1"), secrets("whsec_2"));
    let (ours, others) = (&keys.webhook_secrets, &other_keys.webhook_secrets);
    let right = sign(&ours[0], BODY, now());
    let signature = right.split_once("v1=").unwrap().1;
    check!(name = "signature").with_iterations(500).for_each(|bytes: &[u8]| {
        // A header with other bytes is refused before.
        let Ok(input) = std::str::from_utf8(bytes) else { return };
        let header = input.replace(SIGNATURE, signature);
        if verify(ours, Some(&header), BODY, now()).is_ok() {
            let lower = header.to_lowercase();
            let unsigned = lower.replace(signature, &"0".repeat(signature.len()));
            for (secrets, header, body) in
                [(ours, &header, &b"{ }"[..]), (others, &header, BODY), (ours, &unsigned, BODY)]
            {
                assert_eq!(verify(secrets, Some(header), body, now()), Err(Unsigned::Wrong));
            }
            let (early, late) = (now() - TOLERANCE * 3, now() + TOLERANCE * 3);
            for at in [early, late] {
                assert_eq!(verify(ours, Some(&header), BODY, at), Err(Unsigned::OutOfTime));
            }
        }
        // Parts of other schemes, and signatures by a secret that is being rolled, do not matter.
        assert_eq!(verify(ours, Some(&format!("{header},{right}")), BODY, now()), Ok(()));
    });
}

#[test]
fn event_is_written_and_read_back_and_is_never_both_kinds() {
    check!(name = "event").with_iterations(500).for_each(|body: &[u8]| {
        let (event, notice) = (webhook::read(body), notice::read(body));
        if let Some(notice) = notice {
            assert_eq!(event, Ok(None));
            assert_eq!(notice::read(&written_notice(&notice)), Some(notice));
        } else if let Ok(Some(event)) = event {
            assert_eq!(webhook::read(&written_event(&event)), Ok(Some(event)));
        } else if let (Err(_), Ok(mut json)) = (event, serde_json::from_slice::<Value>(body))
            && json.is_object()
        {
            // Only an event that is read for a payment of ours, or one without its envelope, is refused.
            json["type"] = json!("customer.created");
            json["data"] = json!({"object": {}});
            assert_eq!(webhook::read(json.to_string().as_bytes()), Ok(None));
        }
    });
}

fn written_event(event: &Event) -> Vec<u8> {
    let Event { student_id, course_id, enrollment_id, attempt, intent } = event;
    let mut object = json!({
        "id": intent.id,
        "amount": intent.money.amount,
        "currency": intent.money.currency.to_string().to_lowercase(),
        "livemode": intent.livemode,
        "metadata": {
            "student_id": student_id,
            "course_id": course_id,
            "enrollment_id": enrollment_id,
            "attempt": attempt.to_string(),
        },
    });
    let status = match &intent.status {
        IntentStatus::AwaitingConfirmation => "requires_confirmation",
        IntentStatus::RequiresAction { client_secret } => {
            object["client_secret"] = json!(client_secret);
            "requires_action"
        }
        IntentStatus::Processing => "processing",
        IntentStatus::Declined(why) => {
            object["last_payment_error"] =
                json!({"type": "card_error", "code": why.code, "message": why.message});
            "requires_payment_method"
        }
        IntentStatus::Succeeded => "succeeded",
        IntentStatus::Cancelled => "canceled",
    };
    object["status"] = json!(status);
    written("payment_intent.succeeded", object)
}

fn written_notice(notice: &Notice) -> Vec<u8> {
    let mut object = json!({"payment_intent": notice.intent});
    let kind = match &notice.news {
        News::Refunded => "charge.refunded",
        News::RefundFailed { ours } => {
            object["metadata"] = json!({"created_by": if *ours { "registrar" } else { "others" }});
            "refund.failed"
        }
        News::Disputed { dispute, stage, amount } => {
            let (kind, status) = match stage {
                DisputeStage::Opened => ("charge.dispute.created", "needs_response"),
                DisputeStage::Won => ("charge.dispute.closed", "won"),
                DisputeStage::Lost => ("charge.dispute.closed", "lost"),
                DisputeStage::Closed => ("charge.dispute.closed", "warning_closed"),
                DisputeStage::LostInPart => panic!("an event does not say what was charged"),
            };
            object["id"] = json!(dispute);
            object["amount"] = json!(amount);
            object["status"] = json!(status);
            kind
        }
    };
    written(kind, object)
}

fn written(kind: &str, object: Value) -> Vec<u8> {
    json!({"type": kind, "data": {"object": object}}).to_string().into_bytes()
}
