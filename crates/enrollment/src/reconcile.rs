//! Compares the payment provider's payments with the table of enrollments. Nothing is changed: each difference is for a
//! person, or for a rule that exists already.

use std::{fmt, future::Future};

use time::OffsetDateTime;

use crate::{
    course::CourseId,
    enrollment::{Enrollment, EnrollmentState, StuckReason},
    history::{Entry, What},
    payment::{Intent, IntentId, IntentStatus, PaymentError},
    settle,
    student::StudentId,
    unfinished::LATE_AFTER,
};

/// A payment that was made here, as the provider has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadePayment {
    pub student_id: StudentId,
    pub course_id: CourseId,
    /// As the provider has it: it may be any text.
    pub enrollment_id: String,
    pub attempt: u32,
    pub intent: Intent,
    /// Of the charge, by refunds that have not failed, in the smallest unit of the currency.
    pub refunded: u64,
}

impl MadePayment {
    fn is_paid_back(&self) -> bool {
        self.refunded >= u64::from(self.intent.money.amount)
    }
}

/// The payments that were created from one time, and before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub from: OffsetDateTime,
    pub until: OffsetDateTime,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PaymentPage {
    /// The newest first, in any status.
    pub made_here: Vec<MadePayment>,
    /// Made here, but their status or amount is unknown to us.
    pub unreadable: Vec<IntentId>,
    /// The number of payments that were not made here.
    pub foreign: usize,
    /// After which payment the next page begins; `None` if this page is the last one.
    pub next: Option<IntentId>,
}

pub trait ListPayments {
    fn list_payments(
        &self,
        window: Window,
        after: Option<&IntentId>,
    ) -> impl Future<Output = Result<PaymentPage, PaymentError>> + Send;

    /// One of them, as it is now. `None`: it was not made here.
    fn read_payment(
        &self,
        id: &IntentId,
    ) -> impl Future<Output = Result<Option<MadePayment>, PaymentError>> + Send;
}

/// How a payment and the table differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    /// Charged, and there is no such enrollment.
    NoEnrollment,
    /// Charged, and neither granted, paid back nor kept by an operator.
    NotGranted,
    /// The student has access, and this payment is not charged.
    NotCharged,
    /// The whole charge was refunded at the provider, which the enrollment does not say.
    RefundNotRecorded,
    /// The enrollment says that the charge is paid back, and it is not.
    NotRefunded,
    AmountDiffers,
    CurrencyDiffers,
    LivemodeDiffers,
    /// The payment is of a form that is unknown here.
    Unreadable,
}

impl Difference {
    pub const ALL: [Self; 9] = [
        Self::NoEnrollment,
        Self::NotGranted,
        Self::NotCharged,
        Self::RefundNotRecorded,
        Self::NotRefunded,
        Self::AmountDiffers,
        Self::CurrencyDiffers,
        Self::LivemodeDiffers,
        Self::Unreadable,
    ];

    /// As logged.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoEnrollment => "no_enrollment",
            Self::NotGranted => "not_granted",
            Self::NotCharged => "not_charged",
            Self::RefundNotRecorded => "refund_not_recorded",
            Self::NotRefunded => "not_refunded",
            Self::AmountDiffers => "amount_differs",
            Self::CurrencyDiffers => "currency_differs",
            Self::LivemodeDiffers => "livemode_differs",
            Self::Unreadable => "unreadable",
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<StuckReason> for Difference {
    fn from(reason: StuckReason) -> Self {
        match reason {
            StuckReason::AmountDiffers => Self::AmountDiffers,
            StuckReason::CurrencyDiffers => Self::CurrencyDiffers,
            StuckReason::LivemodeDiffers => Self::LivemodeDiffers,
            StuckReason::PaymentMissing => Self::NotGranted,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compared {
    Same,
    /// The resumer is about to settle it.
    InProgress,
    Differs(Difference),
}

/// Compares a payment with what the table has under its student and course.
pub fn compare(made: &MadePayment, found: Option<&Enrollment>, now: OffsetDateTime) -> Compared {
    let found = found.filter(|found| found.id.to_string() == made.enrollment_id);
    if made.intent.status == IntentStatus::Succeeded {
        return match found {
            Some(found) => charged(made, found, now),
            // An operator has refunded it at the provider.
            None if made.is_paid_back() => Compared::Same,
            None => Compared::Differs(Difference::NoEnrollment),
        };
    }
    let grants = |found: &Enrollment| {
        found.state == EnrollmentState::Active && found.intent() == Some(&made.intent.id)
    };
    if found.is_some_and(grants) {
        Compared::Differs(Difference::NotCharged)
    } else {
        Compared::Same
    }
}

fn charged(made: &MadePayment, found: &Enrollment, now: OffsetDateTime) -> Compared {
    let id = &made.intent.id;
    if found.intent() != Some(id) {
        return match made {
            _ if found.refunded_intents.contains(id) => paid_back(made),
            _ if found.kept_intents.contains(id) || made.is_paid_back() => Compared::Same,
            _ => Compared::Differs(Difference::NotGranted),
        };
    }
    // Whatever it is about, it is reported each hour until an operator has decided.
    if found.state == EnrollmentState::Stuck {
        return Compared::Same;
    }
    if let Some(reason) = mismatch(made, found) {
        return Compared::Differs(reason.into());
    }
    match found.state {
        EnrollmentState::Active if found.owes_refund() => Compared::Same,
        EnrollmentState::Active if found.is_paid_back() => paid_back(made),
        EnrollmentState::Active
            if made.is_paid_back() && !has_entry(found, &What::RefundedAtProvider) =>
        {
            Compared::Differs(Difference::RefundNotRecorded)
        }
        EnrollmentState::Refunded => paid_back(made),
        EnrollmentState::PaymentPending if is_due_soon(found, now) => Compared::InProgress,
        EnrollmentState::PaymentPending | EnrollmentState::PaymentFailed => {
            if made.is_paid_back() {
                Compared::Same
            } else {
                Compared::Differs(Difference::NotGranted)
            }
        }
        EnrollmentState::Active
        | EnrollmentState::Refunding
        | EnrollmentState::Stuck
        | EnrollmentState::Unenrolled => Compared::Same,
    }
}

/// Of a payment that is granted, or may be: one that is paid back need not be the one that was agreed.
fn mismatch(made: &MadePayment, found: &Enrollment) -> Option<StuckReason> {
    let may_be_granted = matches!(
        found.state,
        EnrollmentState::Active | EnrollmentState::PaymentPending | EnrollmentState::PaymentFailed
    );
    if !may_be_granted || has_entry(found, &What::ResolvedByGrant) {
        return None;
    }
    settle::mismatch(found.payment.as_ref()?, &made.intent)
}

fn paid_back(made: &MadePayment) -> Compared {
    if made.is_paid_back() { Compared::Same } else { Compared::Differs(Difference::NotRefunded) }
}

/// Whether the history has this about the last attempt, so that an operator knows it.
fn has_entry(found: &Enrollment, what: &What) -> bool {
    let is_it = |entry: &Entry| entry.what == *what && entry.attempt == found.attempt();
    found.history.iter().any(is_it)
}

/// Later than that, the resumer reports it as overdue, and it is a difference.
fn is_due_soon(found: &Enrollment, now: OffsetDateTime) -> bool {
    found.resume_at.is_some_and(|at| at + LATE_AFTER >= now)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;
    const ID: &str = "01a21304-1630-7215-83f8-bf1567ec447e";

    fn enrollment(state: &str, change: impl FnOnce(&mut Value)) -> Enrollment {
        let mut item = json!({
            "id": ID, "student_id": "s-1", "email": "ada@example.com", "name": "Ada",
            "course_id": "c", "course_title": "T", "state": state,
            "created_at": "1970-01-01T00:00:00Z", "version": 3,
            "payment": {
                "attempt": 1, "price": 4900, "currency": "USD", "method": "pm_1", "intent": "pi_1",
                "livemode": true, "started_at": "1970-01-01T00:00:00Z",
            },
        });
        change(&mut item);
        serde_json::from_value(item).unwrap()
    }

    fn made(status: IntentStatus, refunded: u64) -> MadePayment {
        let money = json!({"price": 4900, "currency": "USD"});
        MadePayment {
            student_id: "s-1".parse().unwrap(),
            course_id: "c".parse().unwrap(),
            enrollment_id: ID.to_owned(),
            attempt: 1,
            intent: Intent {
                id: "pi_1".parse().unwrap(),
                status,
                money: serde_json::from_value(money).unwrap(),
                livemode: true,
            },
            refunded,
        }
    }

    fn charged(found: Option<&Enrollment>) -> Compared {
        compare(&made(IntentStatus::Succeeded, 0), found, NOW)
    }

    fn refunded(found: Option<&Enrollment>) -> Compared {
        compare(&made(IntentStatus::Succeeded, 4900), found, NOW)
    }

    use Compared::{Differs, InProgress, Same};

    #[test]
    fn differences_have_these_names() {
        let names = Difference::ALL.map(|difference| difference.to_string());
        assert_eq!(
            names,
            [
                "no_enrollment",
                "not_granted",
                "not_charged",
                "refund_not_recorded",
                "not_refunded",
                "amount_differs",
                "currency_differs",
                "livemode_differs",
                "unreadable",
            ]
        );
    }

    #[test]
    fn charge_without_enrollment_is_a_difference_unless_it_is_paid_back() {
        let other = enrollment("active", |item| {
            item["id"] = json!("01a21304-1630-7215-83f8-000000000000");
        });
        for found in [None, Some(&other)] {
            assert_eq!(charged(found), Differs(Difference::NoEnrollment));
            assert_eq!(refunded(found), Same);
        }
    }

    #[test]
    fn charge_of_the_current_attempt_is_compared_with_the_state() {
        let not_granted = Differs(Difference::NotGranted);
        let not_recorded = Differs(Difference::RefundNotRecorded);
        for (state, when_charged, when_refunded) in [
            ("active", Same, not_recorded),
            ("payment_pending", not_granted, Same),
            ("payment_failed", not_granted, Same),
            ("refunding", Same, Same),
            ("refunded", Differs(Difference::NotRefunded), Same),
            ("unenrolled", Same, Same),
            ("stuck", Same, Same),
        ] {
            let found = enrollment(state, |_| {});
            assert_eq!(charged(Some(&found)), when_charged, "{state}");
            assert_eq!(refunded(Some(&found)), when_refunded, "{state}");
        }
    }

    #[test]
    fn payment_that_the_resumer_is_about_to_settle_is_in_progress() {
        let due =
            |seconds: i64| enrollment("payment_pending", |item| item["resume_at"] = json!(seconds));
        assert_eq!(charged(Some(&due(60))), InProgress);
        assert_eq!(charged(Some(&due(-3600))), InProgress);
        assert_eq!(charged(Some(&due(-3601))), Differs(Difference::NotGranted));
    }

    #[test]
    fn partial_refund_is_not_a_difference() {
        let found = enrollment("active", |_| {});
        assert_eq!(compare(&made(IntentStatus::Succeeded, 4899), Some(&found), NOW), Same);
    }

    #[test]
    fn refund_that_the_history_has_is_not_a_difference() {
        let entry = |attempt: u32| {
            json!([{
                "at": "1970-01-01T00:00:00Z", "by": "stripe", "what": "refunded_at_provider",
                "attempt": attempt, "object": "re_1",
            }])
        };
        let known = enrollment("active", |item| item["history"] = entry(1));
        assert_eq!(refunded(Some(&known)), Same);
        let of_another = enrollment("active", |item| item["history"] = entry(7));
        assert_eq!(refunded(Some(&of_another)), Differs(Difference::RefundNotRecorded));
    }

    #[test]
    fn refund_by_an_operator_that_keeps_the_access_must_exist() {
        let refund = |status: &str| {
            enrollment("active", |item| {
                item["payment"]["refund"] = json!({
                    "attempt": 1, "started_at": "1970-01-01T00:00:00Z", "id": "re_1",
                    "status": status,
                });
            })
        };
        assert_eq!(charged(Some(&refund("succeeded"))), Differs(Difference::NotRefunded));
        assert_eq!(refunded(Some(&refund("succeeded"))), Same);
        assert_eq!(charged(Some(&refund("pending"))), Same, "the resumer waits for it");
        assert_eq!(refunded(Some(&refund("pending"))), Same, "the resumer is about to see it");
    }

    #[test]
    fn charge_of_an_earlier_attempt_is_paid_back_or_kept() {
        let next = |change: fn(&mut Value)| {
            enrollment("active", |item| {
                item["payment"]["intent"] = json!("pi_2");
                change(item);
            })
        };
        let orphan = next(|_| {});
        assert_eq!(charged(Some(&orphan)), Differs(Difference::NotGranted));
        assert_eq!(refunded(Some(&orphan)), Same);
        let kept = next(|item| item["kept_intents"] = json!(["pi_1"]));
        assert_eq!(charged(Some(&kept)), Same);
        let paid_back = next(|item| item["refunded_intents"] = json!(["pi_1"]));
        assert_eq!(charged(Some(&paid_back)), Differs(Difference::NotRefunded));
        assert_eq!(refunded(Some(&paid_back)), Same);
    }

    #[test]
    fn amount_currency_and_mode_are_those_that_were_agreed() {
        let found = enrollment("active", |_| {});
        let differs = |change: fn(&mut Intent)| {
            let mut made = made(IntentStatus::Succeeded, 0);
            change(&mut made.intent);
            compare(&made, Some(&found), NOW)
        };
        let amount = differs(|intent| intent.money.amount = 4800.try_into().unwrap());
        assert_eq!(amount, Differs(Difference::AmountDiffers));
        let currency = differs(|intent| intent.money.currency = "EUR".parse().unwrap());
        assert_eq!(currency, Differs(Difference::CurrencyDiffers));
        let mode = differs(|intent| intent.livemode = false);
        assert_eq!(mode, Differs(Difference::LivemodeDiffers));
        // An operator has decided.
        let entry = json!([{
            "at": "1970-01-01T00:00:00Z", "by": "arn:aws:iam::1:user/ada",
            "what": "resolved_by_grant", "attempt": 1,
        }]);
        let resolved = enrollment("active", |item| item["history"] = entry);
        let mut other_mode = made(IntentStatus::Succeeded, 0);
        other_mode.intent.livemode = false;
        assert_eq!(compare(&other_mode, Some(&resolved), NOW), Same);
        assert_eq!(compare(&other_mode, Some(&enrollment("refunding", |_| {})), NOW), Same);
    }

    #[test]
    fn access_without_a_charge_is_a_difference() {
        for status in [IntentStatus::Cancelled, IntentStatus::Processing] {
            let made = made(status, 0);
            let active = enrollment("active", |_| {});
            let not_charged = Differs(Difference::NotCharged);
            assert_eq!(compare(&made, Some(&active), NOW), not_charged);
            let later = enrollment("active", |item| item["payment"]["intent"] = json!("pi_2"));
            for found in [None, Some(&later), Some(&enrollment("payment_pending", |_| {}))] {
                assert_eq!(compare(&made, found, NOW), Same);
            }
        }
    }

    #[test]
    fn grace_ends_an_hour_after_the_resumer_was_due() {
        let found = enrollment("payment_pending", |item| item["resume_at"] = json!(0));
        let made = made(IntentStatus::Succeeded, 0);
        let at = |after: Duration| compare(&made, Some(&found), NOW + after);
        assert_eq!(at(LATE_AFTER), InProgress);
        assert_eq!(at(LATE_AFTER + Duration::from_secs(1)), Differs(Difference::NotGranted));
    }
}
