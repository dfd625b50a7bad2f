//! Refunds that others made, refunds that failed, and disputes.

use enrollment::{Enrollment, history::What};

use super::*;

async fn paid(access: AccessAfterRefund) -> (Shop, String) {
    let shop = shop_that(Keys { old: Arc::clone(&KEYS), new: None }, None, access);
    assert_eq!(shop.buy("pm_card_visa").await.0, 201);
    let intent = shop.account(|account| account.intents("student_id", "s-1")).remove(0);
    (shop, intent)
}

impl Shop {
    /// Every event so far about a charge, a refund or a dispute, in reverse order and twice.
    async fn deliver_notices(&self) {
        let events = self.account(|account| account.events().to_vec());
        for event in events.iter().rev().chain(&events) {
            if !event.kind.starts_with("payment_intent.") {
                assert_eq!(self.deliver(event, &KEYS).await, 200, "{}", event.kind);
            }
        }
    }

    fn enrollment(&self) -> Enrollment {
        self.api.world.enrollments().pop().unwrap()
    }

    /// What the history says that Stripe reported.
    fn reported(&self) -> Vec<What> {
        let history = self.enrollment().history;
        assert!(
            history.iter().all(|entry| entry.by.as_str() == "stripe" && entry.object.is_some())
        );
        history.into_iter().map(|entry| entry.what).collect()
    }
}

#[tokio::test]
async fn partial_refund_is_recorded_and_never_ends_the_access() {
    let (shop, intent) = paid(AccessAfterRefund::Revoke).await;
    assert!(shop.account(|account| account.refund_in_dashboard(&intent, Some(1900))));
    shop.deliver_notices().await;
    assert_eq!(shop.state(), EnrollmentState::Active);
    assert_eq!(shop.reported(), [What::PartlyRefundedAtProvider]);
    // The rest, which completes it.
    assert!(shop.account(|account| account.refund_in_dashboard(&intent, None)));
    shop.deliver_notices().await;
    assert_eq!(shop.state(), EnrollmentState::Refunding, "the resumer reads the refund");
    assert_eq!(shop.reported(), [What::PartlyRefundedAtProvider, What::RefundedAtProvider]);
}

#[tokio::test]
async fn full_refund_keeps_or_ends_the_access() {
    for (access, state) in [
        (AccessAfterRefund::Keep, EnrollmentState::Active),
        (AccessAfterRefund::Revoke, EnrollmentState::Refunding),
    ] {
        let (shop, intent) = paid(access).await;
        assert!(shop.account(|account| account.refund_in_dashboard(&intent, None)));
        shop.deliver_notices().await;
        assert_eq!((shop.state(), shop.reported()), (state, vec![What::RefundedAtProvider]));
        assert_eq!(shop.account(|account| account.refunds(&intent)).len(), 1);
    }
}

#[tokio::test]
async fn dispute_is_recorded_and_a_lost_one_keeps_or_ends_the_access() {
    for (access, end, what, state) in [
        (AccessAfterRefund::Revoke, "won", What::DisputeWon, EnrollmentState::Active),
        (AccessAfterRefund::Revoke, "warning_closed", What::DisputeClosed, EnrollmentState::Active),
        (AccessAfterRefund::Revoke, "lost", What::DisputeLost, EnrollmentState::Unenrolled),
        (AccessAfterRefund::Keep, "lost", What::DisputeLost, EnrollmentState::Active),
    ] {
        let (shop, intent) = paid(access).await;
        let dispute = shop.account(|account| account.dispute(&intent)).unwrap();
        shop.deliver_notices().await;
        assert_eq!(
            (shop.state(), shop.reported()),
            (EnrollmentState::Active, vec![What::Disputed])
        );
        assert!(shop.account(|account| account.close_dispute(&dispute, end)));
        shop.deliver_notices().await;
        assert_eq!((shop.state(), shop.reported()), (state, vec![What::Disputed, what]), "{end}");
    }
}

/// `amount` of a dispute may be a part of the charge (Stripe API reference, "The Dispute object").
#[tokio::test]
async fn lost_dispute_about_a_part_keeps_the_access_unless_the_rest_is_refunded() {
    for (refunded, what, state) in [
        (None, What::DisputeLostInPart, EnrollmentState::Active),
        (Some(1000), What::DisputeLostInPart, EnrollmentState::Active),
        (Some(4000), What::DisputeLost, EnrollmentState::Unenrolled),
    ] {
        let (shop, intent) = paid(AccessAfterRefund::Revoke).await;
        if refunded.is_some() {
            assert!(shop.account(|account| account.refund_in_dashboard(&intent, refunded)));
        }
        let dispute = shop.account(|account| account.dispute_part(&intent, 900)).unwrap();
        assert!(shop.account(|account| account.close_dispute(&dispute, "lost")));
        shop.deliver_notices().await;
        assert_eq!(shop.state(), state, "{refunded:?}");
        assert!(shop.reported().contains(&what), "{refunded:?}");
    }
}

#[tokio::test]
async fn refund_of_ours_is_not_taken_for_one_of_others() {
    let (shop, intent) = paid(AccessAfterRefund::Revoke).await;
    let form = [("payment_intent", intent.as_str()), ("metadata[created_by]", "registrar")];
    shop.account(|account| {
        account.handle(&StandInRequest::post("/v1/refunds", &form).api_key(KEY)).unwrap();
    });
    shop.deliver_notices().await;
    assert_eq!((shop.state(), shop.reported()), (EnrollmentState::Active, Vec::new()));
}

#[tokio::test]
async fn payment_that_was_not_made_here_is_acknowledged() {
    let (shop, _) = paid(AccessAfterRefund::Revoke).await;
    let form = [
        ("amount", "4900"),
        ("currency", "usd"),
        ("payment_method", "pm_card_visa"),
        ("confirm", "true"),
    ];
    let intent = shop.account(|account| {
        let response = account.handle(&StandInRequest::post(CREATE, &form).api_key(KEY)).unwrap();
        response.json()["id"].as_str().unwrap().to_owned()
    });
    assert!(shop.account(|account| account.refund_in_dashboard(&intent, None)));
    shop.deliver_notices().await;
    assert_eq!((shop.state(), shop.reported()), (EnrollmentState::Active, Vec::new()));
}

#[tokio::test]
async fn notice_that_cannot_be_handled_now_is_503_so_that_stripe_repeats_it() {
    let (shop, intent) = paid(AccessAfterRefund::Revoke).await;
    assert!(shop.account(|account| account.refund_in_dashboard(&intent, None)));
    let is_it = |event: &&Event| event.kind == "charge.refunded";
    let event = shop.account(|account| account.events().iter().find(is_it).cloned()).unwrap();
    let down = Rule::next(Fault::ErrorBefore(503)).on("GET", "/v1/refunds");
    shop.account(|account| account.inject(down));
    assert_eq!(shop.deliver(&event, &KEYS).await, 503);
    assert_eq!(shop.deliver(&event, &KEYS).await, 200);
    shop.api.world.take_down(Dependency::Tables);
    assert_eq!(shop.deliver(&event, &KEYS).await, 503);
}

/// The charge is paid back before its grant was written, when the intent still says `succeeded`.
#[tokio::test]
async fn refund_of_a_payment_in_progress_waits_until_it_is_settled() {
    let shop =
        shop_that(Keys { old: Arc::clone(&KEYS), new: None }, None, AccessAfterRefund::Revoke);
    shop.account(|account| account.add_payment_method("pm_1", Card::Authenticated));
    assert_eq!(shop.buy("pm_1").await.0, 402);
    let intent = shop.account(|account| account.intents("student_id", "s-1")).remove(0);
    shop.account(|account| {
        assert!(account.authenticate(&intent, true));
        assert!(account.refund_in_dashboard(&intent, None));
    });
    let events = shop.account(|account| account.events().to_vec());
    let last = |kind: &str| events.iter().rfind(|event| event.kind == kind).unwrap();
    assert_eq!(shop.deliver(last("charge.refunded"), &KEYS).await, 503);
    assert_eq!(shop.deliver(last("payment_intent.succeeded"), &KEYS).await, 200);
    assert_eq!(shop.deliver(last("charge.refunded"), &KEYS).await, 200);
    assert_eq!(shop.state(), EnrollmentState::Refunding);
}
