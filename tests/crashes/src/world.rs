//! The world: tables, queue and ledger in memory, and a Stripe account.

use std::sync::Arc;

use enrollment::{
    Adapters, Course, Enrollment, Ports,
    enrollment::EnrollmentState,
    history::What,
    outside::AccessAfterRefund,
    payment::IntentId,
    testing::{Bank, Report, World as Tables},
};
use serde_json::{Value, json};
use stripe::{
    Secrets, Stripe,
    testing::{Account, Card, Event, InProcess},
};
use time::{Duration, OffsetDateTime};
use tokio::time::Instant;

use crate::line::{Broken, Line};

pub const KEY: &str = "sk_test_1";
pub const STUDENT: &str = "s-1";
pub const COURSE: &str = "rust-101";

/// Cards that work once each, after the first, whose behaviour is the test's.
const MORE_CARDS: [&str; 4] = ["pm_2", "pm_3", "pm_4", "pm_5"];

#[derive(Debug)]
pub struct Deployed;

impl Adapters for Deployed {
    type Courses = Tables;
    type Enrollments = Tables;
    type Payments = Stripe<Arc<Secrets>, Line>;
    type EmailQueue = Tables;
    type Ledger = Tables;
}

/// One student, one course, one account of Stripe.
#[derive(Debug, Clone)]
pub struct World {
    pub tables: Tables,
    pub line: Line,
    pub start: OffsetDateTime,
    /// What follows from a full refund that we did not make.
    pub access: AccessAfterRefund,
    secrets: Arc<Secrets>,
}

impl World {
    /// The first card, `pm_1`, does this.
    pub fn new(price: u32, card: Card) -> Self {
        let start = OffsetDateTime::from_unix_timestamp(1_795_000_000).unwrap();
        let mut account = Account::new(KEY, start);
        account.add_payment_method("pm_1", card);
        for id in MORE_CARDS {
            account.add_payment_method(id, Card::Accepted);
        }
        let secrets = json!({"api_key": KEY, "webhook_secret": "whsec_1"}).to_string();
        Self {
            tables: Tables::new([course(price)], Bank::Accepts),
            line: Line { stand_in: InProcess::new(account), broken: None, calls: Arc::default() },
            start,
            access: AccessAfterRefund::Keep,
            secrets: Arc::new(Secrets::parse(&secrets).unwrap()),
        }
    }

    /// The course has one seat.
    pub fn limit_seats(&self, price: u32) {
        self.tables.offer(Course { seats: Some(1.try_into().unwrap()), ..course(price) });
    }

    /// Somebody else takes a seat or leaves.
    pub fn other_student(&self, takes: bool) {
        let id = COURSE.parse().unwrap();
        if takes {
            self.tables.other_takes_seat(&id);
        } else {
            self.tables.other_leaves(&id);
        }
    }

    /// Breaks a rule.
    pub fn breaks(&mut self, rule: Broken) {
        self.line.broken = Some(rule);
    }

    /// What one invocation has, in an execution environment of its own.
    pub fn ports(&self) -> Ports<Deployed> {
        Ports {
            courses: self.tables.clone(),
            enrollments: self.tables.clone(),
            payments: Some(Stripe::over(self.line.clone(), self.secrets.clone(), Instant::now)),
            email_queue: self.tables.clone(),
            ledger: self.tables.clone(),
        }
    }

    /// Does something with the account, between two calls.
    pub fn account<T>(&self, action: impl FnOnce(&mut Account) -> T) -> T {
        action(&mut self.line.stand_in.account())
    }

    /// Moves Stripe's clock. What was late or slow arrives.
    pub fn set_time(&self, now: OffsetDateTime) {
        self.tables.set_time(now);
        self.account(|account| {
            if now > account.now() {
                account.set_now(now);
            }
        });
    }

    /// The time after this one at which something of Stripe's is over.
    pub fn later(&self, by: Duration) -> OffsetDateTime {
        self.account(|account| account.now()) + by
    }

    pub fn intents(&self) -> Vec<String> {
        self.account(|account| account.intents("student_id", STUDENT))
    }

    pub fn events(&self) -> Vec<Event> {
        self.account(|account| account.events().to_vec())
    }

    /// The student does what the bank asks for, for every intent that waits for it, and pays on every
    /// screen that still can.
    pub fn student_acts(&self, success: bool) {
        for intent in self.intents() {
            self.account(|account| account.authenticate(&intent, success));
        }
    }

    /// Every payment that is processed ends.
    pub fn bank_decides(&self, success: bool) {
        for intent in self.intents() {
            self.account(|account| account.settle(&intent, success));
        }
    }

    /// Charges that are not paid back.
    pub fn kept(&self) -> u32 {
        self.account(|account| account.counts("student_id", STUDENT)).kept
    }

    /// The succeeded intents whose charge is not paid back, by what Stripe says of each.
    pub fn charged(&self) -> Vec<IntentId> {
        let charged = |intent: &String| self.keeps(intent);
        self.intents().into_iter().filter(charged).map(|id| id.parse().unwrap()).collect()
    }

    fn keeps(&self, intent: &str) -> bool {
        let succeeded = self.get(&format!("/v1/payment_intents/{intent}"))["status"] == "succeeded"
            && self.account(|account| !account.is_charged_back(intent));
        let refunds = self.account(|account| account.refunds(intent));
        let failed = |id: &String| self.get(&format!("/v1/refunds/{id}"))["status"] == "failed";
        succeeded && refunds.iter().all(failed)
    }

    /// The status of each refund of an intent.
    pub fn refunds(&self, intent: &IntentId) -> Vec<String> {
        let refunds = self.account(|account| account.refunds(intent.as_str()));
        let status = |id: String| self.get(&format!("/v1/refunds/{id}"))["status"].clone();
        refunds.into_iter().map(|id| status(id).as_str().unwrap().to_owned()).collect()
    }

    fn get(&self, path: &str) -> Value {
        // A copy: looking is not a call, and no fault is for it.
        let mut copy = self.account(|account| account.clone());
        copy.clear_faults();
        let request = stripe::testing::Request::get(path).api_key(KEY);
        copy.handle(&request).unwrap().json()
    }

    /// What must hold now. A charge may be without access only while something is unfinished.
    pub fn check(&self) -> Result<(), String> {
        self.tables.check_seats()?;
        if self.tables.inserts() > 1 {
            return Err("two enrollments".to_owned());
        }
        if self.tables.histories_lost() > 0 {
            return Err("an entry of the history was dropped".to_owned());
        }
        if self.tables.reused_ids() > 0 {
            return Err("one job id for two emails".to_owned());
        }
        let charged = self.charged();
        if self.charges_at_once() > 1 {
            return Err(format!("{} kept charges", charged.len()));
        }
        let enrollment = self.tables.enrollments().pop();
        for intent in &charged {
            if !self.accounts_for(enrollment.as_ref(), intent) {
                return Err("a charge without access, refund or alarm".to_owned());
            }
        }
        enrollment.map_or(Ok(()), |enrollment| self.is_settled(&enrollment, &charged))
    }

    /// Charges that are not paid back, without those that an operator kept for an access that ended.
    pub fn charges_at_once(&self) -> u32 {
        let kept = |enrollment: Enrollment| {
            let ended = enrollment.state == EnrollmentState::Unenrolled;
            let current = enrollment.intent().cloned().filter(|_| ended);
            enrollment.kept_intents.into_iter().chain(current).count()
        };
        let kept: usize = self.tables.enrollments().into_iter().map(kept).sum();
        self.kept().saturating_sub(u32::try_from(kept).unwrap())
    }

    fn accounts_for(&self, enrollment: Option<&Enrollment>, intent: &IntentId) -> bool {
        let reports = self.tables.reports();
        let of = |state| {
            enrollment.is_some_and(|found| found.state == state && found.intent() == Some(intent))
        };
        of(EnrollmentState::Active)
            || of(EnrollmentState::Unenrolled)
            || enrollment.is_some_and(|found| found.kept_intents.contains(intent))
            || reports.contains(&Report::Orphaned(intent.clone()))
            || reports.contains(&Report::WithoutEnrollment(intent.clone()))
            || (of(EnrollmentState::Stuck)
                && reports.iter().any(|report| matches!(report, Report::Stuck(_))))
    }

    fn is_settled(&self, enrollment: &Enrollment, charged: &[IntentId]) -> Result<(), String> {
        let intent = enrollment.intent();
        if enrollment.owes_refund() || enrollment.resolution.is_some() {
            return Err("what an operator began is unfinished forever".to_owned());
        }
        let email = match enrollment.state {
            EnrollmentState::Active => {
                let paid = intent.is_some_and(|intent| charged.contains(intent));
                // Paid back by an operator who left the access.
                let refunded = intent.is_some_and(|intent| {
                    let succeeded = self.refunds(intent).iter().any(|status| status == "succeeded");
                    succeeded && did(enrollment, &What::RefundStarted)
                });
                let outside =
                    [What::PartlyRefundedAtProvider, What::RefundedAtProvider, What::DisputeLost];
                let elsewhere = outside.iter().any(|what| did(enrollment, what));
                if did(enrollment, &What::RefundedAtProvider)
                    && self.access == AccessAfterRefund::Revoke
                    && !did(enrollment, &What::RefundStarted)
                {
                    return Err("access after a full refund".to_owned());
                }
                if enrollment.payment.is_some() && !paid && !refunded && !elsewhere {
                    return Err("access unpaid".to_owned());
                }
                enrollment.confirmation_job_id()
            }
            EnrollmentState::Refunded => {
                let refunds = intent.map(|intent| self.refunds(intent)).unwrap_or_default();
                // A refund that failed after it had succeeded is reported.
                let reported = charged.iter().all(|id| self.accounts_for(Some(enrollment), id));
                let failed_later = refunds.iter().any(|status| status == "failed") && reported;
                if !refunds.iter().any(|status| status == "succeeded") && !failed_later {
                    return Err("refunded without a refund".to_owned());
                }
                enrollment.refund_job_id()
            }
            EnrollmentState::Unenrolled
                if !did(enrollment, &What::Unenrolled) && !did(enrollment, &What::DisputeLost) =>
            {
                return Err("unenrolled by nobody".to_owned());
            }
            EnrollmentState::PaymentFailed
            | EnrollmentState::Stuck
            | EnrollmentState::Unenrolled => return Ok(()),
            unsettled => return Err(format!("{unsettled:?} forever")),
        };
        match self.tables.sends(&email) {
            0 => Err("the email is missing".to_owned()),
            1 => Ok(()),
            n => Err(format!("{n} emails")),
        }
    }
}

/// Whether an operator did, or Stripe reported, this about the current attempt.
fn did(enrollment: &Enrollment, what: &What) -> bool {
    let attempt = enrollment.payment.as_ref().map(|payment| payment.attempt);
    enrollment.history.iter().any(|entry| entry.what == *what && entry.attempt == attempt)
}

pub(crate) fn course(price: u32) -> Course {
    let course = json!({
        "course_id": COURSE, "title": "Rust 101", "price": price, "currency": "USD", "state": "open",
    });
    serde_json::from_value(course).unwrap()
}
