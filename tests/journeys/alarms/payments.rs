//! Requests to enroll and payments, with every outcome that the dashboard shows.

use std::time::Duration;

use journeys::{
    DeployedStack, Student,
    payments::{self, Stripe},
    unique_id,
};
use serde_json::json;
use stripe::testing::{Account, Event, Fault, Rule};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

const CREATE: &str = "/v1/payment_intents";
const REFUND: &str = "/v1/refunds";
const PROCESSES: &str = "pm_card_processing";

/// A stack, its Stripe, and a course.
struct Shop<'a> {
    stack: &'a DeployedStack,
    stripe: Stripe,
    course: String,
}

pub(super) async fn provoke(stack: &DeployedStack) {
    let course = json!({"title": "Alarms", "price": 4900, "currency": "USD", "state": "open"});
    let course = stack.create_course(course).await;
    let shop = Shop { stack, stripe: Stripe::of(stack), course };
    shop.requests().await;
    shop.reported_payments().await;
    shop.charge_of_an_attempt_that_was_over().await;
    shop.refund_and_disputes_at_stripe().await;
    shop.payment_that_cannot_be_settled().await;
    shop.late_refund().await;
    shop.payment_that_the_table_does_not_know().await;
    stack.put_unreadable_enrollment("unreadable").await;
    stack.run_resumer().await;
    stack.delete_unreadable_enrollment("unreadable").await;
}

impl Shop<'_> {
    async fn buys(&self, method: &str, status: u16) -> Student {
        let student = Student::named("Ada Lovelace");
        let response = self.stack.buy(&student, &self.course, method).await;
        assert_eq!(response.status, status, "{method}: {:?}", response.body);
        student
    }

    async fn buys_while_stripe_fails(&self, fault: Fault) {
        let student = Student::named("Grace Hopper");
        self.stripe.fail(&student, fault, "POST", CREATE);
        assert_eq!(self.stack.buy(&student, &self.course, payments::PAYS).await.status, 503);
    }

    async fn delivers(&self, student: &Student, kind: &str) {
        let response = self.stack.deliver(&self.stripe.event(student, kind)).await;
        assert_eq!(response.status, 200, "{kind}: {:?}", response.body);
    }

    async fn requests(&self) {
        let student = self.buys(payments::PAYS, 201).await;
        assert_eq!(self.stack.buy(&student, &self.course, payments::PAYS).await.status, 200);
        self.buys(payments::DECLINED, 402).await;
        self.buys("", 422).await;
        let student = Student::named("Mary Jackson");
        let processing = self.stack.buy(&student, &self.course, PROCESSES).await;
        assert!(processing.status >= 400, "{:?}", processing.body);
        self.buys_while_stripe_fails(Fault::ErrorBefore(503)).await;
        self.buys_while_stripe_fails(Fault::Forbidden).await;
    }

    async fn reported_payments(&self) {
        let paid = self.buys(payments::REQUIRES_ACTION, 402).await;
        self.stripe.authenticate(&paid);
        for _ in 0..2 {
            self.delivers(&paid, "payment_intent.succeeded").await;
        }
        let failed = self.buys(payments::REQUIRES_ACTION, 402).await;
        let intent = self.stripe.intents(&failed).pop().expect("there is an intent");
        assert!(self.stripe.with(|account| account.authenticate(&intent, false)));
        self.delivers(&failed, "payment_intent.payment_failed").await;
        let unknown = self.buys(payments::REQUIRES_ACTION, 402).await;
        self.stripe.authenticate(&unknown);
        self.stack.delete_enrollment(&unknown, &self.course).await;
        self.delivers(&unknown, "payment_intent.succeeded").await;
    }

    /// And the failure of its refund.
    async fn charge_of_an_attempt_that_was_over(&self) {
        let student = self.buys(payments::PAYS, 201).await;
        let intent = self.stripe.intents(&student).pop().expect("there is an intent");
        // As if this had been the intent of another attempt.
        self.stack.set_payment(&student, &self.course, "intent", json!(unique_id("pi"))).await;
        self.delivers(&student, "payment_intent.succeeded").await;
        let failed = self.stripe.with(|account| {
            let refund = account.refunds(&intent).pop().expect("the charge is refunded");
            assert!(account.fail_refund(&refund, "lost_or_stolen_card"));
            account.events().iter().rev().find(|event| event.kind == "refund.failed").cloned()
        });
        let failed = failed.expect("Stripe reports it");
        assert_eq!(self.stack.deliver(&failed).await.status, 200);
    }

    async fn refund_and_disputes_at_stripe(&self) {
        let refunded = self.buys(payments::PAYS, 201).await;
        let intent = self.stripe.intents(&refunded).pop().expect("there is an intent");
        assert!(self.stripe.with(|account| account.refund_in_dashboard(&intent, Some(900))));
        self.delivers_last("charge.refunded").await;
        for end in ["lost", "won"] {
            let student = self.buys(payments::PAYS, 201).await;
            let intent = self.stripe.intents(&student).pop().expect("there is an intent");
            let dispute = self.stripe.with(|account| account.dispute(&intent));
            let dispute = dispute.expect("there is a charge");
            self.delivers_last("charge.dispute.created").await;
            assert!(self.stripe.with(|account| account.close_dispute(&dispute, end)));
            self.delivers_last("charge.dispute.closed").await;
        }
    }

    /// The last event of this kind, which has no metadata of the student.
    async fn delivers_last(&self, kind: &str) {
        let is_it = |event: &&Event| event.kind == kind;
        let event = self.stripe.with(|account| account.events().iter().rfind(is_it).cloned());
        let response = self.stack.deliver(&event.expect("Stripe reports it")).await;
        assert_eq!(response.status, 200, "{kind}: {:?}", response.body);
    }

    async fn payment_that_cannot_be_settled(&self) {
        let student = self.buys(payments::REQUIRES_ACTION, 402).await;
        self.stack.set_payment(&student, &self.course, "livemode", json!(true)).await;
        self.stripe.authenticate(&student);
        self.delivers(&student, "payment_intent.succeeded").await;
    }

    /// And a comparison that Stripe does not let finish.
    async fn payment_that_the_table_does_not_know(&self) {
        let student = self.buys(payments::PAYS, 201).await;
        let intent = self.stripe.intents(&student).pop().expect("there is an intent");
        self.stack.delete_enrollment(&student, &self.course).await;
        // As if it had been paid before the grace.
        self.stripe.with(|account| assert!(account.backdate(&intent, 3 * 60 * 60)));
        let report = self.stack.run_reconciler().await;
        assert_eq!(report["finished"], true, "{report}");
        let found = report["found"].as_array().expect("a list").iter();
        let found: Vec<_> = found.filter(|found| found["intent_id"] == intent.as_str()).collect();
        let [found] = found[..] else { panic!("{report}") };
        assert_eq!(found["difference"], "no_enrollment");
        let forbidden = Rule::next(Fault::Forbidden).on("GET", CREATE).always();
        self.stripe.with(|account| account.inject(forbidden));
        let report = self.stack.run_reconciler().await;
        self.stripe.with(Account::clear_faults);
        assert_eq!(report["finished"], false, "{report}");
    }

    /// A refund that has been due for two hours, because Stripe is down.
    async fn late_refund(&self) {
        let course = json!({"title": "Gone", "price": 4900, "currency": "USD", "state": "open"});
        let course = self.stack.create_course(course).await;
        let student = Student::named("Katherine Johnson");
        let asked = self.stack.buy(&student, &course, payments::REQUIRES_ACTION).await;
        assert_eq!(asked.status, 402, "{:?}", asked.body);
        self.stripe.authenticate(&student);
        self.stack.delete_course(&course).await;
        // Always, because a scheduled run of the resumer may come between the two.
        let down = Rule::next(Fault::ErrorBefore(503)).on("POST", REFUND).always();
        self.stripe.with(|account| account.inject(down));
        for due_for in ["no time", "two hours"] {
            self.stack.resume_when_overdue(&student, &course).await;
            let state = &self.stack.enrollment(&student, &course).await["enrollment"]["state"];
            assert_eq!(state, "refunding", "due for {due_for}");
            let ago = OffsetDateTime::now_utc() - Duration::from_hours(2);
            let ago = json!(ago.format(&Rfc3339).expect("this is before the year 10000"));
            self.stack.set_payment(&student, &course, "refund.started_at", ago).await;
        }
        self.stripe.with(Account::clear_faults);
        self.stack.resume_when_overdue(&student, &course).await;
        let state = &self.stack.enrollment(&student, &course).await["enrollment"]["state"];
        assert_eq!(state, "refunded");
    }
}
