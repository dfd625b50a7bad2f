//! What happened to a payment at the provider without us: refunds that a person made in the provider's dashboard,
//! and disputes. Each is an entry of the enrollment's history; whether it ends the access is a parameter.
//!
//! Entries name the provider's object, so an event that is repeated, late or out of order is recorded once.

use std::str::FromStr;

use time::OffsetDateTime;
use unavailable::Unavailable;

use crate::{
    enrollment::{Enrollment, EnrollmentState},
    history::{Actor, Entry, MAX_ENTRIES_WITH_PROVIDER, What},
    money::Amount,
    payment::{IntentId, ProviderObjectId, Refund, RefundProgress, RefundStatus},
    ports::{SaveEnrollment, Saved},
};

/// Rounds of one change, each after a lost race.
const MAX_ROUNDS: usize = 8;

/// What follows for the access from a charge that is paid back in full at the provider, or lost in a dispute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AccessAfterRefund {
    /// An operator decides.
    #[default]
    Keep,
    Revoke,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is neither `keep` nor `revoke`")]
pub struct NotAnAccessAfterRefund;

impl FromStr for AccessAfterRefund {
    type Err = NotAnAccessAfterRefund;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "keep" => Ok(Self::Keep),
            "revoke" => Ok(Self::Revoke),
            _ => Err(NotAnAccessAfterRefund),
        }
    }
}

/// A refund that we did not make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutsideRefund {
    pub refund: Refund,
    pub amount: Amount,
}

/// How far a dispute is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisputeStage {
    Opened,
    Won,
    /// The student has the whole charge back.
    Lost,
    /// The student has a part of the charge back.
    LostInPart,
    /// Over without a decision about the charge, such as an inquiry of the bank.
    Closed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outside {
    /// All refunds of the intent that we did not make and that have not failed, the oldest first.
    Refunded {
        charged: Amount,
        refunds: Vec<OutsideRefund>,
    },
    Disputed {
        dispute: ProviderObjectId,
        stage: DisputeStage,
    },
}

impl Outside {
    /// `None`: nothing is paid back by these refunds.
    pub fn refunded(charged: Amount, mut refunds: Vec<OutsideRefund>) -> Option<Self> {
        refunds.retain(|made| made.refund.status != RefundStatus::Failed);
        (!refunds.is_empty()).then_some(Self::Refunded { charged, refunds })
    }

    /// `amount` is disputed; `refunds` are those that we did not make.
    pub fn disputed(
        dispute: ProviderObjectId,
        stage: DisputeStage,
        amount: u64,
        charged: Amount,
        refunds: &[OutsideRefund],
    ) -> Self {
        let made = refunds.iter().filter(|made| made.refund.status != RefundStatus::Failed);
        let refunded: u64 = made.map(|made| u64::from(made.amount)).sum();
        let in_part = amount.saturating_add(refunded) < u64::from(charged);
        let stage = match stage {
            DisputeStage::Lost if in_part => DisputeStage::LostInPart,
            other => other,
        };
        Self::Disputed { dispute, stage }
    }

    /// Whether the student has the whole charge back.
    pub fn is_paid_back(&self) -> bool {
        match self {
            Self::Refunded { charged, refunds } => {
                let amounts = refunds.iter().map(|refund| u64::from(refund.amount));
                amounts.sum::<u64>() >= u64::from(*charged)
            }
            Self::Disputed { stage, .. } => *stage == DisputeStage::Lost,
        }
    }

    fn whats(&self) -> Vec<(ProviderObjectId, What)> {
        match self {
            Self::Refunded { refunds, .. } => {
                let partly = refunds.iter().map(|made| {
                    (ProviderObjectId::from(&made.refund.id), What::PartlyRefundedAtProvider)
                });
                let mut whats: Vec<_> = partly.collect();
                if self.is_paid_back()
                    && let Some((_, what)) = whats.last_mut()
                {
                    *what = What::RefundedAtProvider;
                }
                whats
            }
            Self::Disputed { dispute, stage } => {
                let what = match stage {
                    DisputeStage::Opened => What::Disputed,
                    DisputeStage::Won => What::DisputeWon,
                    DisputeStage::Lost => What::DisputeLost,
                    DisputeStage::LostInPart => What::DisputeLostInPart,
                    DisputeStage::Closed => What::DisputeClosed,
                };
                vec![(dispute.clone(), what)]
            }
        }
    }
}

/// The payment that something happened to.
#[derive(Debug, Clone, Copy)]
pub struct PaymentOf<'a> {
    pub intent: &'a IntentId,
    pub attempt: u32,
}

/// Records what happened, and ends the access if the parameter says so. Repeating it is harmless.
///
/// # Errors
///
/// Not now: the table did not respond, or the payment is not settled yet. The provider must send the event again.
pub async fn record_outside(
    enrollments: &(impl SaveEnrollment + Sync),
    mut found: Enrollment,
    payment: PaymentOf<'_>,
    outside: &Outside,
    access: AccessAfterRefund,
    now: OffsetDateTime,
) -> Result<Enrollment, Unavailable> {
    const RECORD: &str = "recording a refund or dispute";
    for _ in 0..MAX_ROUNDS {
        // The intent is succeeded even when its charge is paid back, so this payment is about to be granted.
        if found.attempt() == Some(payment.attempt) && may_be_granted(&found) {
            return Err(Unavailable::new(RECORD, "the payment is not settled yet"));
        }
        let Some(next) = found.after(payment, outside, access, now) else { return Ok(found) };
        match enrollments.save_enrollment(&found, &next).await? {
            Saved::Done => return Ok(next),
            Saved::Conflict(current) => found = current,
            // No seat is taken here.
            Saved::Full => break,
        }
    }
    Err(Unavailable::new(RECORD, "lost a race"))
}

/// Whether an event of the last attempt's intent may still grant it: also of an intent whose id was never written.
fn may_be_granted(found: &Enrollment) -> bool {
    match found.state {
        EnrollmentState::PaymentPending => true,
        EnrollmentState::PaymentFailed => found.intent().is_none(),
        _ => false,
    }
}

impl Enrollment {
    /// The next version; `None` if there is nothing to change.
    fn after(
        &self,
        payment: PaymentOf<'_>,
        outside: &Outside,
        access: AccessAfterRefund,
        now: OffsetDateTime,
    ) -> Option<Self> {
        let changed = self.with_consequences(payment, outside, access, now);
        let is_known = |entry: &Entry, id: &ProviderObjectId, what: &What| {
            // A partial refund stays one when another completes it.
            let is_refund = matches!(outside, Outside::Refunded { .. });
            entry.object.as_ref() == Some(id) && (is_refund || entry.what == *what)
        };
        let mut news = outside.whats();
        news.retain(|(id, what)| !self.history.iter().any(|entry| is_known(entry, id, what)));
        news.truncate(MAX_ENTRIES_WITH_PROVIDER.saturating_sub(self.history.len()));
        if changed.is_none() && news.is_empty() {
            return None;
        }
        let mut next = changed.unwrap_or_else(|| self.next(self.state, self.resume_at));
        next.history.extend(news.into_iter().map(|(id, what)| Entry {
            at: now,
            by: Actor::provider(),
            what,
            attempt: Some(payment.attempt),
            reason: None,
            object: Some(id),
        }));
        Some(next)
    }

    /// The next version if the access or a refund in progress is affected.
    fn with_consequences(
        &self,
        payment: PaymentOf<'_>,
        outside: &Outside,
        access: AccessAfterRefund,
        now: OffsetDateTime,
    ) -> Option<Self> {
        if self.intent() != Some(payment.intent) || !outside.is_paid_back() {
            return None;
        }
        match outside {
            // The resumer's own refund finds this one.
            Outside::Refunded { .. } if self.owes_refund() => None,
            // An operator has refunded it and left the access.
            Outside::Refunded { .. } if self.is_paid_back() => None,
            Outside::Refunded { refunds, .. }
                if self.state == EnrollmentState::Active && access == AccessAfterRefund::Revoke =>
            {
                let last = refunds.last()?.refund.clone();
                Some(self.revoked_after(last, now))
            }
            // It is a repetition.
            Outside::Disputed { .. } if self.is_charged_back() => None,
            // The bank has paid back, and the provider refuses a refund from now on.
            Outside::Disputed { .. } if self.owes_refund() => Some(match self.state {
                EnrollmentState::Active => self.without_refund(),
                _ => self.next(EnrollmentState::Unenrolled, None),
            }),
            Outside::Disputed { .. }
                if self.state == EnrollmentState::Active
                    && !self.is_paid_back()
                    && access == AccessAfterRefund::Revoke =>
            {
                let next = self.next(EnrollmentState::Unenrolled, None);
                Some(next.with_new_confirmation())
            }
            Outside::Refunded { .. } | Outside::Disputed { .. } => None,
        }
    }

    /// Without access, and with this refund, which the resumer reads: it makes no other one unless this one fails.
    fn revoked_after(&self, last: Refund, now: OffsetDateTime) -> Self {
        let mut next = self.next(EnrollmentState::Refunding, Some(now));
        if let Some(payment) = &mut next.payment {
            payment.refund = Some(RefundProgress { attempt: 1, started_at: now, last: Some(last) });
        }
        next.with_new_confirmation()
    }

    fn without_refund(&self) -> Self {
        let mut next = self.next(self.state, None);
        if let Some(payment) = &mut next.payment {
            payment.refund = None;
        }
        next
    }
}
