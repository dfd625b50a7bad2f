//! The log lines that alarms and metrics count, and the filters of template.yaml that count them.
//!
//! One test in a process of its own (see `lambda::testing`).
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use enrollment::{
    payment::{Intent, IntentId, IntentStatus, PaymentError},
    reconcile::{ListPayments, MadePayment, PaymentPage, Window},
    testing::{Bank, World},
};
use lambda::testing::Log;
use lambda_runtime::{Context, LambdaEvent};
use reconciler::{Books, handler::handle};
use serde_json::{Value, json};
use tracing::instrument::WithSubscriber;
use unavailable::Unavailable;

/// One charge, or an outage.
struct Payments(bool);

fn made() -> MadePayment {
    MadePayment {
        student_id: "s-1".parse().unwrap(),
        course_id: "c".parse().unwrap(),
        enrollment_id: "any text".to_owned(),
        attempt: 1,
        intent: Intent {
            id: "pi_1".parse().unwrap(),
            status: IntentStatus::Succeeded,
            money: serde_json::from_value(json!({"price": 4900, "currency": "USD"})).unwrap(),
            livemode: true,
        },
        refunded: 0,
    }
}

impl ListPayments for Payments {
    async fn list_payments(
        &self,
        _: Window,
        _: Option<&IntentId>,
    ) -> Result<PaymentPage, PaymentError> {
        if !self.0 {
            return Err(Unavailable::new("a test", "no response").into());
        }
        Ok(PaymentPage { made_here: vec![made()], ..PaymentPage::default() })
    }

    async fn read_payment(&self, _: &IntentId) -> Result<Option<MadePayment>, PaymentError> {
        Ok(Some(made()))
    }
}

async fn run(payments: Payments) -> (Log, Value) {
    let log = Log::default();
    let books = Books { payments, enrollments: World::new([], Bank::Accepts) };
    let payload = serde_json::from_str(include_str!("../../../events/reconcile.json")).unwrap();
    let event = LambdaEvent { payload, context: Context::default() };
    let days = "3".parse().unwrap();
    let report = handle(Some(&books), days, event).with_subscriber(log.clone()).await.unwrap();
    (log, report)
}

#[tokio::test(start_paused = true)]
async fn run_logs_each_difference_and_what_it_did() {
    let (log, report) = run(Payments(true)).await;
    assert_eq!((&report["differences"], &report["finished"]), (&json!(1), &json!(true)));
    let [line] = &log.events("payment_differs")[..] else { panic!("{:?}", log.lines()) };
    assert_eq!(
        (&line["difference"], &line["intent_id"]),
        (&json!("no_enrollment"), &json!("pi_1"))
    );
    for secret in ["student_id", "course_id", "email", "name"] {
        assert!(!line.contains_key(secret), "{secret}: {line:?}");
    }
    let [line] = &log.events("reconciliation_run")[..] else { panic!("{:?}", log.lines()) };
    assert_eq!((&line["differences"], &line["unfinished"]), (&json!(1), &json!(0)));
    let both = ["PaymentDifferences", "ReconciliationUnfinished"].map(|name| (name.to_owned(), 1));
    assert_eq!(log.counted("ReconcilerLogGroup"), BTreeMap::from(both));

    let (log, report) = run(Payments(false)).await;
    assert_eq!(report["finished"], false);
    assert_eq!(log.events("reconciliation_run")[0]["unfinished"], 1);

    let event = LambdaEvent { payload: json!({"days": 0}), context: Context::default() };
    let books = Books { payments: Payments(true), enrollments: World::new([], Bank::Accepts) };
    let refused = handle(Some(&books), "3".parse().unwrap(), event).await.unwrap_err();
    assert!(refused.to_string().starts_with("`days`"), "{refused}");
    let event = LambdaEvent { payload: json!({}), context: Context::default() };
    let off = handle(None::<&Books<Payments, World>>, "3".parse().unwrap(), event).await.unwrap();
    assert_eq!(off, json!({"payments": "not configured"}));
}
