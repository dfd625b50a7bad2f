//! The bank behind the payment provider.

use time::OffsetDateTime;

use crate::{
    money::Money,
    payment::{Decline, IntentStatus, PaymentMethod, RefundId, RefundStatus},
};

/// What the bank does with a confirmed payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bank {
    Accepts,
    /// With the code `insufficient_funds`.
    Declines,
    /// Declines the first attempt only.
    DeclinesOnce,
    AsksTheStudent,
    /// The provider refuses to create the intent.
    DoesNotKnowTheCard,
    /// The payment stays in progress.
    Processes,
}

impl Bank {
    pub(super) fn confirm(self, intent_id: &str, attempt: u32) -> IntentStatus {
        match self {
            Self::Accepts => IntentStatus::Succeeded,
            Self::DeclinesOnce if attempt > 1 => IntentStatus::Succeeded,
            Self::Declines | Self::DeclinesOnce => IntentStatus::Declined(declined()),
            Self::AsksTheStudent | Self::DoesNotKnowTheCard => {
                IntentStatus::RequiresAction { client_secret: format!("{intent_id}_secret") }
            }
            Self::Processes => IntentStatus::Processing,
        }
    }
}

pub(super) fn declined() -> Decline {
    Decline { code: "insufficient_funds".to_owned(), message: "No.".to_owned() }
}

/// What becomes of refunds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refunds {
    SucceedAtOnce,
    /// They are pending, and have succeeded when they are read for the second time.
    SucceedLater,
    /// The first one of each intent is pending and then fails; the next one succeeds (Stripe docs,
    /// "Refunds: handle failed refunds").
    FailOnce,
    /// Each fails at once.
    Fail,
    /// They stay pending.
    Hang,
}

impl Refunds {
    /// The statuses that a refund shows, the last one from then on.
    fn course(self, earlier: usize) -> Vec<RefundStatus> {
        use RefundStatus::{Failed, Pending, Succeeded};
        match self {
            Self::SucceedAtOnce => vec![Succeeded],
            Self::Fail => vec![Failed],
            Self::FailOnce if earlier == 0 => vec![Pending, Pending, Failed],
            Self::SucceedLater | Self::FailOnce => vec![Pending, Pending, Succeeded],
            Self::Hang => vec![Pending],
        }
    }
}

/// A refund as the provider keeps it.
#[derive(Debug, Clone)]
pub(super) struct RefundRow {
    pub(super) id: RefundId,
    pub(super) status: RefundStatus,
    later: Vec<RefundStatus>,
}

impl RefundRow {
    pub(super) fn new(id: RefundId, refunds: Refunds, earlier: usize) -> Self {
        let mut later = refunds.course(earlier);
        Self { id, status: later.remove(0), later }
    }

    /// Time passes from one read to the next.
    pub(super) fn read(&mut self) {
        if !self.later.is_empty() {
            self.status = self.later.remove(0);
        }
    }
}

/// An intent as the provider keeps it.
#[derive(Debug, Clone)]
pub(super) struct IntentRow {
    pub(super) status: IntentStatus,
    pub(super) attempt: u32,
    pub(super) money: Money,
    pub(super) livemode: bool,
    pub(super) method: PaymentMethod,
    pub(super) refunds: Vec<RefundRow>,
    /// A test made it; the rules did not.
    pub(super) foreign: bool,
}

impl IntentRow {
    /// Whether the student has paid and does not have the money back.
    pub(super) fn is_charged(&self) -> bool {
        let paid_back = self.refunds.iter().any(|refund| refund.status == RefundStatus::Succeeded);
        self.status == IntentStatus::Succeeded && !paid_back
    }
}

/// What the provider saved for an idempotency key. It saves every answer once execution began, 500s
/// included, and forgets it after 24 hours (Stripe API reference, "Idempotent requests").
#[derive(Debug, Clone)]
pub(super) struct SavedAnswer {
    pub(super) saved_at: OffsetDateTime,
    /// The parameters of the first call: others are an `idempotency_error`.
    pub(super) parameters: String,
    /// The id of what was made; `None`: a 500.
    pub(super) id: Option<String>,
}
