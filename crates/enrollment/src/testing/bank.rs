//! The bank behind the payment provider.

use crate::payment::{Decline, IntentStatus};

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

/// An intent as the provider keeps it.
#[derive(Debug, Clone)]
pub(super) struct IntentRow {
    pub(super) status: IntentStatus,
    pub(super) attempt: u32,
    pub(super) refunded: bool,
}
